"""The body of a mail in HTML as blocks: whatever the program that wrote it, what is quoted and what
is a signature."""

from __future__ import annotations

import re
from dataclasses import replace

from selectolax.lexbor import LexborHTMLParser, LexborNode

from acclimate.documents.builder import one_line
from acclimate.documents.hidden import keep
from acclimate.documents.html import INLINE, is_layout, item_mark, table_rows
from acclimate.documents.html_hidden import take_hidden
from acclimate.documents.mail_blocks import Block
from acclimate.types import ElementKind

_NO_TEXT = (
    "head, script, style, noscript, template, svg, iframe, object, select, textarea, button, title"
)
_SIGNATURE = re.compile(
    r"(?:gmail|moz|ms-outlook-mobile|protonmail|x)?[-_]?signature(?:[-_](?:block|prefix))?",
    re.IGNORECASE,
)
_INDENT = re.compile(r"border(?:-left)?\s*:\s*(?:none|0)", re.IGNORECASE)
_HEADERS_TABLE = "moz-email-headers-table"
_MAX_DEPTH = 200
_SPACES = re.compile(r"[^\S\n]+")
_BREAKS = re.compile(r" ?\n ?")


def html_blocks(html: str) -> list[Block]:
    """The blocks of a mail's HTML; a line break is the end of a line, two are the end of a
    paragraph."""
    page = LexborHTMLParser(html)
    # Counted, and left out even where hidden text is wanted: in a mail it is the line that an inbox
    # shows, or what follows the reader.
    if hidden := take_hidden(page):
        keep("element", len(hidden))
    for node in page.css(_NO_TEXT):
        node.decompose()
    found = _Blocks()
    if page.body is not None:
        found.walk(page.body, 0, 0, False)
    return _with_signatures(found.blocks)


def _with_signatures(blocks: list[Block]) -> list[Block]:
    """Blocks, those after a line of two hyphens as a signature, up to where another depth
    begins."""
    found: list[Block] = []
    signed_at: int | None = None
    for block in blocks:
        if block.text.strip() == "--":
            signed_at = block.depth
            continue
        if signed_at != block.depth:
            signed_at = None
        found.append(block if signed_at is None else replace(block, signed=True))
    return found


class _Blocks:
    """Collects blocks while it walks through a mail."""

    def __init__(self) -> None:
        self.blocks: list[Block] = []

    def walk(
        self, node: LexborNode, nesting: int, depth: int, signed: bool, mark: str = ""
    ) -> None:
        """Add what is under `node`, quoted `depth` times; `mark` is of the list item that comes
        first."""
        run: list[str] = []

        def end_run() -> None:
            nonlocal mark
            for paragraph in _paragraphs("".join(run)):
                kind: ElementKind = "list_item" if mark else "paragraph"
                text = f"{mark} {paragraph}" if mark else paragraph
                self.blocks.append(Block(text, kind, depth, int(bool(mark)), signed=signed))
                mark = ""
            run.clear()

        child = node.child
        while child is not None:
            tag = child.tag or ""
            if tag in INLINE and not child.css("div, p, table, blockquote, ul, ol"):
                run.append(_inline(child))
            elif not tag.startswith(("-", "_", "!")):
                end_run()
                self._block(child, tag, nesting, depth, signed, mark)
                mark = ""
            child = child.next
        end_run()

    def _block(
        self, node: LexborNode, tag: str, nesting: int, depth: int, signed: bool, mark: str
    ) -> None:
        signed = signed or any(_SIGNATURE.fullmatch(name) for name in _names(node))
        if tag == "blockquote" and not _is_indent(node):
            depth += 1
        if tag in ("h1", "h2", "h3", "h4", "h5", "h6"):
            self._add(one_line(node.text()), "heading", depth, int(tag[1]), signed)
        elif tag == "pre":
            self._add(node.text().strip("\n"), "code", depth, 0, signed)
        elif tag == "table" and (_HEADERS_TABLE in _names(node) or not is_layout(node)):
            self._table(node, depth, signed)
        elif nesting >= _MAX_DEPTH:
            self._add(one_line(node.text(separator=" ")), "paragraph", depth, 0, signed)
        else:
            self.walk(node, nesting + 1, depth, signed, item_mark(node) if tag == "li" else mark)

    def _add(self, text: str, kind: ElementKind, depth: int, level: int, signed: bool) -> None:
        if text.strip():
            self.blocks.append(Block(text, kind, depth, level, signed=signed))

    def _table(self, node: LexborNode, depth: int, signed: bool) -> None:
        rows = tuple(tuple(row) for row in table_rows(node) if any(row))
        if _HEADERS_TABLE in _names(node):
            lines = [f"{row[0].removesuffix(':').strip()}: {' '.join(row[1:])}" for row in rows]
            self._add("\n".join(lines), "paragraph", depth, 0, signed)
        elif len(rows) < 2 or max(map(len, rows)) < 2:
            for row in rows:
                self._add("\n".join(cell for cell in row if cell), "paragraph", depth, 0, signed)
        else:
            text = "\n".join(" ".join(row) for row in rows)
            self.blocks.append(Block(text, "table", depth, rows=rows, signed=signed))


def _names(node: LexborNode) -> list[str]:
    return f"{node.attributes.get('class') or ''} {node.attributes.get('id') or ''}".split()


def _is_indent(node: LexborNode) -> bool:
    """Whether a quotation is only what an editor makes of moving text to the right."""
    if (
        node.attributes.get("type") == "cite"
        or node.attributes.get("cite")
        or node.attributes.get("class")
    ):
        return False
    return _INDENT.search(node.attributes.get("style") or "") is not None


def _inline(node: LexborNode) -> str:
    if node.tag == "-text":
        return re.sub(r"\s+", " ", node.text_content or "")
    if node.tag == "br":
        return "\n"
    if node.tag == "img":
        alt = node.attributes.get("alt") or ""
        return f" {alt} " if len(alt) > 2 else " "
    parts = []
    for inner in node.traverse(include_text=True):
        if inner.tag == "-text":
            parts.append(re.sub(r"\s+", " ", inner.text_content or ""))
        elif inner.tag == "br":
            parts.append("\n")
    return "".join(parts)


def _paragraphs(text: str) -> list[str]:
    lines = _BREAKS.sub("\n", _SPACES.sub(" ", text)).split("\n\n")
    return [paragraph.strip() for paragraph in lines if paragraph.strip()]
