"""Whether the passages that are shown hold what a question needs, by kind of question.

    python -m benchmarks.evidence --data DOMAINSET [--documents FOLDER] [--library PROJECT] [--depths 4,20] [--show]
    python -m benchmarks.evidence --data DOMAINSET [--articles N] [--limit N] [--typos]

`evidence` is the share of answerable questions of which every fact is found in the shown passages of the right
documents, and each document that is needed stands among them. A fact is a list of alternative regular expressions (key
`facts`); of a question without facts half of the `evidence` quote must be shown. `quote` looks for the quote of every
question, `document` only for the documents. The first depth is k of `[retrieval]`, which environment variables override,
and `characters` the median length of what is shown at each depth. A follow-up is completed by rule, as a chat completes
it. `--library` asks a project that was ingested before; without it the documents are ingested into a temporary one.
`--typos` puts one slip into a word of each question: a letter left out, doubled, swapped with the next, or another one.
"""

from __future__ import annotations

import argparse
import random
import re
import statistics
import sys
import tempfile
import time
import unicodedata
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from acclimate.files.jsonlines import read_rows
from acclimate.project import Project
from acclimate.prompting.conversation import Turn, complete
from acclimate.settings import FILE_NAME
from acclimate.settings_file import set_key
from acclimate.types import Hit, Span
from benchmarks.harness import emit, machine

_ALIKE = str.maketrans("‘’‚“”„–—‑−‐", "'''\"\"\"-----", "*`\u200b")  # fmt: skip


@dataclass(frozen=True, slots=True)
class Needed:
    """What a question needs: `groups` of documents of each of which one must be shown, `facts` and `quotes` (document,
    text)."""

    id: str
    asked: str
    kind: str
    groups: tuple[frozenset[str], ...]
    facts: tuple[tuple[str, ...], ...]
    quotes: tuple[tuple[str, str], ...]

    @property
    def right(self) -> frozenset[str]:
        """All documents that hold an answer."""
        return frozenset().union(*self.groups)


@dataclass(frozen=True, slots=True)
class Seen:
    """What of it the shown passages hold."""

    evidence: bool
    document: bool
    quote: bool | None


def read_needed(row: Mapping[str, Any]) -> Needed:
    """A row of `questions.jsonl` as what it needs; a follow-up is asked as `complete` makes it stand alone."""
    turns = [Turn(turn["question"], turn["answer"]) for turn in row.get("turns") or ()]
    also = row.get("also") or ()
    several = row.get("documents") or ()
    groups = [{path} for path in several] if len(several) > 1 else [{row["document"], *also}]
    facts = [(one,) if isinstance(one, str) else tuple(one) for one in row.get("facts") or ()]
    quotes = [(one["document"], one["quote"]) for one in row.get("evidences") or ()]
    if not quotes and row.get("evidence") and row.get("document"):
        quotes = [(row["document"], row["evidence"])]
    return Needed(
        row["id"],
        complete(row["question"], turns) if turns else row["question"],
        row.get("kind") or "",
        tuple(frozenset(group - {None}) for group in groups),
        tuple(facts),
        tuple(quotes),
    )


def squeezed(text: str) -> str:
    """A text as patterns of facts expect it: small letters, straight quotes, no marks of Markdown, single spaces."""
    return " ".join(unicodedata.normalize("NFKC", text).translate(_ALIKE).split()).lower()


def look(needed: Needed, hits: Sequence[Hit], spans: Sequence[tuple[str, Span]]) -> Seen:
    """What of `needed` these passages hold; `spans` are the places of its quotes, of those that are found."""
    shown = {path for hit in hits for path in (hit.chunk.document, *hit.also)}
    document = all(group & shown for group in needed.groups)
    held = [_held(hits, path, span) for path, span in spans]
    quote = all(held) if held else None
    if not needed.facts:
        return Seen(bool(quote) and document, document, quote)
    text = squeezed(
        "\n".join(hit.chunk.shown for hit in hits if {hit.chunk.document, *hit.also} & needed.right)
    )
    said = all(any(re.search(one, text) for one in fact) for fact in needed.facts)
    return Seen(said and document, document, quote)


def _held(hits: Sequence[Hit], path: str, span: Span) -> bool:
    """Whether the shown passages together cover half of a span of a document."""
    covered = sum(
        max(0, min(hit.chunk.end, span.end) - max(hit.chunk.start, span.start))
        for hit in hits
        if path in (hit.chunk.document, *hit.also)
    )
    return 2 * covered >= span.end - span.start


@contextmanager
def opened(options: argparse.Namespace, needed: Sequence[Needed]) -> Iterator[Project]:
    """The project to ask: `--library`, or a temporary one over the documents."""
    if options.library:
        with Project.open(options.library) as project:
            yield project
        return
    with tempfile.TemporaryDirectory() as scratch:
        documents = options.documents or options.data / "documents"
        Project.create(Path(scratch), documents.resolve()).close()
        if options.articles:
            names = tuple(sorted({path for one in needed for path in one.right}))
            set_key(Path(scratch) / FILE_NAME, "documents", "include", names)
        with Project.open(Path(scratch)) as project:
            project.ingest()
            yield project


def quoted_spans(project: Project, needed: Needed) -> list[tuple[str, Span]]:
    """Where the quotes of a question stand; one that is not found in its document word by word is left out."""
    spans = []
    for path, quote in needed.quotes:
        document = project.library.record.document(path)
        if document is not None and (start := document.text.find(quote)) >= 0:
            spans.append((path, Span(start, start + len(quote))))
    return spans


def slipped(question: str) -> str:
    """The question with one slip in a word of six letters or more, where it has one; always the same."""
    drawn = random.Random(question)
    words = list(re.finditer(r"[^\W\d_]{6,}", question))
    if not words:
        return question
    match = drawn.choice(words)
    word, at = match[0], drawn.randrange(1, len(match[0]) - 1)
    ways = (
        word[:at] + word[at + 1 :],
        word[:at] + word[at] + word[at:],
        word[:at] + word[at + 1] + word[at] + word[at + 2 :],
        word[:at] + drawn.choice("aeiourstnl") + word[at + 1 :],
    )
    return question[: match.start()] + drawn.choice(ways) + question[match.end() :]


def choose(options: argparse.Namespace) -> list[Needed]:
    """The answerable questions that name a document, of the last `--articles` documents, `--limit` drawn evenly."""
    rows = [row for _, row in read_rows(options.data / "questions.jsonl")]
    rows = [row for row in rows if row.get("answerable", True) and row.get("document")]
    rows = [row for row in rows if not options.splits or row.get("split") in options.splits]
    names = sorted({row["document"] for row in rows})[-(options.articles or 0) :]
    rows = [row for row in rows if row["document"] in names]
    drawn = [
        read_needed(row)
        for row in random.Random(0).sample(rows, min(options.limit or len(rows), len(rows)))
    ]
    return [replace(one, asked=slipped(one.asked)) for one in drawn] if options.typos else drawn


def measure(
    project: Project, questions: Sequence[Needed], depths: Sequence[int], *, show: bool
) -> dict[str, Any]:
    """Shares by depth and kind, characters shown, seconds a search."""
    shares: dict[str, list[float]] = defaultdict(list)
    kinds: dict[str, list[float]] = defaultdict(list)
    lengths: dict[int, list[int]] = defaultdict(list)
    wall, cpu = [], []
    project.retrieve("warm up")
    for needed in questions:
        started, used = time.perf_counter(), time.process_time()
        first = project.retrieve(needed.asked, depths[0])
        wall.append(time.perf_counter() - started)
        cpu.append(time.process_time() - used)
        spans = quoted_spans(project, needed)
        for depth in depths:
            hits = first if depth == depths[0] else project.retrieve(needed.asked, depth)
            seen = look(needed, hits, spans)
            for name in ("evidence", "document", "quote"):
                if (value := getattr(seen, name)) is not None:
                    shares[f"{name}@{depth}"].append(value)
            lengths[depth].append(sum(len(hit.chunk.shown) for hit in hits))
            if depth == depths[0]:
                kinds[needed.kind].append(seen.evidence)
            if show and depth == depths[0] and not seen.evidence:
                print(f"{needed.id} {needed.kind} {seen}: {needed.asked}", file=sys.stderr)
    return {
        "queries": len(questions),
        **{name: round(statistics.fmean(values), 4) for name, values in sorted(shares.items())},
        "kinds": {
            kind: [round(statistics.fmean(values), 3), len(values)]
            for kind, values in sorted(kinds.items())
        },
        "characters": {
            str(depth): round(statistics.median(values)) for depth, values in lengths.items()
        },
        "ms_p50": round(statistics.median(wall) * 1000, 1),
        "cpu_ms_p50": round(statistics.median(cpu) * 1000, 1),
    }


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--documents", type=Path, help="their folder (default: in --data)")
    parser.add_argument("--library", type=Path, help="a project over them that was ingested")
    parser.add_argument("--depths", default="", help="passages (default: k of [retrieval], 8, 20)")
    parser.add_argument("--limit", type=int, help="so many of the questions, drawn evenly")
    parser.add_argument("--articles", type=int, help="only the last so many documents")
    parser.add_argument("--splits", nargs="*", default=[], help="only these, like dev test")
    parser.add_argument("--typos", action="store_true", help="one slip in each question")
    parser.add_argument("--show", action="store_true", help="print misses to stderr")
    options = parser.parse_args()
    questions = choose(options)
    with opened(options, questions) as project:
        chosen = project.settings.retrieval
        depths = [int(one) for one in options.depths.split(",") if one] or [chosen.k, 8, 20]
        result = measure(project, questions, depths, show=options.show)
        chunks = len(project.library.record.keys())
    emit(
        {
            "benchmark": "evidence",
            "data": options.data.name,
            "typos": options.typos,
            "retrieval": {
                name: value
                for name, value in chosen.model_dump().items()
                if value != type(chosen).model_fields[name].default
            },
            "chunks": chunks,
            **result,
            "machine": machine(),
        }
    )


if __name__ == "__main__":
    main()
