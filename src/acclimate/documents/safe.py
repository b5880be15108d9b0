"""Opening containers and XML without being harmed: limits on size and ratio, no entities, no
network."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from lxml import etree

from acclimate.errors import DocumentError

MAX_UNPACKED = 500_000_000  # bytes, of all members together
MAX_MEMBERS = 20_000
_MAX_RATIO = 200  # unpacked over packed; real documents stay under 30
_FREE = 1_000_000  # bytes that may unpack at any ratio


@contextmanager
def open_zip(file: Path | IO[bytes], name: str) -> Iterator[zipfile.ZipFile]:
    """A zip whose declared sizes are believable. Raises DocumentError for a bomb or a damaged
    archive."""
    try:
        with zipfile.ZipFile(file) as archive:
            members = archive.infolist()
            unpacked = sum(member.file_size for member in members)
            packed = sum(member.compress_size for member in members)
            if (
                len(members) > MAX_MEMBERS
                or unpacked > MAX_UNPACKED
                or unpacked > max(_FREE, _MAX_RATIO * packed)
            ):
                raise DocumentError(
                    f"{name} holds {len(members):,} files of {unpacked:,} bytes, too much for its "
                    f"size: a zip bomb?",
                    hint="Unpack it yourself if you trust it.",
                )
            yield archive
    except zipfile.BadZipFile as error:
        raise DocumentError(
            f"{name} is a damaged zip archive ({error}).", hint="Save or copy it again."
        ) from error


def read_member(archive: zipfile.ZipFile, member: str) -> bytes:
    """A member's bytes, never more than it declares. Raises DocumentError where it is missing or
    damaged."""
    try:
        info = archive.getinfo(member)
        with archive.open(info) as opened:
            content = opened.read(info.file_size + 1)
    except (KeyError, RuntimeError, NotImplementedError, OSError, zipfile.BadZipFile) as error:
        raise DocumentError(f"the archive's member {member} cannot be read: {error}.") from error
    if len(content) > info.file_size:
        raise DocumentError(
            f"the archive's member {member} is larger than it declares: a zip bomb?"
        )
    return content


def parse_xml(content: bytes) -> etree._Element:
    """The root of an XML document. Entities stay unresolved, DTDs and the network unread; huge
    nesting is refused."""
    parser = etree.XMLParser(
        resolve_entities=False, no_network=True, load_dtd=False, huge_tree=False
    )
    try:
        root = etree.fromstring(content, parser)
    except etree.XMLSyntaxError as error:
        raise DocumentError(f"its XML is damaged: {error}.") from error
    if root is None:
        raise DocumentError("its XML is empty.")
    _check_entities(root)
    return root


def _check_entities(node: etree._Element) -> None:
    declared = node.getroottree().docinfo.internalDTD
    if declared is not None and declared.entities():
        raise DocumentError("its XML declares entities, which no honest document does.")


def iterate_xml(content: bytes, *names: str) -> Iterator[etree._Element]:
    """The elements of these names, as they end; clear what is done with. As careful as `parse_xml`.

    Raises DocumentError where the XML is damaged or declares entities.
    """
    parser = etree.iterparse(
        io.BytesIO(content),
        events=("end",),
        tag=[f"{{*}}{name}" for name in names],
        resolve_entities=False,
        no_network=True,
        load_dtd=False,
        huge_tree=False,
        remove_comments=True,
        remove_pis=True,
    )
    try:
        for number, (_, node) in enumerate(parser):
            if number == 0:  # a document's type is declared before its first element
                _check_entities(node)
            yield node
    except etree.XMLSyntaxError as error:
        raise DocumentError(f"its XML is damaged: {error}.") from error


def local_name(node: etree._Element) -> str:
    """A tag without its namespace; "" for comments and instructions."""
    return etree.QName(node).localname if isinstance(node.tag, str) else ""


def attribute(node: etree._Element, name: str) -> str | None:
    """An attribute by its name without namespace."""
    return next(
        (
            str(value)
            for key, value in node.attrib.items()
            if etree.QName(str(key)).localname == name
        ),
        None,
    )
