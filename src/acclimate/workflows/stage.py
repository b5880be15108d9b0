"""Entries as a project runs them: what each answer depends on, what is shared, what it
costs."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from acclimate._version import __version__
from acclimate.embeddings.tuned import WEIGHTS
from acclimate.errors import SettingsError
from acclimate.evaluation.entry import Entry
from acclimate.evaluation.memory import peak_mb
from acclimate.models.adapters import require_base_model, weights_file
from acclimate.models.base import Engine
from acclimate.prompting.recipes import Recipe
from acclimate.retrieval.remembered import RememberingRetriever, Searches
from acclimate.settings import Settings
from acclimate.settings_sections import ModelSettings
from acclimate.types import Answer, Question
from acclimate.workflows.cluster_engine import ClusterEngine, Speakers
from acclimate.workspace.answerer import open_answerer
from acclimate.workspace.encoders import tuned_folders
from acclimate.workspace.extractor import fingerprint as extractor_fingerprint
from acclimate.workspace.seeds import runs_of
from acclimate.workspace.style import beside, manner_of, passages_for
from acclimate.workspace.workspace import Workspace

BY_A_SERVER = 16
"""Answers asked for at once where a server gives them and nothing else is said."""
# Neither changes an answer.
_NOT_OF_ANSWERS = {"adapter", "prompt_price", "answer_price", "parallel"}
_LOADED = {"engine", "name", "base_url", "api_key_env", "context_tokens", "timeout_s"}


class Stage:
    """The workspaces of one comparison: library and embedder are the project's, language models are
    shared by entries that name the same, searches by those that search alike.

    With `speakers` language models are theirs, on the nodes of a cluster.
    """

    def __init__(self, workspace: Workspace, speakers: Speakers | None = None) -> None:
        self._project, self._speakers = workspace, speakers
        self._own = workspace
        if speakers is not None:
            self._own = workspace.sharing(
                workspace.settings, share_models=False, load=speakers.load
            )
        self._by_model = {_model_key(workspace.settings.model): self._own}
        self._engine: Engine | None = None
        self._searches = Searches()

    def workspace(self, settings: Settings) -> Workspace:
        """The project with these settings of retrieval, model and answers."""
        if settings == self._own.settings:
            return self._own
        key = _model_key(settings.model)
        if key in self._by_model:
            return self._by_model[key].sharing(settings)
        self._by_model[key] = self._own.sharing(settings, share_models=False)
        return self._by_model[key]

    def prepare(
        self, workspace: Workspace, recipe: Recipe, adapter: Path | None
    ) -> Callable[[Question], Answer]:
        """Load a recipe's models, and free the others first: its peak memory is then its own."""
        key = _model_key(workspace.settings.model)
        for other, held in self._by_model.items():
            if other != key:
                held.free()
        workspace.keep_only(adapter)
        answerer = open_answerer(workspace, recipe.name)
        self._engine = answerer.engine
        if answerer.recipe.context != "passages":
            return lambda question: answerer.answer(question.question, turns=question.turns)
        found_in = f"{workspace.library.record.id} {_search_key(workspace.settings)}"
        retriever = self._searches.sharing(answerer.retriever, found_in)
        return _reading(replace(answerer, retriever=retriever).answer, retriever)

    def at_once(self, model: ModelSettings, asked: int) -> int:
        """How many answers a model is asked for at once, of `asked` (0: as `[model] parallel`
        says)."""
        there = BY_A_SERVER if model.engine == "openai" else 1
        if model.engine != "openai" and self._speakers is not None:
            there = self._speakers.count
        return (asked or model.parallel or there) if there > 1 else 1

    def peak_mb(self) -> float | None:
        """The peak memory of the process that holds the model of the recipe prepared last, in
        MB."""
        engine = self._engine
        return engine.peak_mb() if isinstance(engine, ClusterEngine) else peak_mb()

    def close(self) -> None:
        """Free the models that are not the project's own."""
        for held in self._by_model.values():
            if held is not self._project:
                held.close()


def _reading(
    answer: Callable[..., Answer], retriever: RememberingRetriever
) -> Callable[[Question], Answer]:
    """Answers whose times count a search that another entry made for them."""

    def run(question: Question) -> Answer:
        given = answer(question.question, turns=question.turns)
        spared, took = retriever.spared(), given.timings
        timings = replace(
            took,
            retrieve_s=took.retrieve_s + spared,
            first_token_s=took.first_token_s + spared,
            total_s=took.total_s + spared,
        )
        return replace(given, timings=timings)

    return run


def make_entry(
    workspace: Workspace,
    recipe: Recipe,
    *,
    name: str = "",
    required: bool = True,
    stage: Stage | None = None,
    parallel: int = 0,
) -> Entry:
    """A recipe as the comparison runs it, under its own name or another; raises what running it
    would, before anything has run. `parallel` answers at once are asked of a server (0: as `[model]
    parallel` says)."""
    adapter, settings = workspace.adapter(recipe), workspace.settings
    model, held = settings.model, stage or Stage(workspace)
    depends, folders = _depends(workspace, recipe, adapter), []
    prepare_s = 0.0
    if adapter and recipe.adapter:
        folders.append(adapter)
    if recipe.reads:
        prepare_s += workspace.library.record.ingests.seconds
        folders.append(workspace.library.folder / "indexes")
    if adapter and (log := adapter / "training.json").is_file():
        prepare_s += float(json.loads(log.read_text(encoding="utf-8"))["seconds"])
    prices = (model.prompt_price or 0.0, model.answer_price or 0.0)
    files = [file for folder in folders for file in folder.rglob("*")]
    return Entry(
        recipe=name or recipe.name,
        prepare=lambda: held.prepare(workspace, recipe, adapter),
        key=hashlib.sha256(json.dumps(depends, sort_keys=True).encode()).hexdigest(),
        prepare_s=prepare_s,
        disk_mb=sum(file.stat().st_size for file in files if file.is_file()) / 1e6,
        prices=prices if any(prices) else None,
        group=f"{_model_key(model)} {adapter}",
        required=required,
        parallel=1 if recipe.extracts else held.at_once(model, parallel),
        peak_mb=held.peak_mb,
    )


def make_runs(
    workspace: Workspace, recipe: Recipe, first: Entry, stage: Stage, adapter: Path | None
) -> list[Entry]:
    """The entry of a recipe, with the seed of its adapter and an entry for each other run of it,
    where it was trained with several."""
    runs = None if adapter is None or not recipe.adapter else runs_of(adapter)
    if runs is None or not runs.others:
        return [first]
    found = [replace(first, seed=runs.kept)]
    for seed, folder in runs.others.items():
        name = f"{first.recipe}, seed {seed}"
        made = make_entry(workspace.wearing(folder), recipe, name=name, stage=stage)
        found.append(
            replace(
                made,
                seed=seed,
                of=first.recipe,
                required=first.required,
                documents=first.documents,
            )
        )
    return found


def _depends(workspace: Workspace, recipe: Recipe, adapter: Path | None) -> dict[str, Any]:
    """Everything that a recipe's answers depend on. Raises what running it would."""
    settings = workspace.settings
    model = settings.model
    manner = manner_of(workspace, recipe)
    answered = recipe.in_style("full" if manner == "written" else "short")
    depends: dict[str, Any] = {
        "version": __version__,
        "recipe": {key: value for key, value in asdict(recipe).items() if key != "style"},
        "template": workspace.template(answered.template).fingerprint,
        "model": model.model_dump(mode="json", exclude=_NOT_OF_ANSWERS),
        "weights": _weights(workspace, adapter),
        "adapter": _sha256(weights_file(adapter)) if adapter else "",
    }
    if recipe.reads:
        workspace.retriever()  # raises before the first ingest
        record = workspace.library.record
        depends |= {"library": record.id, "generation": record.generation}
        if tuned := [
            _sha256(folder / WEIGHTS) for folder in tuned_folders(workspace.folder, settings)
        ]:
            depends["encoders"] = tuned
        depends |= {
            "retrieval": settings.retrieval.model_dump(mode="json")
            | {"k": passages_for(workspace, recipe)},
            "overflow": settings.answer.overflow,
            "tables": settings.answer.tables,
        }
        extractor = extractor_fingerprint(
            settings.answer.extractor, workspace.layout, workspace.local_model
        )
        how = beside(workspace, recipe)
        depends |= {
            "second": settings.answer.second_reader if how is None else asdict(how),
            "extractor": extractor,
        }
    if manner != "short":
        depends["style"] = manner
    if recipe.few_shot:
        solved = [_shown(one) for one in workspace.single_questions() if one.split == "train"]
        depends |= {"shots": settings.answer.shots, "solved": solved}
    return depends


def _shown(question: Question) -> dict[str, Any]:
    """What a solved example can show of a question: not how its answers are scored."""
    fields = asdict(question)
    return {name: fields[name] for name in fields if name not in {*Question.SCORING, "turns"}}


def _weights(workspace: Workspace, adapter: Path | None) -> str:
    """The fingerprint of a local model. Raises SettingsError or ModelError where it cannot wear the
    adapter."""
    model = workspace.settings.model
    if model.engine == "openai":
        if adapter is not None:
            raise SettingsError(
                f"the adapter '{adapter.name}' cannot be worn by a model behind a server.",
                hint="Load it into the server and name it as the model.",
            )
        return ""
    local = workspace.local_model(model.name, "language")
    if adapter is not None:
        require_base_model(adapter, local.name)
    return local.sha256


def _model_key(model: ModelSettings) -> str:
    """Equal for settings that load the same model, whatever adapter it wears."""
    return json.dumps(model.model_dump(mode="json", include=_LOADED), sort_keys=True)


def _search_key(settings: Settings) -> str:
    """Equal for settings that find the same passages."""
    chosen = settings.retrieval
    writes = settings.model.model_dump(mode="json") if chosen.rewrite != "none" else {}
    # k is asked for with each search.
    return json.dumps([chosen.model_dump(mode="json", exclude={"k"}), writes], sort_keys=True)


def _sha256(file: Path) -> str:
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()
