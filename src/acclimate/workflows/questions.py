"""A project's question set: made from its documents, taken over from elsewhere, split, checked for
leaks."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

from acclimate.errors import ProjectError, SettingsError
from acclimate.evaluation.comparison import last_comparison
from acclimate.evaluation.power import Difficulty, Power, difficulties, power
from acclimate.files import jsonlines
from acclimate.prompting.replies import ask
from acclimate.questions.candidates import Candidate
from acclimate.questions.coverage import Coverage, coverage
from acclimate.questions.file import QuestionRow, read_questions, to_question
from acclimate.questions.filters import CandidateFilter
from acclimate.questions.generate import Made, Material, make
from acclimate.questions.imports import Rules, read_foreign
from acclimate.questions.splitting import SPLITS, Leak, leaks, near_duplicates, split
from acclimate.questions.tables import table_facts
from acclimate.questions.writer import KINDS, EngineWriter, QuestionKind, TrainedWriter, Writer
from acclimate.types import Chunk, Generation, Hit, Message, Question
from acclimate.workflows.saved_texts import digest, save_text
from acclimate.workspace.answerer import open_answerer
from acclimate.workspace.engine import shipped_adapter
from acclimate.workspace.workspace import Workspace, alone

SHARES = {"train": 50.0, "dev": 15.0, "test": 35.0}
# Of a made set: mostly facts, enough of the rest to say something of each.
_MIX: dict[QuestionKind, float] = {
    "single-fact": 0.5,
    "table": 0.2,
    "two-document": 0.1,
    "unanswerable": 0.2,
}
LEARNT = "learnt.jsonl"
"""In an adapter's folder: the questions that it was trained on."""
# Looked at for new questions; a larger library is sampled, whole documents at a time.
_MOST_CHUNKS = 5000


def _model_writer(workspace: Workspace) -> Writer:
    """The model with the adapter that ships for it; any other model as it is."""
    trained = shipped_adapter(workspace.settings.model, "writer")
    engine = workspace.engine("zero-shot") if trained is None else workspace.engine_with(trained)

    def write(messages: Sequence[Message], most: int) -> str:
        return ask(engine, messages, Generation(max_tokens=most)).text

    kind = EngineWriter if trained is None else TrainedWriter
    return kind(engine.name, write)


WRITERS: dict[str, Callable[[Workspace], Writer | None]] = {
    "model": _model_writer,
    "rules": lambda _: None,
}
"""Question writers by the name that `acclimate questions make --writer` takes, the default
first."""


def mix(count: int, kinds: Sequence[QuestionKind] = KINDS) -> dict[QuestionKind, int]:
    """How many questions of each kind make `count`; what rounding leaves goes to the first."""
    total = sum(_MIX[kind] for kind in kinds)
    wanted = {kind: int(count * _MIX[kind] / total) for kind in kinds}
    wanted[kinds[0]] += count - sum(wanted.values())
    return wanted


def make_questions(
    workspace: Workspace,
    wanted: Mapping[QuestionKind, int],
    writer: str,
    *,
    checked: bool = True,
    progress: Callable[[QuestionRow], None] | None = None,
) -> Made:
    """Make questions from the library's documents and add them to the set one by one; `progress` is
    called for each.

    Without `checked` no reader is asked whether it finds the answer. Raises ProjectError before the
    first ingest, and SettingsError for a writer that is not known.
    """
    if writer not in WRITERS:
        raise SettingsError(
            f"there is no question writer '{writer}'.", hint=f"Writers: {', '.join(WRITERS)}."
        )
    retriever, file = workspace.retriever(), workspace.question_file
    asked = [to_question(row) for row in file.rows()]
    check = CandidateFilter(
        workspace.embedder.embed_queries,
        retriever.retrieve,
        partial(_read, workspace) if checked else None,
    )
    for question in asked:
        check.remember(question.question, question.answers)

    def keep(candidate: Candidate) -> None:
        row = _row(workspace, candidate)
        file.append([row])
        if progress is not None:
            progress(row)

    return make(
        material(workspace, asked),
        wanted,
        WRITERS[writer](workspace),
        retriever.retrieve,
        check,
        keep,
    )


@dataclass(frozen=True, slots=True)
class Imported:
    """Questions that were added, how their file was understood (in lines), and how many the set had
    before."""

    rows: list[QuestionRow]
    summary: tuple[str, ...]
    known: int


def import_questions(workspace: Workspace, path: Path, rules: Rules | None = None) -> Imported:
    """Add the questions in a file or folder to the set; those that it has already are passed over.

    Texts that come with them (SQuAD, BEIR) become documents, below the documents folder in one
    named after `path`.
    """
    file = workspace.question_file
    held = file.rows()
    foreign = read_foreign(path, partial(save_text, workspace, path.stem), rules)
    known = {_words(row) for row in held}
    fresh = [row for row in foreign.rows if _words(row) not in known]
    ids = {str(row["id"]) for row in held}
    for number, row in enumerate(fresh):
        name = str(row.get("id") or f"{path.stem}-{number + 1}")
        row["id"] = name if name not in ids else f"{name}-{digest(row['question'])}"
        ids.add(row["id"])
        row["source"] = {"file": path.name}
    file.append(fresh)
    return Imported(fresh, foreign.summary, len(foreign.rows) - len(fresh))


def _words(row: QuestionRow) -> str:
    return f"{row.get('turns') or ''}{row['question']}".casefold()


def add_question(
    workspace: Workspace,
    text: str,
    answers: Sequence[str],
    document: str | None,
    evidence: str | None,
) -> QuestionRow:
    """Add a typed question. Raises SettingsError where the document is not in the library, or does
    not hold the evidence."""
    if document is not None:
        found = workspace.library.record.document(document) if workspace.ingested else None
        if found is None:
            raise SettingsError(
                f"there is no document '{document}'.", hint="Give its path in the documents folder."
            )
        if evidence is not None and evidence not in found.text:
            raise SettingsError(f"'{evidence}' is not in {document}.", hint="Copy it exactly.")
    kind = "single-fact" if answers else "unanswerable"
    row: QuestionRow = {
        "id": f"typed-{digest(text)}",
        "question": text,
        "answers": list(answers),
        "document": document,
    }
    row |= {"evidence": evidence, "answerable": bool(answers), "kind": kind, "status": "accepted"}
    row["added"] = datetime.now(UTC).date().isoformat()
    if any(held["id"] == row["id"] for held in workspace.question_file.rows()):
        raise SettingsError(
            "this question is in the set already.", hint="acclimate questions review"
        )
    workspace.question_file.append([row])
    return row


def split_questions(
    workspace: Workspace, shares: Mapping[str, float], *, again: bool = False
) -> list[Question]:
    """Give every question a split, whole documents to one side; see
    `acclimate.questions.splitting.split`."""
    done: list[Question] = []

    def place(rows: list[QuestionRow]) -> list[QuestionRow]:
        done.extend(split([to_question(row) for row in rows], shares, again=again))
        return [row | {"split": question.split} for row, question in zip(rows, done, strict=True)]

    workspace.question_file.change(place)
    return done


def find_leaks(
    workspace: Workspace,
    asked: Sequence[Question],
    adapters: Sequence[Path] = (),
    *,
    train: bool = True,
) -> list[Leak]:
    """What `asked` tells of the questions that recipes learn from: the train split (unless not
    `train`), and what `adapters` were trained on, if they say so."""
    questions = workspace.single_questions()
    taught = [question for question in questions if question.split == "train"] if train else []
    asked = [alone(question) for question in asked]
    for folder in adapters:
        if (file := folder / LEARNT).is_file():
            taught += read_questions(file)
    if not taught:
        return []
    learnt = {question.question: question for question in taught}
    return leaks(list(learnt.values()), asked, workspace.embedder.embed_queries)


def write_learnt(folder: Path, questions: Sequence[Question]) -> None:
    """Note in an adapter's folder what it was trained on, so that a later comparison can tell."""
    keys = ("id", "question", "answers", "document", "documents", "answerable", "split")
    jsonlines.write(
        folder / LEARNT,
        ({name: getattr(question, name) for name in keys} for question in questions),
    )


def project_coverage(workspace: Workspace) -> Coverage:
    """Which documents and sections of the library the questions ask about."""
    if not workspace.ingested:
        raise ProjectError(
            f"{workspace.folder} has not been ingested yet.", hint="acclimate ingest"
        )
    record = workspace.library.record
    return coverage(record.chunks(record.keys()), workspace.questions())


@dataclass(frozen=True, slots=True)
class Trust:
    """What a question set is worth: what each split can tell (by its name), how hard its questions
    were in the last comparison (None: nothing was compared), and which ask the same."""

    power: Mapping[str, Power]
    difficulty: list[Difficulty] | None
    duplicates: list[Leak]


def trust(workspace: Workspace) -> Trust:
    """What the project's questions can tell, before they are asked."""
    questions = workspace.questions()
    last = last_comparison(workspace.layout.comparisons)
    splits = [side for side in ("dev", "test") if any(one.split == side for one in questions)]
    return Trust(
        {side: power([one for one in questions if one.split == side], last) for side in splits},
        None if last is None else difficulties(last),
        near_duplicates(questions, workspace.embedder.embed_queries) if questions else [],
    )


def tally(questions: Sequence[Question]) -> dict[str, Counter[str]]:
    """Numbers of questions by split, then kind; splits in their order, questions without one
    last."""
    order = (*SPLITS, "")
    counts: dict[str, Counter[str]] = defaultdict(Counter)
    for question in sorted(
        questions, key=lambda one: order.index(one.split) if one.split in order else len(order)
    ):
        counts[question.split][question.kind or "other"] += 1
    return dict(counts)


def material(
    workspace: Workspace, asked: Sequence[Question], *, most: int | None = _MOST_CHUNKS
) -> Material:
    """What questions can be made from: the library's chunks with the cells of their tables, of
    whole documents until there are `most` chunks (None: of all)."""
    record = workspace.library.record
    by_document: dict[str, list[Chunk]] = {}
    count, paths = 0, sorted(record.files(), key=digest)
    for path in paths:
        by_document[path] = record.chunks(record.keys_of([path]))
        count += len(by_document[path])
        if most is not None and count >= most:
            break
    facts = []
    for path, some in by_document.items():
        document = record.document(path)
        facts += table_facts(document, some) if document else []
    return Material([chunk for some in by_document.values() for chunk in some], facts, asked)


def _read(workspace: Workspace, question: str, chunk: Chunk) -> str:
    answerer = replace(open_answerer(workspace, "rag", style="short"), retriever=_Only(chunk), k=1)
    answer = answerer.answer(question)
    return "" if answer.abstained else answer.text


class _Only:
    """A retriever that always finds the same."""

    def __init__(self, chunk: Chunk) -> None:
        self._hits = [Hit(chunk, 1.0, 1)]

    def retrieve(self, query: str, k: int) -> list[Hit]:
        """See `Retriever`."""
        return self._hits[:k]


def _row(workspace: Workspace, candidate: Candidate) -> QuestionRow:
    first, span = candidate.chunks[0], candidate.evidence
    evidence = None
    if span is not None:
        document = workspace.library.record.document(first.document)
        evidence = document.text[span.start : span.end] if document else None
    places = [
        {"document": c.document, "start": c.start, "end": c.end, "page": c.page}
        for c in candidate.chunks
    ]
    if span is not None:
        places[0] |= {"start": span.start, "end": span.end, "page": first.page_at(span.start)}
    row: dict[str, Any] = {
        "id": f"made-{digest(candidate.question)}",
        "question": candidate.question,
        "answers": [candidate.answer] if candidate.answer else [],
        "document": first.document,
        "evidence": evidence,
        "answerable": bool(candidate.answer),
        "kind": candidate.kind,
        "split": "",
        "status": "",
        "source": {"writer": candidate.writer, "places": places},
    }
    return row | ({"documents": list(candidate.documents)} if len(candidate.documents) > 1 else {})
