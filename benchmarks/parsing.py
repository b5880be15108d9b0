"""Parse real files: cells of tables, text, speed and memory, beside other libraries.

    python -m benchmarks.parsing --data PARSING [--peer markitdown docling …] [--limit N] [--show]

PARSING holds `pdf-parse-bench/*/pdfs` with the LaTeX of every table under `ground_truth`, and `docling/*/sources` with
Markdown under `groundtruth` (docling's output: its choices, not the truth). `table_f1` counts cells with equal text,
file by file; `text_similarity` counts equal pairs of neighbouring words. Pages are PDF pages only.
"""

from __future__ import annotations

import argparse
import json
import re
import resource
import statistics
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pypdfium2

from acclimate.documents.parsers import parse
from acclimate.errors import DocumentError
from benchmarks.harness import PEERS, emit, machine, require_peers
from benchmarks.latex_tables import cells, normalise

Parsed = dict[str, str]
_PEERS = ("markitdown", "docling", "kreuzberg", "pdfplumber", "pypdf")  # the last two read PDF only


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--peer", nargs="*", default=[], choices=_PEERS)
    parser.add_argument("--limit", type=int, help="only the first N files of each set")
    parser.add_argument("--show", action="store_true", help="print each file's score to stderr")
    parser.add_argument("--worker", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.worker:
        work()
        return
    pdfs = sorted((options.data / "pdf-parse-bench").glob("*/pdfs/*.pdf"))[: options.limit]
    mixed = [
        file
        for file in sorted((options.data / "docling").glob("*/sources/*"))
        if _truth(file).exists()
    ]
    mixed = mixed[: options.limit]
    result: dict[str, Any] = {
        "benchmark": "parsing",
        **measure(
            [sys.executable, "-m", "benchmarks.parsing", "--data", ".", "--worker"],
            pdfs,
            mixed,
            options.show,
        ),
    }
    peers = {}
    for name in options.peer:
        require_peers()
        python = ".venv-docling/bin/python" if name == "docling" else str(PEERS)
        command = [python, str(Path(__file__).parent / "peers" / "parse_files.py"), name]
        peers[name] = measure(
            command, pdfs, [] if name in ("pdfplumber", "pypdf") else mixed, False
        )
        emit({"peer": name, **peers[name]})
    result["peer"] = peers
    emit({**result, "machine": machine()})


def measure(command: list[str], pdfs: list[Path], mixed: list[Path], show: bool) -> dict[str, Any]:
    """Scores of one program, which reads file names and prints a JSON object for each, its peak memory last."""
    texts, seconds, peak = _run(command, pdfs)
    pages = sum(len(pypdfium2.PdfDocument(file)) for file in pdfs if str(file) in texts)
    tables = {file: cell_f1(texts.get(str(file), ""), file) for file in pdfs}
    others, _, more = _run(command, mixed)
    alike: dict[str, list[float]] = {}
    for file in mixed:
        value = similarity(others.get(str(file), ""), _truth(file).read_text(encoding="utf-8"))
        alike.setdefault(file.parents[1].name, []).append(value)
        if show:
            print(f"{value:.3f} {file.name}", file=sys.stderr)
    if show:
        for file, value in tables.items():
            print(f"{value:.3f} {file.name}", file=sys.stderr)
    return {
        "files": len(pdfs) + len(mixed),
        "pages_per_s": round(pages / seconds, 2) if seconds else 0.0,
        "table_f1": round(statistics.mean(tables.values()), 4) if tables else 0.0,
        "text_similarity": round(
            statistics.mean(value for values in alike.values() for value in values), 4
        )
        if alike
        else 0.0,
        "by_format": {
            name: round(statistics.mean(values), 3) for name, values in sorted(alike.items())
        },
        "unread": sum(str(file) not in texts for file in pdfs)
        + sum(str(file) not in others for file in mixed),
        "peak_mb": max(peak, more),
    }


def _run(command: list[str], files: Iterable[Path]) -> tuple[Parsed, float, int]:
    """Texts by file, seconds of parsing (the program's start is not counted), peak memory in MB."""
    asked = "".join(f"{file}\n" for file in files)
    done = subprocess.run(command, input=asked, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(done.stderr[-2000:])
    rows = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
    texts = {row["file"]: row["text"] for row in rows if row.get("text") is not None}
    return texts, sum(row.get("seconds", 0.0) for row in rows), rows[-1]["peak_mb"] if rows else 0


def work() -> None:
    """Parse the files named on standard input, one core."""
    for line in sys.stdin.read().splitlines():
        started = time.perf_counter()
        try:
            text: str | None = parse(Path(line), Path(line).name).text
        except DocumentError:
            text = None
        print(json.dumps({"file": line, "text": text, "seconds": time.perf_counter() - started}))
    print(json.dumps({"peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024}))


def _truth(file: Path) -> Path:
    folder = file.parents[1] / "groundtruth"
    whole = folder / f"{file.name}.md"
    return whole if whole.exists() else folder / f"{file.stem}.md"


def cell_f1(text: str, file: Path) -> float:
    """F1 of the cells in a text's Markdown tables against the LaTeX of the file's tables."""
    truth = json.loads(
        (file.parents[1] / "ground_truth" / f"{file.stem}.json").read_text(encoding="utf-8")
    )
    wanted = Counter(
        cell for item in truth if item["type"] == "table" for cell in cells(item["data"])
    )
    rows = [
        line
        for line in text.splitlines()
        if line.startswith("|") and not re.fullmatch(r"[|\s:-]+", line)
    ]
    found = Counter(
        normalise(cell) for row in rows for cell in re.split(r"(?<!\\)\|", row.strip("|"))
    )
    found.pop("", None)
    return _f1(wanted, found)


def similarity(text: str, truth: str) -> float:
    """F1 of pairs of neighbouring words, without Markdown's marks."""
    return _f1(_pairs(truth), _pairs(text))


def _pairs(text: str) -> Counter[tuple[str, str]]:
    text = re.sub(r"<!--.*?-->|!\[[^\]]*\]\([^)]*\)|(?<=\])\([^)]*\)", " ", text, flags=re.DOTALL)
    words = re.findall(r"\w+", text.replace("&amp;", "&").replace("_", " ").casefold())
    return Counter(zip(["", *words], [*words, ""], strict=True))


def _f1(wanted: Counter[Any], found: Counter[Any]) -> float:
    same = (wanted & found).total()
    return 2 * same / (wanted.total() + found.total()) if wanted.total() + found.total() else 1.0


if __name__ == "__main__":
    main()
