"""Adapt a general-purpose LLM to your documents, and measure which way of adapting works.

`Project` is the front door; it is imported on first use, so that `import acclimate` stays under 0.15 s.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from acclimate.quiet import keep_quiet

if TYPE_CHECKING:
    from acclimate.project import Project

__version__ = "0.1.0"
__all__ = ["Project", "__version__"]

# The one thing that happens at import: whatever imports `openvino` for us has imported this package before.
keep_quiet()


def __getattr__(name: str) -> Any:
    if name == "Project":
        from acclimate.project import Project  # imports numpy, pydantic, …: 0.3 s

        return Project
    raise AttributeError(f"module 'acclimate' has no attribute '{name}'")
