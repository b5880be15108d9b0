"""Fitting passages: the most that fits, best first, and never a cut."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from acclimate.errors import PromptTooLongError
from acclimate.prompting.budget import fit
from acclimate.types import Chunk, Hit, Message

OVERHEAD = 5


def hits_of(sizes):
    return [Hit(Chunk(str(i), "d", 0, size, "x" * size), 1.0, i) for i, size in enumerate(sizes, 1)]


def render(hits):
    return (Message("user", "".join(hit.chunk.text for hit in hits)),)


def count(messages):
    return OVERHEAD + sum(len(message.content) for message in messages)


@given(st.lists(st.integers(1, 50), max_size=8), st.integers(OVERHEAD, 200))
def test_shows_the_longest_prefix_that_fits(sizes, limit):
    hits = hits_of(sizes)
    if sizes and OVERHEAD + sizes[0] > limit:
        with pytest.raises(PromptTooLongError):
            fit(hits, render, count, limit, "drop-lowest")
        return
    prompt = fit(hits, render, count, limit, "drop-lowest")
    assert [*prompt.passages, *prompt.dropped] == hits
    assert prompt.tokens == count(prompt.messages) <= limit
    if prompt.dropped:
        assert prompt.tokens + len(prompt.dropped[0].chunk.text) > limit


def test_refuse_names_both_numbers():
    with pytest.raises(PromptTooLongError, match=r"25 tokens with 2 passages; 20 fit") as caught:
        fit(hits_of([10, 10]), render, count, 20, "refuse")
    assert "[retrieval] k" in caught.value.hint


def test_a_question_that_alone_is_too_long_is_refused():
    with pytest.raises(PromptTooLongError, match="0 passages"):
        fit([], render, count, OVERHEAD - 1, "drop-lowest")
