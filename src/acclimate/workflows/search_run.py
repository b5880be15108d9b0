"""What a search keeps open while it scores candidates: libraries of other chunks, models, answerers."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from acclimate.errors import AcclimateError, SettingsError
from acclimate.evaluation.comparison import Metric
from acclimate.evaluation.metrics import Score, score
from acclimate.indexes.library import Library
from acclimate.indexes.stores import open_indexes
from acclimate.settings_sections import ModelSettings
from acclimate.types import Answer, Question
from acclimate.workflows.ingest import ingest_documents
from acclimate.workflows.search_candidates import SearchCandidate
from acclimate.workflows.stage import Stage
from acclimate.workspace.answerer import open_answerer
from acclimate.workspace.record import store_server
from acclimate.workspace.workspace import Workspace

_LOCAL = ("local", "hnsw")
_READING = 0.25  # of the minutes, that reading the documents once for each way of chunking may take
_WAYS = 4


def can_chunk(workspace: Workspace, minutes: float) -> tuple[bool, list[str]]:
    """Whether other chunks can be tried, and what is to be said where they cannot: each needs a
    library of its own."""
    settings = workspace.settings
    if settings.store.record != "local" or settings.store.vectors not in _LOCAL:
        return False, ["Other chunks were not tried: the library is on a server."]
    if settings.store.texts != "local":
        return False, ["Other chunks were not tried: the library is on a server."]
    if settings.chunking.context == "model" or settings.retrieval.graph != "none":
        return False, ["Other chunks were not tried: the model reads each chunk when it is made."]
    took = workspace.library.record.ingests.seconds if workspace.ingested else 0.0
    if took * _WAYS > minutes * 60 * _READING:
        return False, [
            f"Other chunks were not tried: reading the documents took {took / 60:.1f} minutes, and "
            f"would be done {_WAYS} times."
        ]
    return True, []


@dataclass(slots=True)
class SearchRun:
    """Scores a candidate on a question; an answer that fails scores 0."""

    workspace: Workspace
    tried: dict[str, SearchCandidate]
    dev: Mapping[str, Question]
    metric: Metric
    stage: Stage
    _cost: float = 0.0
    _libraries: dict[str, Library] = field(default_factory=dict)
    _workspaces: dict[str, Workspace] = field(default_factory=dict)
    _running: dict[str, Callable[[Question], Answer]] = field(default_factory=dict)

    def __call__(self, name: str, item: str) -> float:
        """See `Scorer`."""
        question, self._cost = self.dev[item], 0.0
        try:
            if name not in self._running:
                workspace = self.workspace_of(name)
                answerer = open_answerer(workspace, self.tried[name].wanted.recipe.name)
                self._running[name] = lambda asked: answerer.answer(
                    asked.question, turns=asked.turns
                )
            answer = self._running[name](question)
            self._cost = _cost(answer, self.workspace_of(name).settings.model)
            got = score(question, answer, None)
        except AcclimateError:
            got = Score(0.0, 0.0, False, question.answerable)
        return float(getattr(got, self.metric) or 0.0)

    def price(self) -> float:
        """What the last answer cost."""
        return self._cost

    def require_prices(self, money: float | None) -> None:
        """Raises SettingsError where money is the bound, and a server's model has no prices."""
        for name, one in self.tried.items() if money is not None else ():
            model = one.settings(self.workspace.settings).model
            if model.engine == "openai" and model.prompt_price is None:
                raise SettingsError(
                    f"--money cannot be kept to: '{name}' has no prices.",
                    hint="Set [model] prompt_price and answer_price, or name them: "
                    "'rag[prompt_price=0.1,answer_price=0.4]'.",
                )

    def workspace_of(self, name: str) -> Workspace:
        """The project with a candidate's settings and model, over a library of its chunks."""
        if name not in self._workspaces:
            candidate = self.tried[name]
            settings = candidate.settings(self.workspace.settings)
            held = self.stage.workspace(settings)
            if candidate.chunking:
                held = held.over(self._library(candidate.chunking, held), settings)
            self._workspaces[name] = held
        return self._workspaces[name]

    def _library(self, chunking: Mapping[str, Any], reader: Workspace) -> Library:
        """The library of other chunks, brought up to date when it is first asked for."""
        key = _key(chunking)
        if key not in self._libraries:
            own = self.workspace.settings
            opened = open_indexes(own.store.vectors, own.store.texts, store_server(own.store))
            folder = self.workspace.layout.searches / key
            library = Library(folder, opened, None, own.retrieval.language)
            self._libraries[key] = library
            ingest_documents(reader.over(library, reader.settings))
        return self._libraries[key]

    def close(self, keep: str = "") -> None:
        """Free models and libraries. Where the search is done, `keep` is its winner: the libraries
        of other chunks go."""
        self.stage.close()
        for library in self._libraries.values():
            library.close()
        for key in self._libraries if keep else ():
            if key != _key(self.tried[keep].chunking):
                shutil.rmtree(self.workspace.layout.searches / key)


def _cost(answer: Answer, model: ModelSettings) -> float:
    used = answer.usage
    written = used.completion_tokens * (model.answer_price or 0.0)
    return (used.prompt_tokens * (model.prompt_price or 0.0) + written) / 1e6


def _key(chunking: Mapping[str, Any]) -> str:
    text = json.dumps(dict(chunking), sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:12] if chunking else ""
