"""`acclimate tune internalise`: what is learnt and watched, and what goes into the adapter's
folder."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from acclimate.answer import Answerer
from acclimate.errors import SettingsError
from acclimate.types import Question
from acclimate.workflows.read_documents import read_studied
from acclimate.workflows.study import Studied, prepare_study, study_cases
from acclimate.workflows.tune_data import DataReport, TrainingSet, make_cases
from acclimate.workspace.workspace import Workspace

if TYPE_CHECKING:  # PyTorch comes with the extra `tune` only
    from acclimate.tuning.cases import Case

_WATCHED = 40  # cases of those that are learnt
_REHEARSED = 10  # one known chunk of so many is learnt again beside what has changed
_NEAR = "questions near one of the splits dev or test"


def first_study(workspace: Workspace) -> DataReport:
    """What there is to study, before any question is made."""
    workspace.require_ingested()
    count = len(workspace.library.record.files())
    return DataReport("the documents", format="questions about them", rows=count)


def from_study(workspace: Workspace, answerer: Answerer, before: Path | None) -> TrainingSet:
    """What the documents say as questions. `before` is the recipe's adapter, where it has one: it
    goes on from there, with what has changed since, where that is less than half.

    Raises SettingsError where the documents say nothing that can be asked.
    """
    whole = prepare_study(workspace)
    known = read_studied(before) if before is not None else {}
    studied = changed_since(whole, {key for keys in known.values() for key in keys})
    learnt = study_cases(answerer, studied)
    if not studied.lessons or not learnt:
        raise SettingsError(
            "the documents hold nothing that a question could be made from.",
            hint="acclimate ingest",
        )
    dev, how = _watched(answerer, learnt, workspace.questions())
    data = DataReport(
        _source(whole, studied),
        format="questions about them",
        prompts=f"in the template '{answerer.recipe.template}', as the recipe asks",
        rows=len(whole.documents),
        cases=len(learnt),
        dev=len(dev),
        watched=how,
        left_out={_NEAR: whole.near} if whole.near else {},
        checked_against=sum(one.split == "test" for one in workspace.questions()),
    )
    return TrainingSet(
        learnt,
        dev,
        whole.questions,
        data,
        studied=studied,
        documents=whole.documents,
        goes_on=before if studied is not whole else None,
    )


def changed_since(studied: Studied, known: set[str]) -> Studied:
    """The lessons that an adapter does not know yet, with as many of the others, so that these are
    kept; the whole where nothing is known, nothing has changed, or half of it has."""
    fresh = [one for one in studied.lessons if one.key not in known]
    if not known or not fresh or 2 * len(fresh) > len(studied.lessons):
        return studied
    others = [one for one in studied.lessons if one.key in known]
    count = max(len(fresh), len(others) // _REHEARSED)
    rng = random.Random(fresh[0].key)  # noqa: S311
    chosen = rng.sample(others, min(count, len(others)))
    share = (len(fresh) + len(chosen)) / len(studied.lessons)
    refused = rng.sample(studied.refused, round(share * len(studied.refused)))
    return replace(studied, lessons=(*fresh, *chosen), refused=tuple(refused))


def _source(whole: Studied, studied: Studied) -> str:
    if studied is whole:
        return "the documents"
    return (
        f"what changed in the documents, with {len(studied.lessons)} of {len(whole.lessons)} chunks"
    )


def _watched(
    answerer: Answerer, learnt: Sequence[Case], asked: Sequence[Question]
) -> tuple[list[Case], str]:
    """What is watched: with passages, the dev split's questions. Without, some of those that are
    learnt: what is known by heart is worded surely, so the loss of other wordings rises while more
    of their answers are right."""
    if answerer.recipe.reads:
        held = [one for one in asked if one.split == "dev"]
        if dev := make_cases(answerer, held, random.Random(1)):  # noqa: S311
            return dev, "of the split dev"
    some = list(learnt[:: max(1, len(learnt) // _WATCHED)])
    return some, "of those that are learnt"
