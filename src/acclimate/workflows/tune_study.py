"""`acclimate tune internalise`: what is learnt and watched, and what goes into the adapter's
folder."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from acclimate.answer import Answerer
from acclimate.errors import SettingsError
from acclimate.types import Question
from acclimate.workflows.study import Studied, prepare_study, study_cases
from acclimate.workflows.tune_data import DataReport, TrainingSet, make_cases
from acclimate.workspace.workspace import Workspace

if TYPE_CHECKING:  # PyTorch comes with the extra `tune` only
    from acclimate.tuning.cases import Case

_NEAR = "questions near one of the splits dev or test"


def first_study(workspace: Workspace) -> DataReport:
    """What there is to study, before any question is made."""
    workspace.require_ingested()
    count = len(workspace.library.record.files())
    return DataReport("the documents", format="questions about them", rows=count)


def from_study(workspace: Workspace, answerer: Answerer) -> TrainingSet:
    """What the documents say as questions, the dev split's watched meanwhile. Raises SettingsError
    where they say nothing that can be asked."""
    studied = prepare_study(workspace)
    learnt = study_cases(answerer, studied)
    if not studied.lessons or not learnt:
        raise SettingsError(
            "the documents hold nothing that a question could be made from.",
            hint="acclimate ingest",
        )
    dev, how = _watched(answerer, learnt, workspace.questions())
    data = DataReport(
        "the documents",
        format="questions about them",
        prompts=f"in the template '{answerer.recipe.template}', as the recipe asks",
        rows=len({lesson.chunk.document for lesson in studied.lessons}),
        cases=len(learnt),
        dev=len(dev),
        watched=how,
        left_out={_NEAR: studied.near} if studied.near else {},
        checked_against=sum(one.split == "test" for one in workspace.questions()),
    )
    return TrainingSet(learnt, dev, studied.questions, data, studied=studied)


def _watched(
    answerer: Answerer, learnt: Sequence[Case], asked: Sequence[Question]
) -> tuple[list[Case], str]:
    """The dev split's questions, whose documents are learnt and which are not; without any, some of
    those that are learnt."""
    held = [one for one in asked if one.split == "dev"]
    dev = make_cases(answerer, held, random.Random(1))  # noqa: S311
    if dev:
        return dev, "of the split dev"
    some = list(learnt[:: max(1, len(learnt) // 40)])
    return some, "none in the split dev: those that are learnt"


def studied_documents(studied: Studied) -> list[str]:
    """The paths of the documents that were learnt."""
    return sorted({lesson.chunk.document for lesson in studied.lessons})
