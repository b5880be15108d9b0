"""A question as a caller of the server put it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from acclimate.indexes.filters import Filter
from acclimate.prompting.conversation import Turn
from acclimate.prompting.recipes import Recipe
from acclimate.types import Style


@dataclass(frozen=True, slots=True)
class Ask:
    """One question as a caller put it; `options` are fields of `Generation` in place of the
    project's own.

    `trace` are the headers that say which trace it belongs to; `instructions`, what the client's
    developer asks for; `notices`, what of the request was not followed; `style`, how long the
    answer is to be (None: as the recipe or acclimate.toml says); `typed`, the conditions of `where`
    as the client sent them.
    """

    question: str
    recipe: Recipe
    where: Filter
    options: Mapping[str, Any] = field(default_factory=dict)
    schema: Mapping[str, Any] | None = None
    turns: tuple[Turn, ...] = ()
    trace: Mapping[str, str] = field(default_factory=dict)
    instructions: str = ""
    notices: tuple[str, ...] = ()
    style: Style | None = None
    typed: tuple[str, ...] = ()
