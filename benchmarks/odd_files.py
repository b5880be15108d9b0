"""Ingest 1,000 odd files of mixed origin: does it finish, and does the report say for each file what happened?

    python -m benchmarks.odd_files --data FOLDER [--files 1000] [--show]

Real files under FOLDER are copied, cut short, damaged, renamed to another format, packed into archives and mail, put
into other encodings or glued together, all by a fixed seed; empty files, binary noise and odd names are put among them.
Every file must come back as read or with a reason; "unexplained" are the others, "vague" the reasons that name no file.
A small embedder of hashed words stands in: parsing is what is measured.
"""

from __future__ import annotations

import argparse
import gzip
import io
import random
import re
import resource
import sys
import tempfile
import time
import zipfile
from collections import Counter
from collections.abc import Callable
from contextlib import closing
from email.message import EmailMessage
from pathlib import Path

from acclimate.chunking.structure import StructureChunker
from acclimate.documents.sandbox import Limits, Sandbox
from acclimate.indexes.library import Library
from acclimate.ingest import ingest
from acclimate.testing.embeddings import HashEmbedder
from benchmarks.harness import emit, machine

_LARGEST = 400_000  # bytes of a file taken as a start
_SUFFIXES = "pdf docx pptx xlsx html md txt csv json eml rtf epub odt rst png tgz zip msg".split()
_ODD = ("", "ü", "#%20", "nb\u00a0sp", "日本")
Change = Callable[[bytes, str, random.Random], tuple[bytes, str]]


def main() -> None:
    """Make the files, ingest them, and judge the report."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--files", type=int, default=1000)
    parser.add_argument("--show", action="store_true", help="print each reason to stderr")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        root = Path(scratch, "documents")
        made = make(sources(options.data), root, options.files)
        started = time.perf_counter()
        embedder = HashEmbedder()
        library = Library(Path(scratch, "library"))
        with closing(library), closing(Sandbox(Limits(seconds=30, memory_mb=2000), 2)) as sandbox:
            report = ingest(
                root,
                library,
                lambda file, path: sandbox(file, path),
                StructureChunker(embedder.token_spans, 200),
                embedder,
                parallel=2,
            )
            read = set(library.record.files())
        reasons = {failure.path: failure.reason for failure in report.failures}
    unexplained = sorted(made.keys() - read - reasons.keys())
    vague = [path for path, reason in reasons.items() if Path(path).name not in reason]
    for path, reason in sorted(reasons.items()) if options.show else ():
        print(f"{made[path]:<10} {reason}", file=sys.stderr)
    outcome = Counter((kind, "read" if path in read else "refused") for path, kind in made.items())
    emit(
        {
            "benchmark": "odd_files",
            "files": len(made),
            "read": len(read),
            "refused": len(reasons),
            "unexplained": unexplained,
            "vague": vague,
            "by_kind": {
                kind: [outcome[kind, "read"], outcome[kind, "refused"]]
                for kind in sorted(set(made.values()))
            },
            "reasons": dict(
                Counter(_kind_of(reason, path) for path, reason in reasons.items()).most_common()
            ),
            "seconds": round(time.perf_counter() - started, 1),
            "parent_peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
            "machine": machine(),
        }
    )
    sys.exit(bool(unexplained or vague))


def sources(data: Path) -> list[Path]:
    """Real files to start from, of every suffix the same number at most."""
    by_suffix: dict[str, list[Path]] = {}
    for file in sorted(data.rglob("*")):
        if (
            file.is_file()
            and 0 < file.stat().st_size < _LARGEST
            and file.suffix[1:].lower() in _SUFFIXES
        ):
            by_suffix.setdefault(file.suffix.lower(), []).append(file)
    rng = random.Random(1)
    return [file for files in by_suffix.values() for file in rng.sample(files, min(40, len(files)))]


def make(files: list[Path], root: Path, count: int) -> dict[str, str]:
    """Write `count` odd files under `root`: path → how it was made."""
    rng = random.Random(0)
    made: dict[str, str] = {}
    changes = list(CHANGES)
    for number in range(count):
        source = rng.choice(files)
        kind = changes[number % len(changes)]
        content, suffix = CHANGES[kind](source.read_bytes(), source.suffix, rng)
        name = re.sub(r"[^\w.-]", "_", source.stem)[:30]
        path = f"{kind}/{number:04} {rng.choice(_ODD)}{name}{suffix}"
        file = root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content)
        made[path] = kind
    return made


def _as_is(content: bytes, suffix: str, rng: random.Random) -> tuple[bytes, str]:
    return content, suffix


def _cut(content: bytes, suffix: str, rng: random.Random) -> tuple[bytes, str]:
    return content[: rng.randrange(1, len(content) + 1)], suffix


def _flipped(content: bytes, suffix: str, rng: random.Random) -> tuple[bytes, str]:
    damaged = bytearray(content)
    for _ in range(max(1, len(damaged) // 500)):
        damaged[rng.randrange(len(damaged))] = rng.randrange(256)
    return bytes(damaged), suffix


def _renamed(content: bytes, suffix: str, rng: random.Random) -> tuple[bytes, str]:
    return content, f".{rng.choice([*_SUFFIXES, 'dat', 'PDF', 'x'])}"


def _no_suffix(content: bytes, suffix: str, rng: random.Random) -> tuple[bytes, str]:
    return content, ""


def _zipped(content: bytes, suffix: str, rng: random.Random) -> tuple[bytes, str]:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(f"folder/inside{suffix}", content)
        archive.writestr("../../outside.txt", "a name that leads out")
    return buffer.getvalue(), ".zip"


def _packed(content: bytes, suffix: str, rng: random.Random) -> tuple[bytes, str]:
    return gzip.compress(content), f"{suffix}.gz"


def _mailed(content: bytes, suffix: str, rng: random.Random) -> tuple[bytes, str]:
    message = EmailMessage()
    message["Subject"], message["From"] = "Attached", "ada@example.org"
    message.set_content("See the file.\n")
    message.add_attachment(
        content, maintype="application", subtype="octet-stream", filename=f"file{suffix}"
    )
    return bytes(message), ".eml"


def _recoded(content: bytes, suffix: str, rng: random.Random) -> tuple[bytes, str]:
    text = content.decode("utf-8", "replace")
    return text.encode(
        rng.choice(["utf-16", "utf-16-be", "utf-32", "latin-1", "shift_jis"]), "replace"
    ), suffix


def _glued(content: bytes, suffix: str, rng: random.Random) -> tuple[bytes, str]:
    return b"%PDF-1.4\n" + content + b"\nPK\x03\x04" + content[:200], suffix


def _noise(content: bytes, suffix: str, rng: random.Random) -> tuple[bytes, str]:
    return rng.randbytes(rng.choice([0, 1, 3, 40, 5000])), suffix


def _repeated(content: bytes, suffix: str, rng: random.Random) -> tuple[bytes, str]:
    return content * rng.choice([2, 5, 20]), suffix


CHANGES: dict[str, Change] = {
    "as-is": _as_is,
    "cut": _cut,
    "flipped": _flipped,
    "renamed": _renamed,
    "no-suffix": _no_suffix,
    "zipped": _zipped,
    "packed": _packed,
    "mailed": _mailed,
    "recoded": _recoded,
    "glued": _glued,
    "noise": _noise,
    "repeated": _repeated,
}


def _kind_of(reason: str, path: str) -> str:
    """A reason without what is particular to the file."""
    plain = reason.replace(path, "FILE").replace(Path(path).name, "FILE")
    return re.sub(r"\s+", " ", re.sub(r"\d[\d,.]*", "N", plain))[:90]


if __name__ == "__main__":
    main()
