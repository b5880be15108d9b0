"""Question sets that bring their own texts: SQuAD 1.1 and 2.0, BEIR, LlamaIndex's pairs."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from acclimate.errors import SettingsError
from acclimate.files import jsonlines
from acclimate.questions.candidates import locate, sentence_around
from acclimate.questions.file import QuestionRow
from acclimate.types import Span

SaveDocument = Callable[[str, str], str]
"""Given a name and a text, writes a document and gives its path below the documents folder."""


def read_squad(
    data: Mapping[str, Any], place: str, save: SaveDocument | None
) -> Iterator[QuestionRow]:
    """SQuAD 1.1 and 2.0: an article is a document, the sentence around the answer its evidence.

    Raises SettingsError naming the article and the question that is none. Source: Rajpurkar et al.,
    arXiv 1606.05250 and 1806.03822.
    """
    for number, article in enumerate(data["data"], start=1):
        where = f"{place}, article {number}"
        try:
            paragraphs = article["paragraphs"]
            title = str(article.get("title") or f"article-{number}")
            text = "\n\n".join(one["context"] for one in paragraphs)
        except (KeyError, TypeError, AttributeError) as error:
            raise _unreadable(where, error) from error
        document = save(title, text) if save else None
        for paragraph in paragraphs:
            for count, asked in enumerate(paragraph.get("qas", []), start=1):
                try:
                    yield _squad_row(asked, paragraph["context"]) | {"document": document}
                except (ValueError, KeyError, TypeError, AttributeError, IndexError) as error:
                    name = asked.get("id", count) if isinstance(asked, Mapping) else count
                    raise _unreadable(f"{where} ('{title}'), question {name}", error) from error


def _squad_row(asked: Mapping[str, Any], context: str) -> QuestionRow:
    answers = list(dict.fromkeys(answer["text"] for answer in asked["answers"]))
    answerable = not asked.get("is_impossible", False)
    row: QuestionRow = {
        "id": asked["id"],
        "question": asked["question"].strip(),
        "answers": answers if answerable else [],
    }
    if answerable:
        start = int(asked["answers"][0]["answer_start"])
        if not context.startswith(
            answers[0], start
        ):  # counted in bytes, or before a change of the text
            places = [match.start() for match in re.finditer(re.escape(answers[0]), context)]
            if not places:
                raise ValueError(f"the answer '{answers[0]}' is not in its context")
            start = min(places, key=lambda place: abs(place - start))
        place = sentence_around(context, Span(start, start + len(answers[0])))
        row["evidence"] = context[place.start : place.end]
    return row | {"answerable": answerable, "kind": "single-fact" if answerable else "unanswerable"}


def _unreadable(place: str, error: Exception) -> SettingsError:
    reason = f"the key {error} is missing" if isinstance(error, KeyError) else str(error)
    return SettingsError(
        f"{place}: {reason}.", hint="Write it as SQuAD does, or give columns question and answer."
    )


def read_beir(folder: Path, save: SaveDocument | None) -> Iterator[QuestionRow]:
    """A BEIR folder: each query with the relevant documents of `qrels/test.tsv`.

    It has no answers, so its questions measure retrieval; the document's text is the answer. Raises
    SettingsError with file and line for what is none. Source: Thakur et al., arXiv 2104.08663.
    """
    relevant: dict[str, list[str]] = defaultdict(list)
    judged = folder / "qrels" / "test.tsv"
    for line in list(jsonlines.lines(jsonlines.read_text(judged)))[1:]:
        try:
            query, document, grade = line.text.split("\t")[:3]
            if int(grade) > 0:
                relevant[query].append(document)
        except ValueError as error:
            raise SettingsError(
                f"{judged}, line {line.number}: {error}.", hint="Query, document, grade."
            ) from error
    texts = {str(row["_id"]): row for row in _rows(folder / "corpus.jsonl")}
    paths = {}
    if save:
        paths = {
            name: save(name, f"# {row.get('title') or name}\n\n{row['text']}\n")
            for name, row in texts.items()
        }
    for row in _rows(folder / "queries.jsonl"):
        if wanted := [name for name in relevant.get(str(row["_id"]), []) if name in texts]:
            first = str(texts[wanted[0]]["text"])
            found = [paths[name] for name in wanted if name in paths]
            yield _retrieval(str(row["_id"]), row["text"], first, found) | {"split": "test"}


def read_pairs(
    data: Mapping[str, Any], place: str, save: SaveDocument | None
) -> Iterator[QuestionRow]:
    """LlamaIndex's EmbeddingQAFinetuneDataset: `queries` and `corpus`, id → text, and
    `relevant_docs`, query → ids.

    It has no answers: the relevant text is the answer. Raises SettingsError naming the query whose
    text is missing.
    """
    queries, corpus, relevant = (data[name] for name in ("queries", "corpus", "relevant_docs"))
    if not all(isinstance(one, Mapping) for one in (queries, corpus, relevant)):
        raise SettingsError(f"{place}: queries, corpus and relevant_docs must be objects.")
    paths = {name: save(name, f"{text}\n") for name, text in corpus.items()} if save else {}
    for name, question in queries.items():
        wanted = relevant.get(name, [])
        if lost := [one for one in wanted if one not in corpus]:
            raise SettingsError(
                f"{place}, query {name}: its text {lost[0]} is not in the corpus.",
                hint="Save the set anew: dataset.save_json(…).",
            )
        if wanted:
            found = [paths[one] for one in wanted if one in paths]
            yield _retrieval(name, question, str(corpus[wanted[0]]), found)


def _retrieval(name: str, question: str, text: str, paths: list[str]) -> QuestionRow:
    """A question that has no answer but the relevant text; `paths` are its documents, the first
    one's text is `text`."""
    found = locate(text[:200], text)
    return {
        "id": name,
        "question": question,
        "answers": [text],
        "document": paths[0] if paths else None,
        "documents": paths,
        "evidence": text[found.start : found.end] if found else text[:200].strip(),
        "answerable": True,
        "kind": "retrieval",
    }


def _rows(file: Path) -> Iterator[dict[str, Any]]:
    if not file.exists():
        raise SettingsError(
            f"there is no {file}.", hint="BEIR: corpus.jsonl, queries.jsonl, qrels/test.tsv."
        )
    for number, row in jsonlines.read_rows(file):
        if not isinstance(row, dict) or not {"_id", "text"} <= row.keys():
            raise SettingsError(f"{file}, line {number}: no object with '_id' and 'text'.")
        yield row
