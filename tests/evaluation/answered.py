"""Answers that no model gave."""

from acclimate.types import Answer, Prompt, Timings, Usage


def answered(asked, text):
    return Answer(
        asked.question,
        text,
        text,
        False,
        (),
        Prompt((), 0),
        Usage(1, 1),
        Timings(0, 1, 1),
        "r",
        "m",
    )
