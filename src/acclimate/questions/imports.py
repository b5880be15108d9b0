"""Question sets that others made: CSV, JSON Lines, SQuAD 1.1 and 2.0, BEIR."""

from __future__ import annotations

import csv
import json
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from acclimate.errors import SettingsError
from acclimate.questions.candidates import locate, sentence_around
from acclimate.questions.file import Row
from acclimate.types import Span

# Columns as people call them.
_NAMES = {
    "question": ("question", "query", "q", "prompt"),
    "answers": ("answers", "answer", "a", "reference", "expected", "ground_truth"),
    "document": ("document", "file", "source", "path"),
    "evidence": ("evidence", "quote", "context"),
    "id": ("id", "question_id", "qid"),
    "kind": ("kind", "type", "category"),
    "split": ("split", "set"),
}
_SEPARATOR = "|"  # between several answers in one cell

SaveDocument = Callable[[str, str], str]
"""Given a name and a text, writes a document and gives its path below the documents folder."""


def read_foreign(path: Path, save: SaveDocument | None = None) -> list[Row]:
    """The questions in a file or folder, as rows of `questions.jsonl`; the form is told by the content.

    SQuAD and BEIR bring texts of their own, which go to `save`; without it their questions name no document. Raises
    SettingsError where the form is not known, or a question or its answer is missing.
    """
    try:
        rows = list(_read(path, save))
    except UnicodeDecodeError as error:
        raise SettingsError(f"{path} is not UTF-8 text.", hint="Save it as UTF-8 and import it again.") from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        reason = f"the key {error} is missing" if isinstance(error, KeyError) else str(error)
        raise SettingsError(
            f"{path} cannot be read as questions: {reason}.",
            hint="Known: CSV with a column 'question', JSON Lines, SQuAD JSON, a BEIR folder.",
        ) from error
    if not rows:
        raise SettingsError(f"{path} holds no questions.")
    return rows


def _read(path: Path, save: SaveDocument | None) -> Iterator[Row]:
    if path.is_dir():
        yield from _beir(path, save)
    elif path.suffix.lower() in (".csv", ".tsv"):
        yield from _csv(path)
    else:
        text = path.read_text(encoding="utf-8-sig")
        value = json.loads(text) if path.suffix.lower() == ".json" else list(map(json.loads, _full(text.splitlines())))
        if isinstance(value, dict):
            yield from _squad(value, save)
        else:
            for number, row in enumerate(value, 1):
                yield _row(row, f"{path}, question {number}")


def _csv(path: Path) -> Iterator[Row]:
    with path.open(encoding="utf-8-sig", newline="") as opened:
        head = opened.readline()
        opened.seek(0)
        delimiter = max("\t;,", key=head.count)  # a comma where none is there: one column
        for number, row in enumerate(csv.DictReader(opened, delimiter=delimiter), start=2):
            yield _row({name: value for name, value in row.items() if name and value}, f"{path}, line {number}")


def _row(values: Mapping[str, Any], place: str) -> Row:
    """A row from whatever its keys are called. Raises SettingsError where there is no question, or no answer to one
    that should have it."""
    known = {str(name).strip().casefold().replace(" ", "_"): value for name, value in values.items()}
    row: Row = {}
    for name, others in _NAMES.items():
        if (value := next((known[other] for other in others if other in known), None)) not in (None, ""):
            row[name] = value
    answerable = str(known.get("answerable", not known.get("is_impossible", False))).strip().casefold()
    row["answerable"] = answerable not in ("false", "0", "no")
    if not str(row.get("question", "")).strip():
        raise SettingsError(f"{place}: there is no question.", hint="Name a column 'question'.")
    answers = row.get("answers", [])
    if isinstance(answers, Mapping):  # as SQuAD's rows in JSON Lines
        answers = answers.get("text", [])
    row["answers"] = (
        [answer.strip() for answer in answers.split(_SEPARATOR)]
        if isinstance(answers, str)
        else [str(answer) for answer in answers]
    )
    if not row["answers"] and row["answerable"]:
        raise SettingsError(f"{place}: there is no answer.", hint="Give one, or a column 'answerable' with 'no'.")
    return row if row["answerable"] else row | {"answers": []}


def _squad(data: Mapping[str, Any], save: SaveDocument | None) -> Iterator[Row]:
    """SQuAD 1.1 and 2.0: an article is a document, the sentence around the answer its evidence.

    Source: Rajpurkar et al., arXiv 1606.05250 and 1806.03822.
    """
    for article in data["data"]:
        paragraphs = article["paragraphs"]
        document = save(article["title"], "\n\n".join(one["context"] for one in paragraphs)) if save else None
        for paragraph in paragraphs:
            context = paragraph["context"]
            for asked in paragraph["qas"]:
                answers = list(dict.fromkeys(answer["text"] for answer in asked["answers"]))
                answerable = not asked.get("is_impossible", False)
                row: Row = {"id": asked["id"], "question": asked["question"].strip(), "answers": answers}
                if answerable:
                    start = int(asked["answers"][0]["answer_start"])
                    place = sentence_around(context, Span(start, start + len(answers[0])))
                    row["evidence"] = context[place.start : place.end]
                kind = "single-fact" if answerable else "unanswerable"
                yield row | {"document": document, "answerable": answerable, "kind": kind}


def _beir(folder: Path, save: SaveDocument | None) -> Iterator[Row]:
    """A BEIR folder: each query with the relevant documents of `qrels/test.tsv`.

    It has no answers, so its questions measure retrieval; the document's text is the answer. Source: Thakur et al.,
    arXiv 2104.08663.
    """
    relevant: dict[str, list[str]] = defaultdict(list)
    for line in (folder / "qrels" / "test.tsv").read_text(encoding="utf-8").splitlines()[1:]:
        query, document, grade = line.split("\t")[:3]
        if int(grade) > 0:
            relevant[query].append(document)
    texts = {str(row["_id"]): row for row in _lines(folder / "corpus.jsonl")}
    paths = {}
    if save:
        paths = {name: save(name, f"# {row.get('title') or name}\n\n{row['text']}\n") for name, row in texts.items()}
    for row in _lines(folder / "queries.jsonl"):
        if wanted := [name for name in relevant.get(str(row["_id"]), []) if name in texts]:
            first = str(texts[wanted[0]]["text"])
            found = locate(first[:200], first)
            yield {
                "id": str(row["_id"]),
                "question": row["text"],
                "answers": [first],
                "document": paths.get(wanted[0]),
                "documents": [paths[name] for name in wanted if name in paths],
                "evidence": first[found.start : found.end] if found else first[:200].strip(),
                "answerable": True,
                "kind": "retrieval",
                "split": "test",
            }


def _full(lines: Iterable[str]) -> Iterator[str]:
    return (line for line in lines if line.strip())


def _lines(file: Path) -> Iterator[dict[str, Any]]:
    with file.open(encoding="utf-8") as opened:
        yield from map(json.loads, _full(opened))
