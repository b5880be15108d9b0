"""dedoc's service as a parser. The service is a stub that answers as its documentation says: dedoc itself asks for
packages that cannot be installed beside ours."""

import json
import threading
from email import message_from_bytes
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from acclimate.documents.dedoc_service import DedocService
from acclimate.documents.sandbox import Limits, Sandbox
from acclimate.errors import DocumentError, EngineError, SettingsError
from acclimate.settings import make_settings
from acclimate.testing.documents import check_document
from acclimate.workspace.parsing import open_sandbox, parser_name


def line(text, kind="raw_text", page=0, *below, table=""):
    """A node of the tree, as the service's schema describes it."""
    notes = [{"start": 0, "end": len(text), "name": "style", "value": "Normal"}]
    if table:
        notes.append({"start": 0, "end": len(text), "name": "table", "value": table})
    return {
        "node_id": "0",
        "text": text,
        "annotations": notes,
        "metadata": {"paragraph_type": kind, "page_id": page, "line_id": None},
        "subparagraphs": list(below),
    }


def table(uid, rows, page=0):
    cells = [
        [
            {
                "lines": [{"text": text, "annotations": []}],
                "rowspan": 1,
                "colspan": 1,
                "invisible": False,
            }
            for text in row
        ]
        for row in rows
    ]
    return {
        "cells": cells,
        "metadata": {"page_id": page, "uid": uid, "rotated_angle": 0.0, "title": ""},
    }


def parsed(structure, tables=()):
    return {
        "content": {"structure": structure, "tables": list(tables)},
        "metadata": {"file_name": "a.pdf", "file_type": "application/pdf"},
        "version": "2.8",
        "warnings": [],
        "attachments": [],
    }


SCAN = parsed(
    line(
        "", "root", 0,
        line(
            "Manual\n", "header", 0,
            line("It is heavy.\n", "raw_text", 0, table="t1"),
            line(
                "Weights\n", "header", 1,
                line("", "list", 1, line("1. lift\n", "list_item", 1), line("• carry\n", "list_item", 1)),
            ),
        ),
        line("Page 2 of 2", "footer", 1),
    ),
    [table("t1", [("Model", "kg"), ("AX-2", "84")]), table("t2", [("left", "over")], 3)],
)  # fmt: skip


class Stub(ThreadingHTTPServer):
    """Answers every upload with `status` and `answer`, and keeps what was sent."""

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.answer, self.status, self.sent = SCAN, 200, []


class Handler(BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        head = f"Content-Type: {self.headers['Content-Type']}\r\n\r\n".encode()
        parts = message_from_bytes(head + body).get_payload()
        named = {
            one.get_param("name", header="Content-Disposition"): one.get_payload(decode=True)
            for one in parts
        }
        self.server.sent.append((self.path, named))
        answer = self.server.answer
        content = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
        self.send_response(self.server.status)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_):
        pass


@pytest.fixture
def stub():
    with Stub() as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture
def service(stub):
    url = f"http://127.0.0.1:{stub.server_address[1]}/"
    made = DedocService(url, ("language=eng",), Sandbox(Limits(characters=2000), 1))
    yield made
    made.close()


@pytest.fixture
def scan(tmp_path):
    (tmp_path / "a.pdf").write_bytes(b"%PDF-1.4 a scan")
    return tmp_path / "a.pdf"


def kinds(document):
    return [
        (one.kind, document.text[one.start : one.end], one.level, one.page)
        for one in document.elements
    ]


def test_a_scan_goes_to_the_service_and_comes_back_with_structure_and_pages(service, stub, scan):
    document = service(scan, "in/a.pdf")
    check_document(document, "in/a.pdf")
    (found,) = [one for one in kinds(document) if one[0] == "table" and "AX-2" in one[1]]
    assert [one for one in kinds(document) if one[0] != "table"] == [
        ("heading", "Manual", 1, 1),
        ("paragraph", "It is heavy.", 0, 1),
        ("heading", "Weights", 2, 2),
        ("list_item", "1. lift", 1, 2),
        ("list_item", "- carry", 1, 2),
        ("footer", "Page 2 of 2", 0, 2),
    ]
    assert found[3] == 1
    assert (
        document.text.index("heavy") < document.text.index("AX-2") < document.text.index("Weights")
    )
    assert kinds(document)[-1][3] == 4  # a table that no line names, on its own page
    ((path, sent),) = stub.sent
    assert path == "/upload"
    assert sent == {
        "file": b"%PDF-1.4 a scan",
        "return_format": b"json",
        "structure_type": b"tree",
        "with_attachments": b"false",
        "language": b"eng",
    }


def test_formats_that_dedoc_does_not_read_stay_with_our_own_readers(service, stub, tmp_path):
    (tmp_path / "a.md").write_text("# Pumps\n\nHeavy.\n")
    assert kinds(service(tmp_path / "a.md", "a.md"))[0][:2] == ("heading", "# Pumps")
    assert stub.sent == []


def test_pages_of_what_has_none_are_not_told(service, stub, tmp_path):
    (tmp_path / "a.html").write_text("<html><p>x</p></html>")
    assert service(tmp_path / "a.html", "a.html").page_starts == ()
    assert len(stub.sent) == 1


@pytest.mark.parametrize(
    ("status", "answer", "error"),
    [
        (415, {"message": "Unsupported file format"}, "Unsupported file format"),
        (500, b"Internal Server Error", "status 500"),
        (200, b"<html>", "not dedoc's form"),
        (200, {"content": {"structure": []}}, "not dedoc's form"),
        (200, parsed({"text": "x"}), "not dedoc's form"),
        (200, parsed(line("x" * 2001)), "more than 2,000 characters"),
        (200, b" " * 200_000, "larger than"),
    ],
)
def test_a_reply_that_is_no_document_costs_its_file_only(
    service, stub, scan, status, answer, error
):
    stub.status, stub.answer = status, answer
    with pytest.raises(DocumentError, match=error):
        service(scan, "a.pdf")
    stub.status, stub.answer = 200, SCAN
    assert service(scan, "a.pdf").path == "a.pdf"


def test_a_tree_of_any_depth_is_read(service, stub, scan):
    deep = line("last", "header")
    for number in range(300):
        deep = line(f"h{number}", "header", 0, deep)
    stub.answer = parsed(line("", "root", 0, deep))
    document = service(scan, "a.pdf")
    assert document.text.endswith("last")
    assert max(one.level for one in document.elements) == 6


def test_a_service_that_is_not_there_ends_the_ingest(scan):
    made = DedocService("http://127.0.0.1:9", (), Sandbox(Limits(), 1))
    with pytest.raises(EngineError, match="cannot be reached") as caught:
        made(scan, "a.pdf")
    made.close()
    assert "engine_url" in caught.value.hint


@pytest.mark.parametrize(
    ("url", "options", "error"),
    [
        ("127.0.0.1:1231", (), "is no address"),
        ("http://127.0.0.1:1231", ("language",), "engine_options has 'language'"),
    ],
)
def test_settings_that_cannot_be_are_refused(url, options, error):
    with pytest.raises(SettingsError, match=error):
        DedocService(url, options, Sandbox(Limits(), 1))


def test_settings_choose_the_service_and_name_it_in_the_fingerprint():
    chosen = {"engine": "dedoc", "engine_url": "http://127.0.0.1:1", "engine_options": ["a=b"]}
    files = make_settings({"documents": chosen}, "test").documents
    made = open_sandbox(files, pictures=False)
    made.close()
    assert isinstance(made, DedocService)
    local = make_settings({"documents": {"engine": "dedoc"}}, "test").documents
    assert len({parser_name(files, None), parser_name(local, None)}) == 2
    other = make_settings({"documents": chosen | {"engine": "docling"}}, "test").documents
    with pytest.raises(SettingsError, match="engine_url is dedoc's"):
        open_sandbox(other, pictures=False)
