"""Word documents, read from their XML: headings, numbers, lists, tables, text boxes, formulas as
text, notes last.

Tags are compared without their namespace, so that strict and transitional files are one;
python-docx reads only the latter, and neither text boxes nor content controls.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from zipfile import ZipFile

from lxml import etree

from acclimate.documents.builder import TextBuilder, merged, one_line
from acclimate.documents.chart import add_chart
from acclimate.documents.docx_text import GONE, Words, is_set, text_boxes
from acclimate.documents.hidden import keep
from acclimate.documents.numbering import Numbering
from acclimate.documents.pictures import wanted
from acclimate.documents.properties import office_properties, properties
from acclimate.documents.safe import attribute, local_name, open_zip, parse_xml, read_member
from acclimate.types import Document, ElementKind

_MAX_DEPTH = 60
_COMMENTS = "word/comments.xml"
_PAGE_WORD = 4  # letters: a footer with fewer is a page number
_HEADING = re.compile(r"heading\s*(\d)", re.IGNORECASE)


class DocxParser:
    """Reads .docx and .docm; macros are not looked at."""

    def parse(self, file: Path, path: str) -> Document:
        """See `Parser`."""
        with open_zip(file, path) as archive:
            names = set(archive.namelist())
            body = parse_xml(read_member(archive, "word/document.xml"))
            styles = _read_part(archive, "word/styles.xml")
            numbers = _read_part(archive, "word/numbering.xml")
            title, metadata = office_properties(archive)
            headers = _read_parts(archive, r"word/header\d*\.xml")
            footers = _read_parts(archive, r"word/footer\d*\.xml")
            links = _links(archive)
            charts = {
                key: parse_xml(content) for key, (kind, content) in links.items() if kind == "chart"
            }
            images = {key: content for key, (kind, content) in links.items() if kind == "image"}
            notes = [
                (name, parse_xml(read_member(archive, name)))
                for name in ("word/footnotes.xml", "word/endnotes.xml", _COMMENTS)
                if name in names
            ]
        builder = TextBuilder()
        if styles is not None:
            metadata = {**properties(language=_language(styles)), **metadata}
        words = Words(styles, painted=any(local_name(node) == "background" for node in body))
        _add_margins(headers, "header", builder, words)
        _Reader(
            builder, _style_names(styles), Numbering(numbers, styles), charts, images, words
        ).walk(body, 0)
        _add_margins(footers, "footer", builder, words)
        for name, part in notes:
            for note in part:
                if attribute(note, "type") is not None:  # separators have one
                    continue
                text = " ".join(words.text(node) for node in note.iter() if local_name(node) == "p")
                if name != _COMMENTS or keep("comment"):
                    with builder.hidden("comment" if name == _COMMENTS else ""):
                        builder.add("quote", text)
                add_hidden(words, builder)
        return builder.build(path, "", title, metadata)


class _Reader:
    def __init__(
        self,
        builder: TextBuilder,
        styles: dict[str, tuple[str, int]],
        numbering: Numbering,
        charts: dict[str, etree._Element],
        images: dict[str, bytes],
        words: Words,
    ) -> None:
        self._builder, self._styles, self._numbering = builder, styles, numbering
        self._charts, self._images, self._words = charts, images, words

    def walk(self, parent: etree._Element, depth: int) -> None:
        """Add the blocks under `parent`."""
        for node in parent:
            name = local_name(node)
            if name == "p":
                self._paragraph(node, depth)
            elif name == "tbl":
                down = (one for one in node.iter() if local_name(one) == "vMerge")
                repeated = any(attribute(one, "val") != "restart" for one in down)
                rows = _table(node, self._words)
                self._builder.add_table(rows, metadata=merged(rows=repeated))
                add_hidden(self._words, self._builder)
            elif name not in GONE and depth < _MAX_DEPTH:
                self.walk(node, depth + 1)

    def _paragraph(self, node: etree._Element, depth: int) -> None:  # noqa: C901
        text = self._words.text(node)
        properties = next((child for child in node if local_name(child) == "pPr"), None)
        values = (
            {local_name(child): child for child in properties} if properties is not None else {}
        )
        style_id = (attribute(values["pStyle"], "val") or "") if "pStyle" in values else ""
        style, level = self._styles.get(style_id, (style_id, 0))
        outline = attribute(values["outlineLvl"], "val") if "outlineLvl" in values else None
        if match := _HEADING.match(style):
            level = int(match[1])
        if outline is not None and outline.isdigit() and int(outline) < 9:
            level = int(outline) + 1
        mark, deep = self._numbering.mark(style_id, values.get("numPr")) or ("", 0)
        if level:
            self._builder.add(
                "heading", f"{mark} {text}" if mark.strip("-") and text else text, min(6, level)
            )
        elif style.casefold() == "title":
            self._builder.add("title", text, 1)
        elif mark or style.casefold().startswith("list"):
            self._builder.add(
                "list_item", f"{'  ' * deep}{mark or '-'} {text}" if text else "", deep + 1
            )
        else:
            self._builder.add("caption" if style.casefold() == "caption" else "paragraph", text)
        add_hidden(self._words, self._builder)
        for part in node.iter():
            if local_name(part) == "chart" and (attribute(part, "id") or "") in self._charts:
                add_chart(self._charts[attribute(part, "id") or ""], self._builder)
            elif local_name(part) == "blip" and (attribute(part, "embed") or "") in self._images:
                self._builder.add_picture(self._images[attribute(part, "embed") or ""])
        if depth < _MAX_DEPTH:
            for box, hidden in text_boxes(node):
                if not hidden or keep("shape"):
                    with self._builder.hidden("shape" if hidden else ""), self._words.on_a_ground():
                        self.walk(box, depth + 1)


def _style_names(styles: etree._Element | None) -> dict[str, tuple[str, int]]:
    """Style id → its name and outline level (0: none), its own or that of the style that it is
    based on."""
    found: dict[str, tuple[str, int, str]] = {}
    for style in styles if styles is not None else ():
        values = {local_name(child): child for child in style.iter()}
        name = (attribute(values["name"], "val") or "") if "name" in values else ""
        outline = (attribute(values["outlineLvl"], "val") or "") if "outlineLvl" in values else ""
        based = (attribute(values["basedOn"], "val") or "") if "basedOn" in values else ""
        level = int(outline) + 1 if outline.isdigit() and int(outline) < 9 else 0
        if match := _HEADING.match(name):
            level = int(match[1])
        found[attribute(style, "styleId") or ""] = (name, level, based)
    result = {}
    for key, (name, own, parent) in found.items():
        level, above = own, parent
        for _ in range(10):
            if level or above not in found:
                break
            _, level, above = found[above]
        result[key] = (name, level)
    return result


def _rows(table: etree._Element) -> Iterator[etree._Element]:
    for child in table:
        if local_name(child) == "tr":
            yield child
        elif local_name(child) in ("sdt", "sdtContent"):
            yield from _rows(child)


def _read_part(archive: ZipFile, name: str) -> etree._Element | None:
    """A part of the file; None where it has none of this name."""
    return parse_xml(read_member(archive, name)) if name in archive.namelist() else None


def _read_parts(archive: ZipFile, pattern: str) -> list[etree._Element]:
    """The parts whose whole names match, in the order of their names."""
    names = [name for name in sorted(set(archive.namelist())) if re.fullmatch(pattern, name)]
    return [parse_xml(read_member(archive, name)) for name in names]


def _called(parent: etree._Element, name: str) -> Iterator[etree._Element]:
    return (part for part in parent if local_name(part) == name)


def _table(table: etree._Element, words: Words) -> list[list[str]]:
    """Rows of cells; a cell over several columns or rows is repeated in each, as in HTML."""
    rows: list[list[str]] = []
    styled = any(local_name(node) == "tblStyle" for part in table[:2] for node in part)
    for row in _rows(table):
        cells: list[str] = []
        marks = [node for part in _called(row, "trPr") for node in part.iterfind("{*}hidden")]
        hidden = any(map(is_set, marks))
        for cell in _cells(row):
            values = {local_name(node): node for part in _called(cell, "tcPr") for node in part}
            span = (attribute(values["gridSpan"], "val") or "") if "gridSpan" in values else "1"
            goes_on = "vMerge" in values and attribute(values["vMerge"], "val") != "restart"
            if goes_on and rows and len(cells) < len(rows[-1]):
                text = rows[-1][len(cells)]
            else:
                with words.on_a_ground(styled or "shd" in values):
                    texts = [words.text(node) for node in cell.iter() if local_name(node) == "p"]
                text = " ".join(filter(None, texts))
            cells += [text] * (min(max(1, int(span)), 100) if span.isdigit() else 1)
        if hidden:
            words.hide("row", " | ".join(cells))
        else:
            rows.append(cells)
    return rows


def _cells(row: etree._Element) -> Iterator[etree._Element]:
    for cell in row:
        if local_name(cell) in ("sdt", "sdtContent"):
            yield from _cells(cell)
        elif local_name(cell) == "tc":
            yield cell


def _links(archive: ZipFile) -> dict[str, tuple[str, bytes]]:
    """Charts, and pictures where they are wanted, by the name under which the text refers to them:
    kind and bytes."""
    names = set(archive.namelist())
    if "word/_rels/document.xml.rels" not in names:
        return {}
    found = {}
    for link in parse_xml(read_member(archive, "word/_rels/document.xml.rels")):
        member, kind = f"word/{link.get('Target')}", str(link.get("Type")).rpartition("/")[2]
        if member in names and (kind == "chart" or (kind == "image" and wanted())):
            found[str(link.get("Id"))] = (kind, read_member(archive, member))
    return found


def _language(styles: etree._Element) -> str:
    """The language that a document is written in unless a run says otherwise."""
    defaults = next((node for node in styles if local_name(node) == "docDefaults"), None)
    if defaults is None:
        return ""
    return next(
        (attribute(node, "val") or "" for node in defaults.iter() if local_name(node) == "lang"), ""
    )


def add_hidden(words: Words, builder: TextBuilder) -> None:
    """Count what was hidden in the words read last, and add it where it is wanted."""
    for kind, text in words.take_hidden():
        if keep(kind):
            with builder.hidden(kind):
                builder.add("paragraph", text)


def _add_margins(
    roots: list[etree._Element], kind: ElementKind, builder: TextBuilder, words: Words
) -> None:
    """Running headers or footers, each once, without page numbers alone."""
    texts = [
        one_line(" ".join(words.text(node) for node in root.iter() if local_name(node) == "p"))
        for root in roots
    ]
    add_hidden(words, builder)
    for text in dict.fromkeys(texts):
        if sum(letter.isalpha() for letter in text) > _PAGE_WORD:
            builder.add(kind, text)
