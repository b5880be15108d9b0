"""Builds the PDF, DOCX and HTML documents of the example from their Markdown sources: python examples/build.py

The built files are kept in the repository, so that nobody needs to run this who does not change a source.
"""

from __future__ import annotations

import html
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import docx
from fpdf import FPDF

ROOT = Path(__file__).parent / "halden"
COMPANY = "Halden Thermal AS"
BUILT = datetime(2026, 10, 5, tzinfo=UTC)  # fixed, so that the same sources give the same bytes

Block = tuple[str, str | list[list[str]]]


def blocks(text: str) -> Iterator[Block]:
    """(kind, content) of a source: h1, h2, p, or table with its rows."""
    for part in text.strip().split("\n\n"):
        if part.startswith("|"):
            rows = [
                [cell.strip() for cell in line.strip("| ").split("|")] for line in part.splitlines()
            ]
            yield "table", [row for row in rows if set("".join(row)) != {"-"}]
        elif part.startswith("#"):
            level = len(part) - len(part.lstrip("#"))
            yield f"h{level}", part.lstrip("# ")
        else:
            yield "p", " ".join(part.split())


class _Page(FPDF):
    def header(self) -> None:
        self.set_font("helvetica", size=8)
        self.cell(
            0, 8, f"{COMPANY} - internal and dealer documentation", new_x="LMARGIN", new_y="NEXT"
        )

    def footer(self) -> None:
        self.set_y(-15)
        self.set_font("helvetica", size=8)
        self.cell(0, 8, f"Page {self.page_no()}", align="C")


def write_pdf(source: str, target: Path) -> None:
    """A PDF with running header and footer; each section after the second begins a new page."""
    pdf = _Page()
    pdf.creation_date = BUILT
    pdf.add_page()
    sections = 0
    for kind, content in blocks(source):
        if isinstance(content, list):
            pdf.set_font("helvetica", size=10)
            with pdf.table(rows=content, text_align="LEFT", line_height=7):
                pass
            pdf.ln(4)
            continue
        if kind == "h2":
            sections += 1
            if sections > 1 and sections % 2 == 1:
                pdf.add_page()
        pdf.set_font(
            "helvetica", style="B" if kind != "p" else "", size={"h1": 18, "h2": 14}.get(kind, 10)
        )
        pdf.multi_cell(0, 6 if kind == "p" else 10, content, new_x="LMARGIN", new_y="NEXT")
        pdf.ln(3)
    pdf.set_title(next(str(content) for kind, content in blocks(source) if kind == "h1"))
    pdf.output(str(target))


def write_docx(source: str, target: Path) -> None:
    """A Word document with heading styles and tables."""
    document = docx.Document()
    for kind, content in blocks(source):
        if isinstance(content, list):
            table = document.add_table(rows=0, cols=len(content[0]), style="Table Grid")
            for row in content:
                for cell, text in zip(table.add_row().cells, row, strict=True):
                    cell.text = text
        elif kind == "p":
            document.add_paragraph(content)
        else:
            document.add_heading(content, int(kind[1]))
    properties = document.core_properties
    properties.author, properties.created, properties.modified = COMPANY, BUILT, BUILT
    properties.title = next(str(content) for kind, content in blocks(source) if kind == "h1")
    document.save(str(target))


def write_html(source: str, target: Path) -> None:
    """A page as of an intranet, with menu and footer."""
    title = next(str(content) for kind, content in blocks(source) if kind == "h1")
    body = []
    for kind, content in blocks(source):
        if isinstance(content, list):
            head, *rows = (
                "<tr>" + "".join(f"<{tag}>{html.escape(cell)}</{tag}>" for cell in row) + "</tr>"
                for row, tag in zip(content, ["th"] + ["td"] * len(content), strict=False)
            )
            body.append(
                f"<table>\n<thead>{head}</thead>\n<tbody>\n"
                + "\n".join(rows)
                + "\n</tbody></table>"
            )
        else:
            body.append(f"<{kind}>{html.escape(content)}</{kind}>")
    target.write_text(
        f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>{html.escape(title)} | Halden intranet'
        "</title>\n<style>table { border-collapse: collapse } td, th { border: 1px solid }</style></head>\n<body>\n"
        '<nav><a href="/">Home</a> <a href="/policies">Policies</a> <a href="/products">Products</a></nav>\n<main>\n'
        + "\n".join(body)
        + f"\n</main>\n<footer>{COMPANY}, Strandveien 18, Drammen</footer>\n</body></html>\n",
        encoding="utf-8",
    )


def main() -> None:
    """Build every source under `sources/`, whose name ends in the target's format and .md."""
    writers = {".pdf": write_pdf, ".docx": write_docx, ".html": write_html}
    for source in sorted((ROOT / "sources").rglob("*.md")):
        target = ROOT / "documents" / source.relative_to(ROOT / "sources").with_suffix("")
        target.parent.mkdir(parents=True, exist_ok=True)
        writers[target.suffix](source.read_text(encoding="utf-8"), target)
        print(target.relative_to(ROOT))


if __name__ == "__main__":
    main()
