"""From a thumb to a test question: what is said of answers, reviewed, and what it becomes."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path
from typing import Literal

from acclimate.errors import SettingsError
from acclimate.evaluation.judge import Label, add_label, read_labels
from acclimate.files import jsonlines
from acclimate.prompting.recipes import find_recipe
from acclimate.questions.feedback import MOST_TEXT, Feedback, Given, Place
from acclimate.questions.file import QuestionRow, to_question
from acclimate.questions.proposals import (
    Messages,
    answers_of,
    evidence_of,
    is_answerable,
    labelled_answers,
    preference_pairs,
)
from acclimate.questions.splitting import SPLITS
from acclimate.text.locating import find_words
from acclimate.types import Chunk, Hit, Span
from acclimate.workspace.answerer import open_answerer
from acclimate.workspace.workspace import Workspace

PairForm = Literal["preference", "label"]
TEST = "test"
_TRAIN = "train"


@dataclass(frozen=True, slots=True)
class Proposal:
    """Feedback, and the question that it would become. `known` is the id of a question of the same
    words that the set has already: accepted, it gets the answers too. `splits` are those that it may
    go to, the proposed one first: one where its document's other questions are, or where it is
    known."""

    feedback: Feedback
    answers: tuple[str, ...]
    answerable: bool
    document: str | None
    evidence: str | None
    split: str
    known: str | None
    splits: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Reviewed:
    """Feedback as it was reviewed, and the question that it became (None: rejected)."""

    feedback: Feedback
    question: QuestionRow | None


@dataclass(frozen=True, slots=True)
class PairsWritten:
    """Rows that were written to a file of pairs; how many accepted ones say nothing there, or have
    passages that the documents do not hold any more; and how many are `asked`: their questions
    choose or judge, so nothing may learn them."""

    rows: int
    left_out: int
    asked: int = 0


def give_feedback(
    workspace: Workspace,
    given: Given,
    *,
    right: bool,
    correction: str = "",
    unanswerable: bool = False,
    by: str = "",
    name: str = "",
) -> Feedback:
    """Keep what somebody says of an answer; `name` stands for the answer, so that a second word on
    it takes the first one's place. Raises SettingsError for words that contradict each other."""
    if right and (correction.strip() or unanswerable):
        raise SettingsError(
            "an answer that is right needs no correction.", hint="Say that it is wrong."
        )
    if correction.strip() and unanswerable:
        raise SettingsError(
            "there is a correction, and the documents are said not to hold the answer.",
            hint="Give one of them.",
        )
    if len(correction) > MOST_TEXT:
        raise SettingsError(f"the correction is longer than {MOST_TEXT:,} characters.")
    about = repr((name, by) if name else (given.question, given.turns, given.text, by))
    row = Feedback(
        hashlib.sha256(about.encode(errors="surrogatepass")).hexdigest()[:16],
        given,
        right,
        correction.strip(),
        unanswerable,
        by,
        datetime.now(UTC).isoformat(timespec="seconds"),
    )
    workspace.feedback_file.put(row)
    return row


def propose(workspace: Workspace, rows: Sequence[Feedback]) -> list[Proposal]:
    """What each row would become."""
    held = workspace.question_file.rows()
    known = {_words(row): row for row in held}
    splits = _splits(held)

    @lru_cache(64)
    def text(path: str) -> str | None:
        if not workspace.layout.ingested:
            return None
        document = workspace.library.record.document(path)
        return document.text if document else None

    found = []
    for row in rows:
        answers = answers_of(row)
        document, evidence = evidence_of(row, answers, text)
        twin = known.get(_words(_as_row(row.given)))
        held_by = splits.get(document or "") if twin is None else str(twin.get("split") or TEST)
        found.append(
            Proposal(
                row,
                answers,
                is_answerable(row),
                document,
                evidence,
                splits.get(document or "", TEST),
                None if twin is None else str(twin["id"]),
                (held_by,) if held_by else (TEST, *(one for one in SPLITS if one != TEST)),
            )
        )
    return found


def review_feedback(
    workspace: Workspace,
    name: str,
    *,
    accepted: bool,
    question: str | None = None,
    answers: Sequence[str] | None = None,
    answerable: bool | None = None,
    split: str | None = None,
) -> Reviewed:
    """Accept feedback, as it is proposed or edited, or reject it.

    Accepted, it becomes a question of the set and a label of the answer that was given; a question
    of the same words gets the answers instead. It goes to the side of its document's questions;
    where there are none, to `split`, or to test. Raises SettingsError for an answerable question
    without an answer, and for a `split` that it may not go to.
    """
    (proposal,) = propose(workspace, [workspace.feedback_file.find(name)])
    row = proposal.feedback
    if not accepted:
        done = replace(row, status="rejected")
        workspace.feedback_file.put(done)
        return Reviewed(done, None)
    if split is not None:
        proposal = _sided(proposal, split)
    can = proposal.answerable if answerable is None else answerable
    said = tuple(proposal.answers if answers is None else answers) if can else ()
    if can and not any(map(str.strip, said)):
        raise SettingsError(
            "an answerable question needs an answer.",
            hint="Write what is right, or say that the documents do not hold it.",
        )
    kept = _keep_question(workspace, proposal, question or row.given.question, said)
    label = Label(str(kept["id"]), row.given.text, row.right)
    if row.given.text and label not in read_labels(workspace.layout.labels):
        add_label(workspace.layout.labels, label)
    done = replace(row, status="accepted", became=str(kept["id"]))
    if not row.right:
        done = replace(done, correction="\n".join(said), unanswerable=not can)
    workspace.feedback_file.put(done)
    return Reviewed(done, kept)


def write_pairs(workspace: Workspace, file: Path, form: PairForm) -> PairsWritten:
    """Write accepted feedback as TRL reads it, each row with the prompt that a reader would be
    shown: "preference" pairs or answers with a "label". Rows whose questions are of dev or test are
    left out: a comparison asks them.

    Raises SettingsError where nothing can be written.
    """
    accepted = [row for row in workspace.feedback_file.rows() if row.status == "accepted"]
    splits = {str(row["id"]): row.get("split") for row in workspace.question_file.rows()}
    rows = [row for row in accepted if splits.get(row.became) in (_TRAIN, None, "")]
    asked = len(accepted) - len(rows)
    make = preference_pairs if form == "preference" else labelled_answers
    pairs = make(rows, _Shown(workspace))
    if not pairs:
        told = f"; {asked} of them are asked by comparisons" if asked else ""
        raise SettingsError(
            f"none of {len(accepted)} accepted rows of feedback makes a pair{told}.",
            hint="A pair needs a wrong answer, what is right, and a question of the split train: "
            "acclimate feedback review",
        )
    jsonlines.write(file, pairs)
    prompts = {repr(pair["prompt"]) for pair in pairs}
    return PairsWritten(len(pairs), len(rows) - len(prompts), asked)


def _sided(proposal: Proposal, split: str) -> Proposal:
    """The proposal on a side that was chosen for it."""
    if split in proposal.splits:
        return replace(proposal, split=split)
    if split not in SPLITS:
        raise SettingsError(f"there is no split '{split}'.", hint=f"Splits: {', '.join(SPLITS)}.")
    why = (
        f"the set asks it already ({proposal.known})"
        if proposal.known
        else f"the other questions about {proposal.document} are there"
    )
    raise SettingsError(
        f"the question stays in {proposal.splits[0]}: {why}.",
        hint="Nothing may be asked that was learnt. acclimate questions split",
    )


class _Shown:
    """What a reader is shown for the question of a row, from the passages of then."""

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace

    def prompt(self, row: Feedback) -> Messages | None:
        """See `Shown`."""
        passages = [self._chunk(place) for place in row.given.passages]
        chunks = [one for one in passages if one is not None]
        if len(chunks) < len(passages):
            return None
        recipe = find_recipe(row.given.recipe)
        answerer = open_answerer(self._workspace, "rag" if recipe.extracts else recipe.name)
        turns = row.given.turns
        asked = row.given.question
        if turns and answerer.recipe.reads:
            asked = answerer.complete(asked, turns)
        hits = [Hit(chunk, 1.0, rank) for rank, chunk in enumerate(chunks, start=1)]
        prompt = answerer.prompt(asked, hits, turns)
        return [{"role": one.role, "content": one.content} for one in prompt.messages]

    def cite(self, row: Feedback, text: str) -> str:
        """See `Shown`."""
        for number, place in enumerate(row.given.passages, start=1):
            chunk = self._chunk(place)
            if chunk is not None and find_words(text, chunk.text) is not None:
                return f"{text} [{number}]"
        return text

    def _chunk(self, place: Place) -> Chunk | None:
        record = self._workspace.library.record
        document = record.document(place.document)
        if document is None or place.read(document.text) is None:
            return None
        for chunk in record.chunks(record.keys_of([place.document])):
            if chunk.start < place.end and place.start < chunk.end:
                same = (chunk.start, chunk.end) == (place.start, place.end)
                return chunk if same else record.cut(chunk, Span(place.start, place.end))
        return None


def _keep_question(
    workspace: Workspace, proposal: Proposal, text: str, answers: Sequence[str]
) -> QuestionRow:
    """Put the question into the set, or its answers to the one of the same words."""
    row = proposal.feedback
    made: QuestionRow = {
        **_as_row(row.given),
        "id": f"said-{row.id}",
        "question": text,
        "answers": list(answers),
        "document": proposal.document,
        "evidence": proposal.evidence if answers else None,
        "answerable": bool(answers),
        "kind": "single-fact" if answers else "unanswerable",
        "split": proposal.split,
        "status": "accepted",
        "added": row.created[:10],
        "source": {"feedback": row.id, "recipe": row.given.recipe},
    }
    if row.given.turns:
        made["kind"] = "follow-up"
    kept: list[QuestionRow] = []

    def place(rows: list[QuestionRow]) -> list[QuestionRow]:
        twin = next((one for one in rows if _words(one) == _words(made)), None)
        if twin is None:
            kept.append(made)
            return [*rows, made]
        known = list(answers) + [one for one in twin.get("answers") or () if answers]
        both = twin | {
            "answers": list(dict.fromkeys(known)),
            "answerable": bool(answers),
            "status": "accepted",
        }
        kept.append(both)
        return [both if one is twin else one for one in rows]

    workspace.question_file.change(place)
    return kept[-1]


def _as_row(given: Given) -> QuestionRow:
    turns = [asdict(turn) for turn in given.turns]
    return {"question": given.question, **({"turns": turns} if turns else {})}


def _words(row: Mapping[str, object]) -> str:
    asked = {"question": row["question"], "turns": row.get("turns")}
    return to_question({"id": "-", "answerable": False, **asked}).told.casefold()


def _splits(rows: Sequence[QuestionRow]) -> dict[str, str]:
    """The split of each document that questions are asked about."""
    found: dict[str, str] = {}
    for row in rows:
        for path in (row.get("document"), *(row.get("documents") or ())):
            if path and row.get("split"):
                found.setdefault(str(path), str(row["split"]))
    return found
