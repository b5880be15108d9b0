"""HTML: what a reader sees of a page's article, without scripts, and without the menus and footers
around it."""

from __future__ import annotations

from pathlib import Path

from selectolax.lexbor import LexborHTMLParser, LexborNode

from acclimate.documents.article import find_article
from acclimate.documents.builder import TextBuilder, merged, one_line
from acclimate.documents.html_hidden import add_hidden, take_hidden
from acclimate.documents.properties import properties
from acclimate.documents.text import read_text
from acclimate.types import Document, ElementKind

_NO_TEXT = "script, style, noscript, template, svg, iframe, object, select, textarea"
_BUTTON = "button"  # of no use on paper, but for those that open a section under their words
_BUTTON_KEPT = frozenset(("h1", "h2", "h3", "h4", "h5", "h6", "dt", "summary"))
_LEAVES: dict[str, ElementKind] = {
    "p": "paragraph",
    "dt": "paragraph",
    "dd": "paragraph",
    "figcaption": "caption",
    "caption": "caption",
    "blockquote": "quote",
    "pre": "code",
}
_HEADINGS = {f"h{level}": level for level in range(1, 7)}
INLINE = frozenset(
    "a abbr b bdi bdo br cite code data del dfn em font i img ins kbd label mark".split()
)
INLINE |= frozenset("q s samp small span strong sub sup time u var wbr -text".split())
_AUTHOR = ("author", "article:author", "dc.creator", "citation_author")
_DATE = (
    "article:modified_time",
    "dcterms.modified",
    "article:published_time",
    "dc.date",
    "dcterms.date",
    "date",
)
_MAX_DEPTH = 200
_MAX_SPAN = 50  # a cell may claim any number


class HtmlParser:
    """Reads HTML of any age."""

    def parse(self, file: Path, path: str) -> Document:
        """See `Parser`."""
        text, encoding = read_text(file)
        builder = TextBuilder()
        title, left_out = add_page(text, builder)
        metadata = {"encoding": encoding, **html_properties(text)}
        if left_out:
            metadata["left_out"] = str(left_out)
        return builder.build(path, "text/html", title, metadata)


def html_properties(text: str) -> dict[str, str]:
    """Author, date and language that a page declares of itself."""
    page = LexborHTMLParser(text)
    declared: dict[str, str] = {}
    for node in page.css("meta[content]"):
        name = node.attributes.get("name") or node.attributes.get("property") or ""
        declared[name.casefold()] = node.attributes.get("content") or ""
    author = next((declared[name] for name in _AUTHOR if declared.get(name)), "")
    date = next((declared[name] for name in _DATE if declared.get(name)), "")
    language = page.root.attributes.get("lang") if page.root is not None else ""
    return properties(author, date, language or "")


def add_page(text: str, builder: TextBuilder) -> tuple[str, int]:
    """Add the article of a web page to `builder`.

    Gives its first heading, else its title, and the number of characters, white space left out, of
    the menus and the like that surround it.
    """
    page, hidden = _without_scripts(text)
    article = find_article(page)
    for root in article.roots:
        _walk(root, builder, 0)
    add_hidden(hidden, builder)
    return _title(page), article.left_out


def add_html(text: str, builder: TextBuilder) -> str:
    """Add HTML that is no web page, all but its navigation; its first heading, else its title."""
    page, hidden = _without_scripts(text)
    for node in page.css("nav"):
        node.decompose()
    if page.body is not None:
        _walk(page.body, builder, 0)
    add_hidden(hidden, builder)
    return _title(page)


def _without_scripts(text: str) -> tuple[LexborHTMLParser, list[str]]:
    """The page without what is no text, and the texts that it hides."""
    page = LexborHTMLParser(text)
    hidden = take_hidden(page)  # by the page's own style sheets, which go next
    for node in page.css(_NO_TEXT):
        node.decompose()
    for node in page.css(_BUTTON):
        if node.parent is None or node.parent.tag not in _BUTTON_KEPT:
            node.decompose()
    return page, hidden


def _title(page: LexborHTMLParser) -> str:
    found = page.css_first("h1") or page.css_first("title")
    return one_line(found.text()) if found else ""


def _walk(node: LexborNode, builder: TextBuilder, depth: int, mark: str = "") -> None:
    """Add the blocks under `node`; text between blocks becomes paragraphs. `mark`: of the item that
    comes first."""
    run: list[str] = []

    def end_run() -> None:
        nonlocal mark
        text = one_line("".join(run))
        run.clear()
        if mark and text:
            builder.add("list_item", f"{mark} {text}", 1)
            mark = ""
        else:
            builder.add("paragraph", text)

    child = node.child
    while child is not None:
        tag = child.tag or ""
        if tag in INLINE or (mark and tag == "p" and not one_line("".join(run))):
            run.append(_inline(child))
            if tag == "p":
                end_run()
        elif not tag.startswith(("-", "_", "!")):
            end_run()
            _block(child, tag, builder, depth)
        child = child.next
    end_run()


def _block(node: LexborNode, tag: str, builder: TextBuilder, depth: int) -> None:
    if tag in _HEADINGS:
        builder.add("heading", one_line(_inline(node)), _HEADINGS[tag])
    elif tag == "pre":
        builder.add("code", node.text())
    elif tag == "table" and not is_layout(node):
        _table(node, builder)
    elif tag == "li" and not node.css("ul, ol, table, p + p"):
        text = one_line(_inline(node))
        builder.add("list_item", f"{item_mark(node)} {text}" if text else "", 1)
    elif tag in _LEAVES and not node.css("p, ul, ol, table, div, pre"):
        builder.add(_LEAVES[tag], one_line(_inline(node)))
    elif depth < _MAX_DEPTH:
        _walk(node, builder, depth + 1, item_mark(node) if tag == "li" else "")
    else:
        builder.add("paragraph", one_line(node.text(separator=" ")))


def _inline(node: LexborNode) -> str:
    if node.tag == "-text":
        return node.text_content or ""
    if node.tag == "br":
        return " "
    if node.tag == "img":
        return f" {node.attributes.get('alt') or ''} "
    # Blocks inside a cell or an item would run together without a space.
    return node.text(separator=" ") if node.css("p, div, li, br, td") else node.text()


def _table(node: LexborNode, builder: TextBuilder) -> None:
    caption = node.css_first("caption")
    if caption is not None:
        builder.add("caption", one_line(caption.text()))
    repeated = any(_span(cell, "rowspan") > 1 for cell in node.css("td"))
    builder.add_table(table_rows(node), metadata=merged(rows=repeated))


def is_layout(table: LexborNode) -> bool:
    """Whether a table only places what is in it: other tables, or blocks in one column."""
    if (
        len(table.css("table")) > 1 or table.attributes.get("role") == "presentation"
    ):  # one is itself
        return True
    return not table.css("td + td, th + td, th + th, td + th") and bool(
        table.css("p, ul, ol, div, h1, h2, h3, h4")
    )


def table_rows(table: LexborNode) -> list[list[str]]:
    """Rows of one length; a cell over several rows or columns is repeated in each, as a reader
    would say it."""
    rows: list[list[str]] = []
    below: dict[int, tuple[str, int]] = {}  # column → text and how many more rows it reaches into
    for node in table.css("tr"):
        row: list[str] = []

        def from_above(row: list[str] = row) -> None:
            while below.get(len(row), ("", 0))[1]:
                text, left = below[len(row)]
                below[len(row)] = (text, left - 1)
                row.append(text)

        for cell in node.css("th, td"):
            from_above()
            text = one_line(_inline(cell))
            for _ in range(_span(cell, "colspan")):
                below[len(row)] = (text, _span(cell, "rowspan") - 1)
                row.append(text)
        from_above()
        rows.append(row)
    return rows


def _span(cell: LexborNode, name: str) -> int:
    value = cell.attributes.get(name) or "1"
    return max(1, min(int(value), _MAX_SPAN)) if value.isdigit() else 1


def item_mark(item: LexborNode) -> str:
    """A list item's bullet, or its number where the list is numbered."""
    parent = item.parent
    if parent is None or parent.tag != "ol":
        return "-"
    start = parent.attributes.get("start") or "1"
    before, node = 0, item.prev
    while node is not None:
        before += node.tag == "li"
        node = node.prev
    return f"{(int(start) if start.isdigit() else 1) + before}."
