"""Markdown as prose: what a document's author wrote, without the marks that make it bold or a
link."""

from __future__ import annotations

import re

_IMAGE = re.compile(r"!\[[^\]]*\]\([^)\n]*\)")
_LINK = re.compile(r"\[([^\]\n]+)\]\((?:[^()\n]|\([^()\n]*\))*\)")
_TAG = re.compile(r"</?[A-Za-z][^<>\n]*>")
_STRONG = re.compile(r"(?<!\\)(\*\*|__)(?=\S)(.+?)(?<=\S)\1", re.DOTALL)
_EMPHASIS = re.compile(r"(?<![\w*\\])([*_])(?=[^\s*_])([^*_\n]+)(?<=\S)\1(?![\w*])")
_HEADING = re.compile(r"^[ \t]*#{1,6}[ \t]+", re.MULTILINE)
_ESCAPE = re.compile(r"\\([\\`*_{}\[\]()#+\-.!|])")
_SPACES = re.compile(r"[ \t]{2,}")


def as_prose(text: str) -> str:
    """The text without emphasis, link targets, pictures, tags and heading marks; bullets stay."""
    text = _TAG.sub(" ", _LINK.sub(r"\1", _IMAGE.sub("", text)))
    text = _HEADING.sub("", text)
    text = _EMPHASIS.sub(r"\2", _STRONG.sub(r"\2", text))
    lines = (line.rstrip() for line in _ESCAPE.sub(r"\1", text).split("\n"))
    kept = (
        line[: len(line) - len(line.lstrip())] + _SPACES.sub(" ", line.strip()) for line in lines
    )
    return re.sub(r"\n{3,}", "\n\n", "\n".join(kept)).strip()
