"""reStructuredText, by way of HTML."""

from __future__ import annotations

import re
from pathlib import Path

from docutils.core import publish_string

from acclimate.documents.builder import TextBuilder
from acclimate.documents.html import add_html
from acclimate.documents.properties import properties
from acclimate.documents.text import read_text
from acclimate.types import Document

# Directives that read files or put raw HTML in are off; a broken document is read as far as it
# goes.
_SETTINGS = {
    "file_insertion_enabled": False,
    "raw_enabled": False,
    "report_level": 5,
    "halt_level": 5,
    "embed_stylesheet": False,
    "stylesheet_path": "",
    "_disable_config": True,
    "output_encoding": "unicode",
    "syntax_highlight": "none",
    "smart_quotes": False,
    "line_length_limit": 100_000,
}

_FIELD = re.compile(r"^:(author|date|language):[ \t]+(\S[^\n]*)$", re.IGNORECASE | re.MULTILINE)
_HEAD = 2000  # characters in which a document describes itself


class RstParser:
    """Reads reStructuredText with the docutils directives; Sphinx's own become plain text."""

    def parse(self, file: Path, path: str) -> Document:
        """See `Parser`."""
        text, encoding = read_text(file)
        builder = TextBuilder()
        html = str(publish_string(text, writer="html5", settings_overrides=_SETTINGS))
        title = add_html(html, builder)
        said = {name.casefold(): value for name, value in _FIELD.findall(text[:_HEAD])}
        metadata = properties(
            said.get("author", ""), said.get("date", ""), said.get("language", "")
        )
        return builder.build(path, "text/x-rst", title, {"encoding": encoding, **metadata})
