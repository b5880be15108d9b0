"""How an adapter is asked that learnt prompts as they stand."""

from __future__ import annotations

from collections.abc import Sequence

from acclimate.errors import SettingsError
from acclimate.prompting.templates import parse_template
from acclimate.tuning.pairs.pairs import Pair
from acclimate.types import Message


def own_template(pairs: Sequence[Pair]) -> tuple[str | None, str]:
    """How an adapter is to be asked that learnt prompts as they stand: the template's text, and
    that in words.

    It holds the system message that all pairs have in common, if any, and the question as it is.
    """
    systems = {
        tuple(one.content for one in pair.messages if one.role == "system") for pair in pairs
    }
    text = "--- user\n{{question}}\n"
    if systems == {()}:
        return text, "as they stand, without a system message; it will be asked the same way"
    if len(systems) == 1:
        system = next(iter(systems))[0]
        whole, shown = (
            f"--- system\n{system}\n{text}",
            (Message("system", system), Message("user", "?")),
        )
        try:
            if parse_template("own", whole).render({"question": "?"}) == shown:
                return (
                    whole,
                    "as they stand, with their one system message; it will be asked the same way",
                )
        except SettingsError:
            pass  # the message holds what a template would read as its own: told below
    return text, f"as they stand, with {len(systems)} system messages; it will be asked without one"
