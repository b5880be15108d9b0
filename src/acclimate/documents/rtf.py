"""Rich Text Format."""

from __future__ import annotations

import re
from pathlib import Path

from striprtf.striprtf import rtf_to_text

from acclimate.documents.builder import TextBuilder
from acclimate.documents.hidden import keep
from acclimate.documents.properties import properties
from acclimate.documents.rtf_hidden import split_hidden
from acclimate.types import Document

_HEAD = 100_000  # characters in which the information group stands


class RtfParser:
    """Reads the paragraphs of RTF; rows of tables are lines with bars."""

    def parse(self, file: Path, path: str) -> Document:
        """See `Parser`."""
        source = file.read_bytes().decode("latin-1")
        shown, hidden = split_hidden(source)
        text = rtf_to_text(shown, errors="ignore")  # type: ignore[no-untyped-call]
        builder = TextBuilder()
        table: list[list[str]] = []
        for line in [*text.split("\n"), ""]:
            if line.count("|") > 1 and line.rstrip().endswith("|"):
                table.append([cell.strip() for cell in line.rstrip()[:-1].split("|")])
                continue
            builder.add_table(table)
            table = []
            builder.add("list_item" if re.match(r"\s*[•·-]\s", line) else "paragraph", line)
        for kind, part in hidden:
            if (said := _plain(part)) and keep(kind):
                with builder.hidden(kind):
                    builder.add("paragraph", said)
        title = _said(source, "title")
        return builder.build(
            path,
            "",
            title or Path(path).stem,
            properties(_said(source, "author"), _changed(source)),
        )


def _said(source: str, name: str) -> str:
    """What the file's information group says under a name."""
    found = re.search(rf"\{{\\{name} ([^{{}}]*)\}}", source[:_HEAD])
    return _plain(found[1]) if found else ""


def _plain(source: str) -> str:
    """The text of a piece of RTF."""
    return str(rtf_to_text(f"{{\\rtf1\\ansi {source}}}", errors="ignore")).strip()  # type: ignore[no-untyped-call]


def _changed(source: str) -> str:
    found = re.search(
        r"\{\\(?:revtim|creatim)\\yr(\d{4})\\mo(\d{1,2})\\dy(\d{1,2})", source[:_HEAD]
    )
    return "-".join((found[1], found[2].zfill(2), found[3].zfill(2))) if found else ""
