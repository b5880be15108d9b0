"""Windows and limits of the extractor, chosen on the project's own dev questions.

Every dev question is asked twice: over the passages that are found for it, and over those that are
found without its document, which makes it a question that the documents do not answer. Refusing the
second kind counts as much as such questions are frequent. The limits are taken where the gain over
the present ones is more than luck.
"""

from __future__ import annotations

import hashlib
import itertools
import json
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from acclimate.answer import Answerer
from acclimate.embeddings.extractor import Marked
from acclimate.errors import SettingsError
from acclimate.evaluation.metrics import f1
from acclimate.evaluation.reliability import Bin, expected_error, reliability
from acclimate.evaluation.rows import cluster
from acclimate.evaluation.statistics import Difference, difference
from acclimate.files import jsonlines
from acclimate.prompting.citations import Resolved, resolve
from acclimate.prompting.passages import REFUSAL
from acclimate.prompting.recipes import find_recipe
from acclimate.types import Hit
from acclimate.workflows.optimise_prompt import SURE
from acclimate.workflows.stage import make_entry
from acclimate.workspace.answerer import open_answerer
from acclimate.workspace.extractor import ExtractiveReader, Limits, surest, write_limits
from acclimate.workspace.style import passages_for
from acclimate.workspace.workspace import Workspace

_CUTS = ((90,), (130,), (200,), (90, 130), (130, 200))
_DISCOUNTS = (0.6, 0.8, 0.9, 1.0)
_THRESHOLDS = (0.0, 0.01, 0.02, 0.05, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5)
_SURER = (1.0, 2.0, 3.0, 4.0, 5.0, 7.0, 10.0, 20.0)
_DOUBTS = (0.0, 0.01, 0.02, 0.05, 0.1, 0.2)
_ALONE = (0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.7, 1.0)
_LEAST_UNANSWERABLE = 1 / 7  # of the weight, where the set has fewer
_SEARCHED = 4  # times as many passages, so that enough are left without the document
_CORRECT = 0.5  # F1 from which an answer counts as right for the reliability

_FOLDS = 5

Progress = Callable[[int, int], None]
"""Called with the number of readings done and the total."""
Step = Callable[[], None]
Places = tuple[Marked | None, Marked | None]


@dataclass(frozen=True, slots=True)
class Asked:
    """A question over certain passages; `answers` is empty where they do not hold one, `weight`
    what it counts. `elsewhere`: over those outside its document."""

    id: str
    question: str
    answers: tuple[str, ...]
    hits: tuple[Hit, ...]
    group: Hashable
    weight: float
    elsewhere: bool = False

    @property
    def key(self) -> str:
        """Names the question over these passages."""
        return f"{self.id} elsewhere" if self.elsewhere else self.id

    def points(self, text: str | None) -> float:
        """F1 of an answer, 1 for a refusal (None) where that is right; times the weight."""
        if text is None:
            return self.weight * (not self.answers)
        return self.weight * f1(text, self.answers) if self.answers else 0.0


@dataclass(frozen=True, slots=True)
class Calibrated:
    """The limits that score best on dev, for the extractor `name`.

    `before` and `after` are mean scores (F1, 1 for a right refusal) under the present limits and,
    to be expected of new questions, those that are chosen; `gain` is their difference; `taken` says
    whether they were written, to `file`.
    `reliability` is of the places' confidence, `ece` its expected calibration error. `with_model`
    says whether the limits beside the language model were chosen, too.
    """

    name: str
    limits: Limits
    questions: int
    before: float
    after: float
    gain: Difference
    taken: bool
    file: Path | None
    reliability: tuple[Bin, ...]
    ece: float
    with_model: bool


def calibrate(
    workspace: Workspace, *, take: bool = False, on_progress: Progress | None = None
) -> Calibrated:
    """Choose windows and limits of `[answer] extractor` on the dev questions, and keep them in the
    project where that is measurably better, or `take` says so.

    Where the recipe `rag` has a second reader, the limits beside the model are chosen as well: the
    model is asked for each question, and what it said is kept, so that a stopped run goes on.
    Raises SettingsError where there are no dev questions with a document.
    """
    reader, name = workspace.extractor, workspace.settings.answer.extractor
    asked, answerer = _asked(workspace), open_answerer(workspace, "rag+short")
    now, beside = reader.limits, answerer.second_reader is not None
    cuts = list(dict.fromkeys((now.words, *_CUTS)))
    done, total = itertools.count(1), len(asked) * (len(cuts) + beside)

    def step() -> None:
        if on_progress is not None:
            on_progress(next(done), total)

    marks = {cut: _marks(reader.limited(replace(now, words=cut)), asked, step) for cut in cuts}
    table = {
        limits: _alone(asked, marks[limits.words], limits) for limits in _grid_alone(now, cuts)
    }
    chosen, scores = _choose(asked, table, now)
    if beside:
        said = _said(workspace, answerer, asked, step)
        table = {}
        for start in dict.fromkeys((now, chosen)):
            limited = reader.limited(start)
            places = [limited.places(one.question, one.hits, words) for one, words in said]
            for limits in _grid_beside(start):
                table[limits] = _beside(limited.limited(limits), said, places)
        chosen, scores = _choose(asked, table, now)
    gain = difference(scores, table[now], [one.group for one in asked])
    taken = chosen != now and gain.interval.mean > 0 and (take or gain.p < SURE)
    file = write_limits(chosen, name, workspace.layout, workspace.local_model) if taken else None
    bins = reliability(*_sureness(asked, marks[chosen.words], chosen))
    return Calibrated(
        name=name,
        limits=chosen,
        questions=len({one.id for one in asked if not one.elsewhere}),
        before=sum(table[now]) / len(asked),
        after=sum(scores) / len(asked),
        gain=gain,
        taken=taken,
        file=file,
        reliability=bins,
        ece=expected_error(bins),
        with_model=beside,
    )


def _asked(workspace: Workspace) -> list[Asked]:
    """The dev questions with their passages, and again without their document; the mean weight is
    1."""
    dev = [one for one in workspace.single_questions() if one.split == "dev"]
    documents = [one for one in dev if one.answerable and one.answers and one.document]
    if not documents:
        raise SettingsError(
            "there are no answerable dev questions with a document to choose by.",
            hint="acclimate questions split",
        )
    retriever, k = workspace.retriever(), passages_for(workspace, find_recipe("rag"))
    refused = [one for one in dev if not one.answerable]
    share = max(len(refused) / len(dev), _LEAST_UNANSWERABLE)
    count = 2 * len(documents) + len(refused)
    right = (1 - share) * count / len(documents)
    wrong = share * count / (len(documents) + len(refused))
    asked = []
    for one in documents:
        hits = retriever.retrieve(one.question, k * _SEARCHED)
        without = {one.document, *one.documents}
        others = [hit for hit in hits if hit.chunk.document not in without][:k]
        found = tuple(retriever.retrieve(one.question, k))
        asked.append(Asked(one.id, one.question, one.answers, found, cluster(one), right))
        asked.append(
            Asked(one.id, one.question, (), tuple(others), cluster(one), wrong, elsewhere=True)
        )
    for one in refused:
        hits = retriever.retrieve(one.question, k)
        asked.append(Asked(one.id, one.question, (), tuple(hits), cluster(one), wrong))
    return asked


def _marks(reader: ExtractiveReader, asked: Sequence[Asked], step: Step) -> list[list[Marked]]:
    found = []
    for one in asked:
        found.append(reader.extractor.best_spans(one.question, [hit.chunk for hit in one.hits]))
        step()
    return found


def _grid_alone(now: Limits, cuts: Sequence[tuple[int, ...]]) -> Iterator[Limits]:
    yield now
    for words, discount, threshold in itertools.product(cuts, _DISCOUNTS, _THRESHOLDS):
        yield replace(now, words=words, discount=discount, threshold=threshold)


def _grid_beside(start: Limits) -> Iterator[Limits]:
    yield start
    for surer, doubt, alone in itertools.product(_SURER, _DOUBTS, _ALONE):
        yield replace(start, surer=surer, doubt=doubt, alone=alone)


def _alone(
    asked: Sequence[Asked], marks: Sequence[Sequence[Marked]], limits: Limits
) -> list[float]:
    """The scores where the extractor answers."""
    scores = []
    for one, marked in zip(asked, marks, strict=True):
        best = surest(one.hits, marked, limits.discount)
        sure = best is not None and best.confidence >= limits.threshold
        scores.append(one.points(_text(one, best) if sure else None))
    return scores


def _beside(
    reader: ExtractiveReader, said: Sequence[tuple[Asked, Resolved]], places: Sequence[Places]
) -> list[float]:
    """The scores where it reads beside the model."""
    scores = []
    for (one, words), (best, held) in zip(said, places, strict=True):
        resolved = reader.decide(one.hits, words, best, held)
        scores.append(one.points(None if resolved.abstained else resolved.text))
    return scores


def _choose(
    asked: Sequence[Asked], table: Mapping[Limits, Sequence[float]], now: Limits
) -> tuple[Limits, list[float]]:
    """The best limits on all questions, and each question's score under the limits that are best on
    the other fifths of the documents: what to expect on new ones. Scores are weighted."""
    groups = {
        name: place % _FOLDS for place, name in enumerate(dict.fromkeys(a.group for a in asked))
    }
    fold = np.array([groups[one.group] for one in asked])
    limits = list(table)
    scores = np.array([table[one] for one in limits])
    expected = scores[limits.index(now)].copy()
    for part in range(_FOLDS):
        best = int(scores[:, fold != part].sum(1).argmax())
        expected[fold == part] = scores[best, fold == part]
    return limits[int(scores.sum(1).argmax())], list(expected)


def _said(
    workspace: Workspace, answerer: Answerer, asked: Sequence[Asked], step: Step
) -> list[tuple[Asked, Resolved]]:
    """The model's own answers over the same passages, cached in a file question by question."""
    depends = [make_entry(workspace, find_recipe("rag")).key]
    depends += [f"{one.key} {hit.chunk.id}" for one in asked for hit in one.hits]
    key = hashlib.sha256(json.dumps(depends).encode()).hexdigest()[:16]
    file = workspace.layout.optimisations / f"extractor-{key}.jsonl"
    file.parent.mkdir(parents=True, exist_ok=True)
    jsonlines.drop_torn(file)
    kept = {row["id"]: row["text"] for _, row in jsonlines.read_rows(file)} if file.exists() else {}
    model = replace(answerer, second_reader=None, extract=None, tables=None)
    found = []
    for one in asked:
        if one.key not in kept:
            alone = replace(model, retriever=_Given(one.hits))
            answer = alone.answer(one.question) if one.hits else None
            kept[one.key] = answer.marked if answer else REFUSAL
            jsonlines.append(file, {"id": one.key, "text": kept[one.key]})
        found.append((one, resolve(kept[one.key], one.hits)))
        step()
    return found


@dataclass(frozen=True, slots=True)
class _Given:
    """A retriever that finds what it was given."""

    hits: Sequence[Hit]

    def retrieve(self, query: str, k: int) -> list[Hit]:
        return list(self.hits)


def _text(one: Asked, place: Marked | None) -> str | None:
    if place is None:
        return None
    return one.hits[place.passage].chunk.text[place.span.start : place.span.end]


def _sureness(
    asked: Sequence[Asked], marks: Sequence[Sequence[Marked]], limits: Limits
) -> tuple[list[float], list[bool]]:
    """How sure it is of its place, and whether that is right."""
    sure, right = [], []
    for one, marked in zip(asked, marks, strict=True):
        best = surest(one.hits, marked, limits.discount)
        if best is not None:
            sure.append(best.confidence)
            right.append(bool(one.answers) and f1(_text(one, best) or "", one.answers) >= _CORRECT)
    return sure, right
