"""dedoc's HTTP service as a parser, also of PDF and of scans, for which it starts other programs.

The request is made by this process, as parsing processes have no network; what comes back is JSON.
https://dedoc.readthedocs.io: POST /upload, a tree of lines in `content.structure`, each with its
kind and its page from 0, and tables in `content.tables`, named by the lines where they stand.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping
from itertools import chain
from pathlib import Path
from typing import Any

import httpx

from acclimate.documents.builder import TextBuilder
from acclimate.documents.dedoc_lines import LIST_ITEMS, Line, add_line
from acclimate.documents.engines import DEDOC_FORMATS
from acclimate.documents.parsers import OnPage, detect
from acclimate.documents.sandbox import Limits, Sandbox
from acclimate.errors import DocumentError, EngineError, SettingsError
from acclimate.system.proxies import routes
from acclimate.types import Document

_FORMATS = DEDOC_FORMATS | {"application/pdf", "image/*"}
_PAGED = ("application/pdf", "image/*", "presentationml")
_ASKED = {"return_format": "json", "structure_type": "tree", "with_attachments": "false"}
_HIDDEN = ("root", "page_id", "list")  # hold other lines
_DEEPEST = 500  # lines below lines
_BYTES = 64  # of JSON for each character of text: its fonts, styles and places go along


class DedocService:
    """Files of the formats that dedoc reads go to its service at `url`, all others to our own
    readers; else like `Sandbox`. `options` are parameters of the service, "NAME=VALUE".

    Raises SettingsError for an address or an option that is none.
    """

    def __init__(self, url: str, options: tuple[str, ...], own: Sandbox) -> None:
        if not url.startswith(("http://", "https://")):
            raise SettingsError(
                f"[documents] engine_url = '{url}' is no address.", hint="http://127.0.0.1:1231"
            )
        if wrong := [one for one in options if "=" not in one]:
            raise SettingsError(
                f"[documents] engine_options has '{wrong[0]}'.", hint="NAME=VALUE: language=eng"
            )
        self._url, self._own, self.workers = url.rstrip("/"), own, own.workers
        self._asked = _ASKED | dict(one.split("=", 1) for one in options)
        self._client = httpx.Client(transport=routes(httpx), timeout=own.limits.seconds)

    def __call__(self, file: Path, path: str, on_page: OnPage | None = None) -> Document:
        """Parse `file` as the document `path`.

        Raises DocumentError where the service cannot read it, EngineError where there is none.
        """
        limits = self._own.limits
        if file.stat().st_size > limits.file_mb * 1_000_000:
            return self._own(file, path, on_page)  # which refuses it
        kind = detect(file)
        if kind not in _FORMATS:
            return self._own(file, path, on_page)
        document = as_document(self._ask(file, path, limits), path, any(p in kind for p in _PAGED))
        if len(document.text) > limits.characters:
            raise DocumentError(
                f"{path} has more than {limits.characters:,} characters.",
                hint="[documents] max_characters",
            )
        return document

    def close(self) -> None:
        """End connections and processes."""
        self._client.close()
        self._own.close()

    def _ask(self, file: Path, path: str, limits: Limits) -> Any:
        try:
            with (
                file.open("rb") as opened,
                self._client.stream(
                    "POST",
                    f"{self._url}/upload",
                    files={"file": (file.name, opened)},
                    data=self._asked,
                ) as response,
            ):
                body = _body(response, path, limits)
        except httpx.TimeoutException as error:
            raise DocumentError(
                f"{path} took dedoc's service more than {limits.seconds:g} s.",
                hint="[documents] parse_seconds",
            ) from error
        except httpx.TransportError as error:
            raise EngineError(
                f"dedoc's service at {self._url} cannot be reached: {error}.",
                hint="Start it, or correct [documents] engine_url.",
            ) from error
        try:
            answer = json.loads(body)
        except (ValueError, RecursionError):
            answer = None
        if response.status_code != httpx.codes.OK:
            said = answer.get("message") if isinstance(answer, Mapping) else None
            raise DocumentError(
                f"{path} is damaged, or dedoc cannot read it: "
                f"{said or f'status {response.status_code}'}"
            )
        return answer


def _body(response: httpx.Response, path: str, limits: Limits) -> bytes:
    """The whole reply, within its limits of time and size."""
    until, found = time.monotonic() + limits.seconds, bytearray()
    for part in response.iter_bytes():
        found += part
        if time.monotonic() > until:
            raise httpx.ReadTimeout("too slow", request=response.request)
        if len(found) > limits.characters * _BYTES:
            raise DocumentError(
                f"{path}: dedoc's reply is larger than {limits.characters:,} characters can be.",
                hint="[documents] max_characters",
            )
    return bytes(found)


def as_document(answer: Any, path: str, paged: bool) -> Document:
    """dedoc's `ParsedDocument` as ours; `paged` where its page numbers are pages of the file.

    Raises DocumentError for a reply in another form.
    """
    builder = TextBuilder()
    pages = 0
    try:
        content = answer["content"]
        tables = {str(one["metadata"]["uid"]): one for one in content["tables"]}
        for line, level in _lines(content["structure"]):
            pages = _turn(builder, pages, int(line["metadata"]["page_id"]), paged)
            kind = line["metadata"]["paragraph_type"]
            add_line(Line(kind, str(line["text"]).strip(), level), builder)
            for note in line["annotations"]:
                if note["name"] == "table" and str(note["value"]) in tables:
                    builder.add_table(_rows(tables.pop(str(note["value"]))))
        for table in tables.values():
            pages = _turn(builder, pages, int(table["metadata"]["page_id"]), paged)
            builder.add_table(_rows(table))
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise DocumentError(
            f"{path}: what the service answered is not dedoc's form: {error!r}.",
            hint="[documents] engine_url must be dedoc's, of version 2.",
        ) from error
    return builder.build(path, "")


def _turn(builder: TextBuilder, pages: int, page: int, paged: bool) -> int:
    """Begin pages up to `page`, which counts from 0; the number of pages begun."""
    if not paged or page < pages:
        return pages
    for _ in range(pages, page + 1):
        builder.start_page()
    return page + 1


def _lines(root: Mapping[str, Any]) -> Iterator[tuple[Mapping[str, Any], int]]:
    """The lines of the tree in reading order, each with the number of its kind above it, itself
    included: the level of a heading, or of an item in a list."""
    waiting: list[tuple[Mapping[str, Any], int, int, int]] = [(root, 0, 0, 0)]
    while waiting:
        line, headings, items, depth = waiting.pop()
        kind = line["metadata"]["paragraph_type"]
        headings += kind == "header"
        items += kind in LIST_ITEMS
        if kind not in _HIDDEN or line["text"].strip():
            yield line, headings if kind == "header" else items
        if depth < _DEEPEST:
            below = ((one, headings, items, depth + 1) for one in line["subparagraphs"])
            waiting += reversed(list(below))


def _rows(table: Mapping[str, Any]) -> list[list[str]]:
    rows = [[_cell(cell) for cell in row] for row in table["cells"]]
    width = max(chain((len(row) for row in rows), (0,)))
    return [row + [""] * (width - len(row)) for row in rows]


def _cell(cell: Mapping[str, Any]) -> str:
    return "\n".join(str(line["text"]).strip() for line in cell["lines"])
