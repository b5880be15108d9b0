"""Adapt a general-purpose LLM to your documents, and measure which way of adapting works.

`Project` is the front door. The public names are imported on first use, so that `import acclimate`
stays under 0.15 s.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from acclimate._version import __version__
from acclimate.system.quiet import keep_quiet

if TYPE_CHECKING:
    from acclimate.errors import (
        AcclimateError,
        DataError,
        DocumentError,
        EngineError,
        HashMismatchError,
        LibraryError,
        MissingExtraError,
        ModelError,
        ProjectError,
        PromptTooLongError,
        SettingsError,
    )
    from acclimate.evaluation.comparison import Comparison
    from acclimate.indexes.filters import Filter
    from acclimate.project import Project
    from acclimate.prompting.conversation import Turn
    from acclimate.types import Answer, Citation, Hit, Question

__all__ = [
    "AcclimateError",
    "Answer",
    "Citation",
    "Comparison",
    "DataError",
    "DocumentError",
    "EngineError",
    "Filter",
    "HashMismatchError",
    "Hit",
    "LibraryError",
    "MissingExtraError",
    "ModelError",
    "Project",
    "ProjectError",
    "PromptTooLongError",
    "Question",
    "SettingsError",
    "Turn",
    "__version__",
]
_PLACES = {
    "Project": "acclimate.project",
    "Comparison": "acclimate.evaluation.comparison",
    "Filter": "acclimate.indexes.filters",
    "Turn": "acclimate.prompting.conversation",
    "Answer": "acclimate.types",
    "Citation": "acclimate.types",
    "Hit": "acclimate.types",
    "Question": "acclimate.types",
}

# The one thing that happens at import: whatever imports `openvino` for us has imported this package
# before.
keep_quiet()


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module 'acclimate' has no attribute '{name}'")
    return getattr(import_module(_PLACES.get(name, "acclimate.errors")), name)


def __dir__() -> list[str]:
    return __all__
