"""Rich Text Format."""

from __future__ import annotations

import re
from pathlib import Path

from striprtf.striprtf import rtf_to_text

from acclimate.documents.builder import TextBuilder
from acclimate.types import Document


class RtfParser:
    """Reads the paragraphs of RTF; rows of tables are lines with bars."""

    def parse(self, file: Path, path: str) -> Document:
        """See `Parser`."""
        text = rtf_to_text(file.read_bytes().decode("latin-1"), errors="ignore")  # type: ignore[no-untyped-call]
        builder = TextBuilder()
        table: list[list[str]] = []
        for line in [*text.splitlines(), ""]:
            if line.count("|") > 1 and line.rstrip().endswith("|"):
                table.append([cell.strip() for cell in line.rstrip()[:-1].split("|")])
                continue
            builder.add_table(table)
            table = []
            builder.add("list_item" if re.match(r"\s*[•·-]\s", line) else "paragraph", line)
        return builder.build(path, "", Path(path).stem)
