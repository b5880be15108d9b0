"""Paths that a source names, as paths that are safe here: no way out of the folder, nothing hidden."""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections.abc import Sequence

_LONGEST = 120  # bytes of a part; file systems take 255, and a mark may be added
_DEEPEST = 16
# What some file system refuses, and what a listing would not show as it is.
_BAD = re.compile(r'[/\\:*?"<>|]')
_RESERVED = re.compile(r"(?i)^(con|prn|aux|nul|com[0-9]|lpt[0-9])(\.|$)")


def safe_path(parts: Sequence[str]) -> str:
    """A relative POSIX path of these parts: each a plain name that is not hidden, at most 16 deep.

    Two paths may become one; whoever writes keeps them apart by `marked`.
    """
    names = [_safe(part) for part in parts if part not in ("", ".")] or ["_"]
    if len(names) > _DEEPEST:
        kept = names[: _DEEPEST - 2]
        names = [*kept, digest("/".join(names[len(kept) : -1])), names[-1]]
    return "/".join(names)


def marked(path: str, key: str) -> str:
    """`path` with a mark that is `key`'s own, before its ending."""
    folder, slash, name = path.rpartition("/")
    stem, dot, ending = name.rpartition(".")
    if not stem:
        stem, dot, ending = name, "", ""
    return f"{folder}{slash}{stem}~{digest(key)}{dot}{ending}"


def digest(text: str) -> str:
    """Eight characters that stand for a text."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:8]


def _safe(part: str) -> str:
    name = "".join(
        "_" if unicodedata.category(character)[0] == "C" else character
        for character in unicodedata.normalize("NFC", part)
    )
    name = _BAD.sub("_", name).rstrip(". ").lstrip()
    if not name or name.startswith("."):
        name = f"_{name}"
    if _RESERVED.match(name):
        name = f"_{name}"
    if len(name.encode()) > _LONGEST:
        stem, dot, ending = name.rpartition(".")
        if not stem or len(ending.encode()) > 10:
            stem, dot, ending = name, "", ""
        room = _LONGEST - len(ending.encode()) - 10
        cut = stem.encode()[:room].decode("utf-8", "ignore")
        name = f"{cut}~{digest(part)}{dot}{ending}"
    return name
