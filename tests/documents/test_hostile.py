"""Hostile files: each costs itself only, with a reason; the parent, its memory and its folders stay as they were."""

import gzip
import io
import resource
import struct
import zipfile
import zlib

import pytest

from acclimate.documents.sandbox import Limits, Sandbox
from acclimate.errors import DocumentError

LIMITS = Limits(seconds=8, memory_mb=1500, characters=3_000_000, file_mb=50)
NS = "http://schemas.openxmlformats.org/wordprocessingml/2006/main"


@pytest.fixture(scope="module")
def sandbox():
    opened = Sandbox(LIMITS, workers=1)
    yield opened
    opened.close()


def zipped(**members):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name.replace("__", "/"), content)
    return buffer.getvalue()


def docx(xml):
    return zipped(**{"[Content_Types].xml": "<Types/>", "word/document.xml": xml})


def png(width, height):
    def chunk(kind, data):
        return (
            struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        )

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(b"\0" * 100))
        + chunk(b"IEND", b"")
    )


def pdf(pages, stream=b"BT /F 9 Tf (x) Tj ET"):
    kids = " ".join(f"{5 + 0 * n} 0 R" for n in range(pages))
    objects = [
        b"<< /Type /Catalog /Pages 2 0 R >>",
        f"<< /Type /Pages /Count {pages} /Kids [{kids}] >>".encode(),
        b"<< /Length %d >>\nstream\n%s\nendstream" % (len(stream), stream),
        b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>",
        b"<< /Type /Page /Parent 2 0 R /Contents 3 0 R /MediaBox [0 0 99 99] /Resources << /Font << /F 4 0 R >> >> >>",
    ]
    body = b"%PDF-1.4\n"
    for number, content in enumerate(objects, start=1):
        body += b"%d 0 obj\n%s\nendobj\n" % (number, content)
    return body + b"trailer << /Root 1 0 R >>\n%%EOF"


def nested(depth):
    content = b"the innermost text"
    name = "deep.txt"
    for level in range(depth):
        content, name = zipped(**{name: content}), f"level{level}.zip"
    return content


LAUGHS = "".join(f'<!ENTITY l{n} "{f"&l{n - 1};" * 10}">' for n in range(1, 10))
HOSTILE = {
    "zip-bomb.docx": docx(b" " * 600_000_000),
    "many.zip": zipped(**{f"{n}.txt": "" for n in range(20_500)}),
    "nested.zip": nested(12),
    "gzip-bomb.gz": gzip.compress(b"\0" * 400_000_000, 9),
    "xxe.docx": docx(
        f'<!DOCTYPE d [<!ENTITY x SYSTEM "file:///etc/passwd">]><w:d xmlns:w="{NS}"><w:p>&x;</w:p></w:d>'
    ),
    "laughs.docx": docx(f'<!DOCTYPE d [<!ENTITY l0 "ha">{LAUGHS}]><d>&l9;</d>'),
    "deep.docx": docx("<a>" * 100_000 + "</a>" * 100_000),
    "million-pages.pdf": pdf(1_000_000),
    "endless.pdf": pdf(300, b"q " * 100_000 + b"BT /F 9 Tf (x) Tj ET " * 100_000),
    "huge.png": png(40_000, 40_000),
    "two-gigabytes.png": png(2**31 - 1, 2**31 - 1),
    "broken.pdf": b"%PDF-1.7\n" + bytes(range(256)) * 50,
    "polyglot.html": b"%PDF-1.4\n<html><script>alert(1)</script><p>text</p></html>",
    "utf-16.txt": b"\xff\xfe\x00",
    "huge.json": b"[" * 200_000 + b"]" * 200_000,
    "long.html": b"<div>" * 200_000 + b"x",
    "repeated.html": b"<table>" + b"<tr>" + b"<td>x" * 2_000_000,
    "empty.docx": b"PK\x05\x06" + b"\0" * 18,
    "traversal.zip": zipped(**{"../../../../tmp/acclimate-evil.txt": "written outside"}),
    "recursive.eml": b"Subject: a\nMIME-Version: 1.0\nContent-Type: message/rfc822\n\n" * 300
    + b"Subject: x\n\nend",
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_file_costs_only_itself(name, tmp_path, sandbox):
    inside = tmp_path / "documents"
    inside.mkdir()
    file, good = inside / name, inside / "good.txt"
    file.write_bytes(HOSTILE[name])
    good.write_text("A harmless file.")
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    refused, text = "", ""
    try:
        text = sandbox(file, name).text
    except DocumentError as error:
        refused = str(error)
    assert (name in refused and len(refused) < 600) or (0 < len(text) <= LIMITS.characters)
    assert "root:" not in text
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 400_000  # kilobytes
    assert sandbox(good, "good.txt").text == "A harmless file."
    assert sorted(path.name for path in tmp_path.rglob("*")) == sorted(
        ["documents", name, "good.txt"]
    )


@pytest.mark.parametrize(
    ("module", "attack", "refused"),
    [
        ("socket", "socket.create_connection(('127.0.0.1', 9))", "socket"),
        ("subprocess", "subprocess.run(['true'])", "subprocess"),
        ("os", "os.system('true')", "os.system"),
        ("builtins", "open('{place}', 'w')", "may not write"),
        ("builtins", "[bytearray(10**9) for _ in range(5)]", "memory"),
        ("os", "os._exit(3)", "exit code 3"),
        ("os", "os.kill(os.getpid(), 11)", "exit code -11"),
        ("time", "time.sleep(1000)", "took longer"),
    ],
)
def test_a_parser_that_was_taken_over_gets_nowhere(module, attack, refused, tmp_path, monkeypatch):
    """The worker runs a parser of ours that misbehaves: what a hole in a real one would let it do."""
    place = tmp_path / "outside.txt"
    attack = attack.replace("{place}", str(place))
    (tmp_path / "sitecustomize.py").write_text(
        "import acclimate.documents.text as t\n"
        f"def parse(self, file, path):\n    import {module}\n    {attack}\n"
        "t.TextParser.parse = parse\n"
    )
    file = tmp_path / "x.txt"
    file.write_text("x")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    seconds = (
        3 if refused == "took longer" else 300
    )  # on a busy machine, starting takes longer than that
    sandbox = Sandbox(Limits(seconds=seconds, memory_mb=1500), workers=1)
    try:
        with pytest.raises(DocumentError, match=refused):
            sandbox(file, "x.txt")
    finally:
        sandbox.close()
    assert not place.exists()


def test_text_and_file_beyond_the_limit_are_refused(tmp_path):
    sandbox = Sandbox(Limits(characters=1000, file_mb=1), workers=1)
    try:
        for size, reason in ((5_000, "1,000 characters"), (2_000_000, "2 MB; 1 are allowed")):
            file = tmp_path / f"{size}.txt"
            file.write_text("word " * (size // 5))
            with pytest.raises(DocumentError, match=reason):
                sandbox(file, file.name)
    finally:
        sandbox.close()
