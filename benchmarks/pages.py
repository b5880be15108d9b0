"""Are page numbers right? Spot checks of PDFs against PDFium's own text of each page, and the time for all of them.

    python -m benchmarks.pages --data FOLDER [--checks 50] [--workers 2]

FOLDER holds PDFs (at any depth). All are parsed through the sandbox, `--workers` at a time. Then `--checks` places are
drawn by a fixed seed, evenly over the files: six words of the parsed text that PDFium finds on one page only of that
file. The page that the document gives for the place must be that page.
"""

from __future__ import annotations

import argparse
import random
import re
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from itertools import cycle
from pathlib import Path

import pypdfium2

from acclimate.documents.sandbox import Limits, Sandbox
from acclimate.types import Document
from benchmarks.harness import emit, machine

_WORDS = 6
_TRIES = 400


def main() -> None:
    """Parse, check and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--checks", type=int, default=50)
    parser.add_argument("--workers", type=int, default=2)
    options = parser.parse_args()
    files = sorted(options.data.rglob("*.pdf"))
    started = time.perf_counter()
    with (
        closing(Sandbox(Limits(seconds=600), options.workers)) as sandbox,
        ThreadPoolExecutor(options.workers) as pool,
    ):
        documents = list(pool.map(lambda file: sandbox(file, file.name), files))
    seconds = time.perf_counter() - started
    rng = random.Random(0)
    pages = [_page_words(file) for file in files]
    places = cycle(range(len(files)))
    checked, wrong = 0, 0
    while checked < options.checks:
        at = next(places)
        found = _place(documents[at], pages[at], rng)
        if found is None:
            continue
        words, offset, page = found
        told = documents[at].page_at(offset)
        checked += 1
        if told != page:
            wrong += 1
            emit({"file": files[at].name, "words": words, "page": page, "told": told})
    emit(
        {
            "benchmark": "pages",
            "files": len(files),
            "pages": sum(map(len, pages)),
            "seconds": round(seconds, 1),
            "workers": options.workers,
            "checks": checked,
            "wrong": wrong,
            "machine": machine(),
        }
    )


def _page_words(file: Path) -> list[str]:
    """Each page's words by PDFium's own extraction, one space between."""
    document = pypdfium2.PdfDocument(file)
    try:
        return [_flat(page.get_textpage().get_text_bounded()) for page in document]
    finally:
        document.close()


def _flat(text: str) -> str:
    return " ".join(re.findall(r"\w+", text))


def _place(document: Document, pages: list[str], rng: random.Random) -> tuple[str, int, int] | None:
    """Words of a document that stand on one page only: the words, their offset, the page."""
    words = list(re.finditer(r"\w+", document.text))
    for _ in range(_TRIES):
        first = rng.randrange(max(1, len(words) - _WORDS))
        run = words[first : first + _WORDS]
        flat = " ".join(word[0] for word in run)
        holding = [
            number for number, page in enumerate(pages, start=1) if f" {flat} " in f" {page} "
        ]
        if len(holding) == 1:
            return flat, run[0].start(), holding[0]
    return None


if __name__ == "__main__":
    main()
