"""Answer a domain set's questions, beside LlamaIndex with the same model file through llama.cpp.

    python -m benchmarks.answering --data DOMAINSET [--recipe rag] [--limit N] [--split test] [--articles K] [--gold]
                                   [--style full] [--model NAME_OR_PATH ...] [--project FOLDER] [--peer llamaindex]

Where the questions have `facts`, their recall, what is wrong and whether a right document is cited are printed too, by
kind, and with several `--style` or `--model` a table of all of them last, on stderr. A set without `documents/` takes those
of the set beside it that its name begins with (handbook-natural: handbook). `--project` keeps the library there, and
uses it again.

The peer gets the same questions, the same GGUF file and the same number of passages of the same length; it retrieves
with the same embedder and prompts with LlamaIndex's own default template. `--gold` shows the evidence's chunk only.
"""

from __future__ import annotations

import argparse
import json
import random
import shutil
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from acclimate.evaluation.metrics import Score, score, summarise
from acclimate.models.fetch import resolve
from acclimate.project import Project
from acclimate.prompting.conversation import Turn
from acclimate.questions.file import read_questions
from acclimate.types import Answer, Hit, Question, Style
from acclimate.workspace.style import PASSAGES
from benchmarks.facts import Row, read_facts, score_facts, summarise_facts, table
from benchmarks.harness import PEERS, copy_documents, emit, machine, require_peers


class Gold:
    """A retriever that knows: the chunk that holds the question's evidence."""

    def __init__(self, project: Project, questions: Sequence[Question]) -> None:
        record = project.library.record
        self._found: dict[str, list[Hit]] = {}
        for chunk in record.chunks(record.keys()):
            for question in questions:
                if (
                    question.document == chunk.document
                    and question.evidence
                    and question.evidence in chunk.text
                ):
                    self._found.setdefault(question.question.strip(), [Hit(chunk, 1.0, 1)])

    def retrieve(self, query: str, k: int) -> list[Hit]:
        """See `Retriever`."""
        return self._found.get(query.strip(), [])


def choose(options: argparse.Namespace) -> list[Question]:
    """The questions to ask: of the split and documents wanted, as many as the limit, drawn evenly by a fixed seed."""
    questions = read_questions(options.data / "questions.jsonl")
    questions = [q for q in questions if not options.split or q.split == options.split]
    if options.articles:
        documents = sorted({q.document for q in questions if q.document})[-options.articles :]
        questions = [q for q in questions if q.document in documents]
    random.Random(0).shuffle(questions)
    return questions[: options.limit]


def evidence_span(project: Project, question: Question) -> tuple[int, int] | None:
    """Where the question's evidence stands in its document's text."""
    document = project.library.record.document(question.document) if question.document else None
    if (
        document is None
        or not question.evidence
        or (start := document.text.find(question.evidence)) < 0
    ):
        return None
    return start, start + len(question.evidence)


def ask(
    project: Project,
    questions: Sequence[Question],
    options: argparse.Namespace,
    style: Style | None,
    rows: Mapping[str, Row],
) -> tuple[list[Score], list[Answer]]:
    """Our answers and their scores."""
    answerer = project.answerer(options.recipe, style=style)
    if options.gold:
        answerer = replace(answerer, retriever=Gold(project, questions), k=1)
    scores, answers = [], []
    for question in questions:
        turns = [
            Turn(one["question"], one["answer"])
            for one in rows.get(question.id, {}).get("turns", [])
        ]
        answer = answerer.answer(question.question, turns=turns)
        scores.append(score(question, answer, evidence_span(project, question)))
        answers.append(answer)
    return scores, answers


def summary(
    scores: Sequence[Score], first: Sequence[float], total: Sequence[float]
) -> dict[str, Any]:
    """The keys of a summary, for one program. Seconds are medians."""
    means = {
        key: round(value, 4) if isinstance(value, float) else value
        for key, value in asdict(summarise(scores)).items()
        if key != "similarity"  # nothing is embedded here, so it would read 0
    }
    return {
        **means,
        "ttft_s": round(statistics.median(first), 3),
        "seconds_per_answer": round(statistics.median(total), 3),
    }


def ask_peer(
    project: Project, questions: Sequence[Question], documents: Path, k: int, tokens: int
) -> dict[str, Any]:
    """LlamaIndex's answers, scored like ours (it gives no citations and no fixed refusal)."""
    require_peers()
    embedder, model = (
        resolve("all-minilm-l6-v2", "embedder"),
        resolve("smollm2-135m-instruct", "language"),
    )
    script = str(Path(__file__).parent / "peers" / "llamaindex_answer.py")
    command = [
        str(PEERS),
        script,
        str(documents),
        str(embedder.folder),
        str(model.weights),
        str(k),
        str(tokens),
    ]
    asked = "".join(json.dumps(question.question) + "\n" for question in questions)
    done = subprocess.run(command, input=asked, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(done.stderr[-2000:])
    rows = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
    template = project.answer("x", recipe="zero-shot")
    scores = []
    for question, row in zip(questions, rows, strict=True):
        scores.append(
            score(
                question, replace(template, text=row["text"], abstained=False, citations=()), None
            )
        )
    result = summary(scores, [row["first_s"] for row in rows], [row["total_s"] for row in rows])
    return {"name": "llamaindex", **result}


def documents_of(data: Path) -> Path:
    """The domain set that holds a set's documents: itself, or the one beside it that its name begins with."""
    if (data / "documents").is_dir():
        return data
    names = sorted(
        (one for one in data.parent.iterdir() if (one / "documents").is_dir()),
        key=lambda one: -len(one.name),
    )
    found = next((one for one in names if data.name.startswith(one.name)), None)
    if found is None:
        sys.exit(
            f"{data} has no documents/, and neither has a set beside it that its name begins with."
        )
    return found


@contextmanager
def opened(options: argparse.Namespace, questions: Sequence[Question]) -> Iterator[Project]:
    """A project with the set's documents, ingested: in `--project` once for all runs, else in a folder of its own."""
    with tempfile.TemporaryDirectory() as scratch:
        folder = options.project or Path(scratch)
        if not (folder / "acclimate.toml").exists():
            folder.mkdir(parents=True, exist_ok=True)
            prepare(options, questions, folder)
            Project.create(folder, Path("documents")).close()
        with Project.open(folder) as project:
            project.ingest()
            yield project


def prepare(options: argparse.Namespace, questions: Sequence[Question], scratch: Path) -> None:
    """Put the documents there: all, or those that are asked about."""
    wanted = {question.document for question in questions} if options.articles else None
    data = documents_of(options.data)
    folder = data / "documents"
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    files = [
        path for path in files if wanted is None or path.relative_to(folder).as_posix() in wanted
    ]
    copy_documents(data, files, scratch)
    if options.split:  # few-shot recipes show questions of the train split
        shutil.copy(options.data / "questions.jsonl", scratch)


def run(
    project: Project,
    questions: Sequence[Question],
    options: argparse.Namespace,
    style: Style | None,
) -> dict[str, Any]:
    """One line of figures."""
    rows = read_facts(options.data / "questions.jsonl")
    scores, answers = ask(project, questions, options, style, rows)
    if options.show:
        for question, answer, mark in zip(questions, answers, scores, strict=True):
            print(
                f"{mark.f1:.2f} {question.question} | {answer.marked} | {question.answers[:1]}",
                file=sys.stderr,
            )
    timings = [answer.timings for answer in answers]
    result: dict[str, Any] = {
        "benchmark": "answering",
        "data": options.data.name,
        "recipe": options.recipe + ("+gold" if options.gold else ""),
        "style": style or project.settings.answer.style,
        "second_reader": project.settings.answer.second_reader,
    }
    result |= summary(scores, [t.first_token_s for t in timings], [t.total_s for t in timings])
    answerer = project.answerer(options.recipe, style=style)
    result |= {"model": answerer.engine.name, "k": answerer.k}
    if rows:
        facts = [
            score_facts(rows[one.id], answer)
            for one, answer in zip(questions, answers, strict=True)
        ]
        result |= {"facts": summarise_facts(facts)}
    return result


def with_model(project: Project, name: str | None) -> Project:
    """The same library read by another model."""
    if name is None:
        return project
    settings = project.settings
    model = settings.model.model_copy(update={"name": name})
    return project.sharing(settings.model_copy(update={"model": model}), share_models=False)


def parse() -> argparse.Namespace:
    """The options."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--recipe", default="rag")
    parser.add_argument("--style", nargs="*", default=[None], choices=["auto", "short", "full"])
    parser.add_argument(
        "--model", nargs="*", default=[None], help="catalogue names or paths of language models"
    )
    parser.add_argument(
        "--project", type=Path, help="keep the library in this folder, and use what is there"
    )
    parser.add_argument("--limit", type=int, default=200)
    parser.add_argument("--split", default="")
    parser.add_argument(
        "--articles",
        type=int,
        help="only questions about the last K documents, and only those in the library",
    )
    parser.add_argument("--gold", action="store_true")
    parser.add_argument("--peer", choices=["llamaindex"])
    parser.add_argument(
        "--show", action="store_true", help="print each question and answer to stderr"
    )
    return parser.parse_args()


def main() -> None:
    """Measure and print."""
    options = parse()
    questions = choose(options)
    lines: list[tuple[str, Mapping[str, Any]]] = []
    with opened(options, questions) as project:
        for name in options.model:
            reading = with_model(project, name)
            for style in options.style:
                result = run(reading, questions, options, style)
                if options.peer:
                    add_peer(result, project, questions)
                emit({**result, "machine": machine()})
                if "facts" in result:
                    lines.append((f"{result['model']}, {result['style']}", result["facts"]))
            if reading is not project:
                reading.keep_only(Path("none"))  # frees its models before the next one's
    if len(lines) > 1:
        print(table(lines), file=sys.stderr)


def add_peer(result: dict[str, Any], project: Project, questions: Sequence[Question]) -> None:
    """The peer's figures over the same documents and questions."""
    settings = project.settings
    k = settings.retrieval.k or PASSAGES["tiny"]
    peer = ask_peer(project, questions, project.documents, k, settings.chunking.max_tokens)
    result["peer"] = peer
    result["ratio"] = {
        key: round(peer[key] / result[key], 2)
        for key in ("ttft_s", "seconds_per_answer")
        if result[key]
    }


if __name__ == "__main__":
    main()
