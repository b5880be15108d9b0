"""EPUB: the chapters in the order of the book's spine."""

from __future__ import annotations

import posixpath
from pathlib import Path
from urllib.parse import unquote

from lxml import etree

from acclimate.documents.builder import TextBuilder, one_line
from acclimate.documents.html import add_html
from acclimate.documents.properties import properties
from acclimate.documents.safe import open_zip, parse_xml, read_member
from acclimate.documents.text import decode
from acclimate.errors import DocumentError
from acclimate.types import Document


class EpubParser:
    """Reads EPUB 2 and 3 without protection."""

    def parse(self, file: Path, path: str) -> Document:
        """See `Parser`."""
        builder = TextBuilder()
        with open_zip(file, path) as archive:
            names = set(archive.namelist())
            if "META-INF/rights.xml" in names:
                raise DocumentError(f"{path} is protected.", hint="Use a copy without protection.")
            root = parse_xml(read_member(archive, "META-INF/container.xml"))
            package = next((str(node.get("full-path")) for node in _all(root, "rootfile")), "")
            book = parse_xml(read_member(archive, package))
            hrefs = {str(node.get("id")): str(node.get("href")) for node in _all(book, "item")}
            for reference in _all(book, "itemref"):
                href = hrefs.get(str(reference.get("idref")), "")
                member = posixpath.normpath(
                    posixpath.join(posixpath.dirname(package), unquote(href))
                )
                if member in names:
                    add_html(decode(read_member(archive, member), member)[0], builder)
        said = {
            name: ", ".join(filter(None, (one_line(node.text or "") for node in _all(book, name))))
            for name in ("creator", "date", "language")
        }
        titles = [one_line(node.text or "") for node in _all(book, "title")]
        metadata = properties(
            said["creator"], said["date"].split(", ")[0], said["language"].split(", ")[0]
        )
        return builder.build(path, "", titles[0] if titles else "", metadata)


def _all(root: etree._Element, name: str) -> list[etree._Element]:
    return [
        node
        for node in root.iter()
        if isinstance(node.tag, str) and etree.QName(node).localname == name
    ]
