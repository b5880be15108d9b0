"""One tree of errors. Each says what happened with the values that disagree, and `hint` says what
repairs it."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable
from difflib import SequenceMatcher

_ALIKE = 0.6  # from which likeness on a name may be meant, as in difflib
_BEGINNING = 4  # letters that tell a name by how it begins


class AcclimateError(Exception):
    """Base of every error that Acclimate raises on purpose.

    `hint` is the repair, a command where there is one; `retryable` says whether the same call may
    succeed later, and `wait_s` after how many seconds, where a server says so. The command line
    prints message and hint on one line each and exits with `exit_code`.
    """

    exit_code = 1

    def __init__(
        self,
        message: str,
        *,
        hint: str = "",
        retryable: bool = False,
        wait_s: float | None = None,
    ) -> None:
        super().__init__(message)
        self.hint = hint
        self.retryable = retryable
        self.wait_s = wait_s


class SettingsError(AcclimateError):
    """acclimate.toml or an option is wrong."""

    exit_code = 2


class DataError(AcclimateError):
    """Training data is unusable as it is; the message names the file and each line with its
    reason."""


class ProjectError(AcclimateError):
    """The folder is not a project, or not yet ingested."""


class ModelError(AcclimateError):
    """A model is missing, damaged, or cannot be loaded."""


class HashMismatchError(ModelError):
    """A file's bytes are not the ones that were promised."""


class EngineError(AcclimateError):
    """A language model or embedder failed while running."""


class PromptTooLongError(EngineError):
    """A prompt does not fit the model's context window; it is never cut silently."""


class UnfilledError(EngineError):
    """A schema got no JSON; the message names the field, and holds the asker's own schema and
    answer at most."""


class NetworkError(AcclimateError):
    """The environment's proxy or certificates cannot be used; the message names the variable."""


class DocumentError(AcclimateError):
    """A file could not be parsed."""


class SourceError(AcclimateError):
    """A source of documents cannot be reached or mirrored; the message holds no password."""


class LibraryError(AcclimateError):
    """The record or an index is unusable."""


class MissingExtraError(AcclimateError):
    """An optional feature needs packages that are not installed."""

    def __init__(self, feature: str, extra: str) -> None:
        super().__init__(
            f"{feature} needs the extra '{extra}', which is not installed.",
            hint=f"pip install 'acclimate[{extra}]'",
        )


def legible(text: str) -> str:
    r"""Text on one line, for messages: controls, marks of direction and broken bytes (\xe9) of
    names are escaped."""
    return "".join(one if _prints(one) else _escaped(one) for one in text)


def _prints(character: str) -> bool:
    return character.isprintable() or unicodedata.category(character) == "Zs"


def _escaped(character: str) -> str:
    code = ord(character)
    if 0xDC80 <= code <= 0xDCFF:  # a byte that is not UTF-8, as Python holds it
        return f"\\x{code - 0xDC00:02x}"
    return character.encode("unicode_escape").decode("ascii")


def nearest(name: str, known: Iterable[str]) -> str:
    """The hint for a name that is not known: those that it resembles, else all of them."""
    names = list(dict.fromkeys(known))
    likeness = {one: _likeness(name.casefold(), one.casefold()) for one in names}
    close = sorted(
        (one for one in names if likeness[one] >= _ALIKE), key=lambda one: -likeness[one]
    )[:3]
    if close:
        return f"Did you mean {' or '.join(repr(one) for one in close)}?"
    return f"Known: {', '.join(names)}." if names else ""


def _likeness(name: str, known: str) -> float:
    """How alike two names are, 0 to 1; to be like the beginning of a long one counts a little
    less."""
    whole = SequenceMatcher(None, name, known).ratio()
    if len(name) < _BEGINNING:
        return whole
    return max(whole, 0.9 * SequenceMatcher(None, name, known[: len(name) + 1]).ratio())
