"""What the page needs to compare: what can be, a run to watch, where recipes differ, gates."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict
from pathlib import Path as File
from typing import Annotated, Any

from fastapi import APIRouter, Path, Query, Request

from acclimate.errors import SettingsError
from acclimate.evaluation.comparison import load
from acclimate.evaluation.entry import ComparisonProgress
from acclimate.evaluation.gates import gate_of
from acclimate.evaluation.highlight import Disagreement, Side, disagreements
from acclimate.evaluation.measures import METRICS, require_metric
from acclimate.evaluation.power import power
from acclimate.models.catalogue import CATALOGUE
from acclimate.models.store import locate
from acclimate.project import Project
from acclimate.serving.errors import ApiError
from acclimate.serving.keys import Caller
from acclimate.serving.running import ComparisonRuns, Order, Run
from acclimate.serving.schemas import CompareRequest, GateRequest, Sound
from acclimate.serving.service import Service
from acclimate.workflows.compare import report_file
from acclimate.workflows.entries import OWN, read_entries

_MOST = 200  # questions on which two differ, sent at once


def open_runs(service: Service) -> ComparisonRuns:
    """The comparisons of a server: over files of their own; only the embedder is shared."""
    project = service.project

    def compare(order: Order, progress: ComparisonProgress) -> str:
        with Project(project.folder, project.settings, embedder=service.embedder) as own:
            done = own.compare(
                order.recipes,
                models=order.models,
                split=order.split,
                metric=order.metric,
                limit=order.limit,
                minutes=order.minutes,
                stop_early=order.stop_early,
                progress=progress,
            )
        return report_file(project.layout.comparisons, done).stem

    return ComparisonRuns(compare, project.layout.comparison_run, lambda: service.waiting > 0)


def make_router(service: Service, runs: ComparisonRuns) -> APIRouter:
    """The routes; a comparison tells of every document, so who runs or reads one sees them all."""
    router = APIRouter(prefix="/v1/comparisons", tags=["review"])
    _add_runs(router, service, runs)
    _add_reading(router, service)
    return router


def _add_runs(router: APIRouter, service: Service, runs: ComparisonRuns) -> None:
    @router.get("/options")
    def options(request: Request) -> dict[str, Any]:
        """What can be compared: recipes, models that are here, splits with their numbers of
        questions and what those can tell, scores that can decide."""
        _require_all(service, request)
        project = service.project
        asked = project.questions()
        splits = Counter(question.split for question in asked)
        kept = any(project.layout.comparisons.glob("*.json"))
        last = project.latest_comparison() if kept else None
        tells = {
            split: power([one for one in asked if one.split == split], last).sentence
            for split in splits
        }
        return {
            "recipes": [one.name for one in service.recipes(request.state.caller)],
            "models": [OWN, *_models_here()],
            "splits": dict(splits),
            "tells": tells,
            "metrics": list(METRICS),
        }

    @router.get("/run")
    def run(request: Request) -> dict[str, Any]:
        """The comparison that runs, or ran last; `run` is null where there was none."""
        _require_all(service, request)
        return {"object": "comparison.run", "run": _run(runs.run) if runs.run else None}

    @router.post("", status_code=202)
    def start(body: Annotated[CompareRequest, Sound], request: Request) -> dict[str, Any]:
        """Begin a comparison; 409 while one runs."""
        _require_all(service, request)
        order = Order(
            tuple(body.recipes),
            tuple(body.models),
            body.split,
            body.metric,
            body.limit,
            body.minutes,
            body.stop_early,
        )
        _check(service.project, order)
        return {"object": "comparison.run", "run": _run(runs.start(order))}

    @router.post("/run/stop", status_code=202)
    def stop(request: Request) -> dict[str, Any]:
        """End it after the answer that is being written; nothing that was answered is lost."""
        _require_all(service, request)
        return {"object": "comparison.run", "run": _run(runs.stop())}

    @router.post("/run/resume", status_code=202)
    def resume(request: Request) -> dict[str, Any]:
        """Go on with the one that was stopped, failed, or cut off by the server's end."""
        _require_all(service, request)
        return {"object": "comparison.run", "run": _run(runs.resume())}


def _add_reading(router: APIRouter, service: Service) -> None:
    folder = service.project.layout.comparisons

    def kept(name: str) -> File:
        file = next((one for one in folder.glob("*.json") if one.stem == name), None)
        if file is None:
            raise ApiError(404, "There is no such comparison.", "comparison_not_found")
        return file

    @router.get("/{name}/disagreements")
    def differ(
        name: Annotated[str, Path(max_length=200)],
        first: Annotated[str, Query(max_length=500)],
        second: Annotated[str, Query(max_length=500)],
        request: Request,
    ) -> dict[str, Any]:
        """The questions on which two of its recipes score differently, the widest apart first, with
        what each cites and the evidence marked."""
        _require_all(service, request)
        comparison = load(kept(name))
        found = disagreements(comparison, first, second)
        return {
            "object": "list",
            "metric": comparison.metric,
            "questions": len(comparison.questions),
            "total": len(found),
            "data": [_differ(one) for one in found[:_MOST]],
        }

    @router.post("/{name}/gate")
    def gate(
        name: Annotated[str, Path(max_length=200)],
        body: Annotated[GateRequest, Sound],
        request: Request,
    ) -> dict[str, Any]:
        """Write `gates.json` beside acclimate.toml: what `acclimate compare --gate gates.json` then
        holds the recipe to."""
        _require_all(service, request)
        made = gate_of(load(kept(name)), body.recipe)
        file = service.project.layout.gates
        made.save(file)
        command = f"acclimate compare --gate {file.name}"
        return {"object": "gate", "file": file.name, "command": command, **asdict(made)}


def _require_all(service: Service, request: Request) -> None:
    caller: Caller = request.state.caller
    if caller.labels is not None and service.rules:
        raise ApiError(403, "Comparisons are for keys that see every document.", "label_missing")


def _check(project: Project, order: Order) -> None:
    """Raises SettingsError for what cannot run: before anything does, and so that a page can name
    no address or file for the server to open."""
    require_metric(order.metric)
    here = {OWN, *_models_here()}
    for wanted in read_entries(order.recipes, order.models):
        if wanted.model not in here:
            raise SettingsError(
                f"the model '{wanted.model}' is not offered here.",
                hint=f"Models: {', '.join(sorted(here))}. Others: acclimate compare --model",
            )
        if wanted.changed.get("model"):
            raise SettingsError(
                f"'{wanted.name}' changes [model].", hint="Do that by acclimate compare."
            )
    if missing := project.plan_comparison(order.recipes).missing:
        raise SettingsError(
            f"nobody trained {', '.join(missing)} yet.", hint=f"acclimate tune {missing[0]}"
        )


def _models_here() -> list[str]:
    """Language models of the catalogue whose files are on this machine."""
    return sorted(
        name
        for name, entry in CATALOGUE.items()
        if entry.kind == "language" and locate(name) is not None
    )


def _run(run: Run) -> dict[str, Any]:
    return {
        "state": run.state,
        "created": run.created,
        "order": asdict(run.order),
        "doing": run.doing,
        "answers": {
            name: {"done": done, "total": total}
            for name, (done, total) in list(run.answers.items())
        },
        "seconds_left": run.seconds_left,
        "report": run.report,
        "error": run.error,
    }


def _differ(one: Disagreement) -> dict[str, Any]:
    question = one.question
    return {
        "id": question.id,
        "question": question.question,
        "turns": [asdict(turn) for turn in question.turns],
        "answers": list(question.answers),
        "answerable": question.answerable,
        "document": question.document,
        "evidence": question.evidence,
        "sides": [_side(one.first), _side(one.second)],
    }


def _side(side: Side) -> dict[str, Any]:
    answer = side.outcome.answer
    return {
        "recipe": side.outcome.recipe,
        "points": side.points,
        "text": answer.marked if answer else "",
        "abstained": bool(answer and answer.abstained),
        "error": side.outcome.error,
        "passages": [
            {
                "path": hit.chunk.document,
                "page": hit.chunk.page,
                "parts": [[part.text, part.mark] for part in parts],
            }
            for hit, parts in side.passages
        ],
    }
