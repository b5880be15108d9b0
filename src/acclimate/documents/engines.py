"""Other parsers that may read the files instead of our own: which formats each takes, and what it
needs."""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from typing import Literal, cast

from acclimate.documents.base import Parser
from acclimate.errors import MissingExtraError, SettingsError

EngineName = Literal["acclimate", "docling", "docling-native", "dedoc"]

_OPEN = "application/vnd.openxmlformats-officedocument"
_WORD, _SLIDES, _SHEET = (
    f"{_OPEN}.{kind}.{part}"
    for kind, part in (
        ("wordprocessingml", "document"),
        ("presentationml", "presentation"),
        ("spreadsheetml", "sheet"),
    )
)


@dataclass(frozen=True, slots=True)
class ParsingEngine:
    """A parser of others: its adapter's module and class, its package, and the media types that it
    reads.

    `extra` installs it beside Acclimate; "" where its packages cannot be installed beside ours.
    """

    module: str
    parser: str
    package: str
    formats: frozenset[str]
    extra: str = ""


_DOCLING = frozenset(
    ("application/pdf", _WORD, _SLIDES, _SHEET, "text/html", "text/markdown", "text/csv")
)
DEDOC_FORMATS = frozenset(
    (
        *(_WORD, _SLIDES, _SHEET, "application/vnd.ms-excel", "text/html", "text/csv"),
        *("message/rfc822", "application/json", "text/plain"),
    )
)
ENGINES: dict[str, ParsingEngine] = {
    "docling": ParsingEngine("docling", "DoclingParser", "docling", _DOCLING, "docling"),
    "docling-native": ParsingEngine(
        "docling", "NativeDoclingParser", "docling", _DOCLING, "docling"
    ),
    "dedoc": ParsingEngine("dedoc", "DedocParser", "dedoc", DEDOC_FORMATS),
}


def engine_parser(name: str) -> Parser:
    """The adapter of an engine, a key of ENGINES. Raises ImportError where its packages are
    missing."""
    engine = ENGINES[name]
    return cast(
        "Parser", getattr(import_module(f"acclimate.documents.{engine.module}"), engine.parser)()
    )


def require_engine(name: str) -> None:
    """Raise where an engine is not installed beside Acclimate, with what installs it."""
    engine = ENGINES[name]
    if find_spec(engine.package) is not None:
        return
    if engine.extra:
        raise MissingExtraError(f"[documents] engine = '{name}'", extra=engine.extra)
    raise SettingsError(
        f"[documents] engine = '{name}' needs packages that cannot be installed beside "
        f"Acclimate's (NumPy 1).",
        hint=f"In an environment of its own: pip install {engine.package} torch torchvision; "
        "pip install --no-deps acclimate; then [documents] engine_python = \"that environment's "
        'bin/python".',
    )
