"""One tree of errors. Each says what happened with the values that disagree, and `hint` says what repairs it."""

from __future__ import annotations


class AcclimateError(Exception):
    """Base of every error that Acclimate raises on purpose.

    `hint` is the repair, a command where there is one; `retryable` says whether the same call may succeed later.
    The command line prints message and hint on one line each and exits with `exit_code`.
    """

    exit_code = 1

    def __init__(self, message: str, *, hint: str = "", retryable: bool = False) -> None:
        super().__init__(message)
        self.hint = hint
        self.retryable = retryable


class SettingsError(AcclimateError):
    """acclimate.toml or an option is wrong."""

    exit_code = 2


class DataError(AcclimateError):
    """Training data cannot be learnt from as it is; the message names the file and each line with its reason."""


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


class NetworkError(AcclimateError):
    """The environment's proxy or certificates cannot be used; the message names the variable."""


class DocumentError(AcclimateError):
    """A file could not be parsed."""


class LibraryError(AcclimateError):
    """The record or an index is unusable."""


class MissingExtraError(AcclimateError):
    """An optional feature needs packages that are not installed."""

    def __init__(self, feature: str, extra: str) -> None:
        super().__init__(
            f"{feature} needs the extra '{extra}', which is not installed.",
            hint=f"pip install 'acclimate[{extra}]'",
        )
