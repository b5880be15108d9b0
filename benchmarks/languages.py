"""Whether questions find their evidence in other languages, and across two.

    python -m benchmarks.languages --data FOLDER [--languages de es ru zh ar] [--across en:de] [--limit N]
        [--articles N] [--embedder NAME] [--method hybrid] [--show]

FOLDER holds `xquad.<language>.json` of XQuAD (Artetxe et al. 2020, arXiv 1910.11856), or files of that form (SQuAD 1.1,
with the same ids in each language). Each article is a document; the questions of all its paragraphs are asked. `evidence` is
the share of questions whose sentence with the answer is among the passages shown, at least half of it; `--across en:de` asks
English questions over the German documents. `text` is the same by words alone, `dense` by vectors alone. Nothing here was
used to choose a setting but what the command line says.
"""

from __future__ import annotations

import argparse
import json
import random
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from acclimate.project import Project
from acclimate.prompting.citations import sentence_around
from acclimate.settings import FILE_NAME
from acclimate.settings_file import set_key
from acclimate.types import Hit, Span
from benchmarks.harness import emit, machine


@dataclass(frozen=True, slots=True)
class Asked:
    """A question and where its evidence stands: characters of a document."""

    id: str
    question: str
    document: str
    evidence: Span


def read_articles(file: Path, most: int | None) -> tuple[dict[str, str], list[Asked]]:
    """Texts by document, and the questions over them."""
    texts, questions = {}, []
    articles = json.loads(file.read_text(encoding="utf-8"))["data"]
    for number, article in enumerate(articles[:most]):
        name, text = f"{number:03}.txt", ""
        for paragraph in article["paragraphs"]:
            context = paragraph["context"].strip()
            moved = len(text) - paragraph["context"].index(context[:1])
            for row in paragraph["qas"]:
                at = row["answers"][0]["answer_start"]
                place = Span(at, at + len(row["answers"][0]["text"]))
                span = sentence_around(paragraph["context"], place)
                found = Span(span.start + moved, span.end + moved)
                questions.append(Asked(row["id"], row["question"], name, found))
            text += context + "\n\n"
        texts[name] = text
    return texts, questions


def shown(asked: Asked, hits: list[Hit]) -> bool:
    """Whether the passages cover half of the evidence."""
    span = asked.evidence
    covered = sum(
        max(0, min(hit.chunk.end, span.end) - max(hit.chunk.start, span.start))
        for hit in hits
        if hit.chunk.document == asked.document
    )
    return 2 * covered >= span.end - span.start


def project_over(folder: Path, texts: dict[str, str], options: argparse.Namespace) -> Project:
    """A project over these texts with the settings asked for, not ingested yet."""
    documents = folder / "documents"
    documents.mkdir()
    for name, text in texts.items():
        (documents / name).write_text(text, encoding="utf-8")
    Project.create(folder, documents).close()
    set_key(folder / FILE_NAME, "embedder", "model", options.embedder)
    return Project.open(folder)


def by_method(project: Project, method: str) -> Project:
    """The same project, searched by vectors, by words or by both."""
    chosen = project.settings.retrieval.model_copy(update={"method": method})
    return project.sharing(project.settings.model_copy(update={"retrieval": chosen}))


def measure(project: Project, questions: list[Asked], depth: int, *, show: bool) -> dict[str, Any]:
    """The share found, and milliseconds of CPU a search."""
    found, used = [], []
    project.retrieve("warm up")
    for asked in questions:
        before = time.process_time()
        hits = list(project.retrieve(asked.question, depth))
        used.append(time.process_time() - before)
        found.append(shown(asked, hits))
        if show and not found[-1]:
            print(f"{asked.document} {asked.id}: {asked.question}", file=sys.stderr)
    return {
        f"evidence@{depth}": round(statistics.fmean(found), 4),
        "cpu_ms_p50": round(statistics.median(used) * 1000, 1),
    }


def lines(options: argparse.Namespace) -> Iterator[dict[str, Any]]:
    """A result for each language of the documents and each pair."""
    pairs = [(one, one) for one in options.languages]
    pairs += [tuple(one.split(":")) for one in options.across]
    for asking in sorted({documents for _, documents in pairs}):
        texts, own = read_articles(options.data / f"xquad.{asking}.json", options.articles)
        places = {asked.id: asked for asked in own}
        with (
            tempfile.TemporaryDirectory() as scratch,
            project_over(Path(scratch), texts, options) as project,
        ):
            before = time.process_time()
            project.ingest()
            ingest = time.process_time() - before
            chunks = len(project.library.record.keys())
            for one, other in pairs:
                if other != asking:
                    continue
                _, theirs = read_articles(options.data / f"xquad.{one}.json", options.articles)
                questions = [
                    Asked(row.id, row.question, places[row.id].document, places[row.id].evidence)
                    for row in theirs
                ]
                most = min(options.limit or len(questions), len(questions))
                questions = random.Random(0).sample(questions, most)
                result = {"questions": one, "documents": other, "n": len(questions)}
                for method in options.method:
                    result[method] = measure(
                        by_method(project, method), questions, options.depth, show=options.show
                    )
                yield {**result, "chunks": chunks, "ingest_cpu_s": round(ingest, 1)}


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--languages", nargs="*", default=["de", "es", "ru", "zh", "ar"])
    parser.add_argument("--across", nargs="*", default=["en:de"], help="asked:documents")
    parser.add_argument("--embedder", default="multilingual-e5-small-q4")
    parser.add_argument("--method", nargs="*", default=["hybrid", "text", "dense"])
    parser.add_argument("--depth", type=int, default=4, help="passages shown")
    parser.add_argument("--limit", type=int, help="so many questions of each, drawn evenly")
    parser.add_argument("--articles", type=int, help="only the first so many")
    parser.add_argument("--show", action="store_true", help="print misses to stderr")
    options = parser.parse_args()
    results = []
    for result in lines(options):
        results.append(result)
        emit({"benchmark": "languages", **result})
    name = options.method[0]
    shares = {
        f"{one['questions']}>{one['documents']}": one[name][f"evidence@{options.depth}"]
        for one in results
    }
    emit(
        {
            "benchmark": "languages",
            "summary": shares,
            "method": name,
            "embedder": options.embedder,
            "machine": machine(),
        }
    )


if __name__ == "__main__":
    main()
