"""`acclimate tune`: from training data to an adapter, checked on the engine that will serve it."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from acclimate.answer import Answerer
from acclimate.errors import EngineError, MissingExtraError, SettingsError, nearest
from acclimate.evaluation.metrics import f1
from acclimate.models.adapters import OWN_TEMPLATE, is_tuned, require_base_model
from acclimate.models.base_ids import base_id, name_base
from acclimate.models.store import LocalModel
from acclimate.prompting.recipes import Recipe, find_recipe
from acclimate.system import ending
from acclimate.tuning.knobs import PLANNED, Knobs
from acclimate.tuning.lock import exclusive_run
from acclimate.tuning.methods import METHODS, Method
from acclimate.tuning.pairs.pairs import PairSource, read_pairs
from acclimate.tuning.pairs.preferences import read_preferences
from acclimate.workflows.questions import write_learnt
from acclimate.workflows.read_documents import write_studied
from acclimate.workflows.study import forget_others, teach
from acclimate.workflows.tune_choices import train_as_chosen
from acclimate.workflows.tune_data import (
    DataReport,
    Teacher,
    TrainingSet,
    by_teacher,
    first_look,
    gather,
    require_learnable,
)
from acclimate.workflows.tune_preferences import (
    PREFERENCE_SOURCES,
    OwnAnswers,
    PreferenceSource,
    gather_preferences,
)
from acclimate.workflows.tune_study import first_study, from_study
from acclimate.workspace.answerer import open_answerer
from acclimate.workspace.engine import tuned_folder
from acclimate.workspace.workspace import Workspace

if TYPE_CHECKING:  # PyTorch comes with the extra `tune` only
    from acclimate.tuning.attached import Attached
    from acclimate.tuning.cases import Case
    from acclimate.tuning.run import Trained, TuningJob
    from acclimate.tuning.trainer import OnStep, Trainer

_CHECKED = 8  # dev cases that the served adapter must answer as the trained network does
_SCORED = 6  # dev cases that are answered at each checkpoint
_SCORED_TOKENS = 24
_BEFORE = "before"  # in a run's folder: the adapter that its own replaces, until that is checked


@dataclass(frozen=True, slots=True)
class TuneOptions:
    """How to tune. `rate` None: the method's. `source` None: the questions of the train split.
    `again` gives up a run that was stopped. `beta` and `sources` are those of
    preferences: how dear it is to leave the reference, and where the project's own pairs come
    from. `replay` holds the model to what it says of its own accord, in about a fifth of
    the time."""

    minutes: float = 5.0
    rate: float | None = None
    teacher: Teacher | None = None
    source: PairSource | None = None
    again: bool = False
    beta: float = 0.1
    sources: tuple[PreferenceSource, ...] = PREFERENCE_SOURCES
    replay: bool = True
    knobs: Knobs = PLANNED


@dataclass(frozen=True, slots=True)
class Tuned:
    """A tuned adapter: how it was trained, what serves it, and how many of the checked answers are
    the same there, within rounding. `seeds`: the dev loss of each of several equal runs, of which
    it is the best."""

    recipe: str
    trained: Trained
    engine: str
    same: int
    checked: int
    data: DataReport
    seeds: Mapping[int, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Prepared:
    """A run that could begin: nothing is written yet. `folder` is where it will work."""

    recipe: Recipe
    method: Method
    answerer: Answerer
    model: LocalModel
    training_set: TrainingSet
    job: TuningJob


def tune_recipe(
    workspace: Workspace, name: str, options: TuneOptions, on_step: OnStep | None
) -> Tuned:
    """Train the adapter of a recipe; see `Project.tune`."""
    recipe, _ = _tunable(workspace, name, options)
    with exclusive_run(tuned_folder(workspace.layout, recipe)) as first:
        return _tune(workspace, name, options, on_step, first=first)


def _tune(
    workspace: Workspace, name: str, options: TuneOptions, on_step: OnStep | None, *, first: bool
) -> Tuned:
    prepared = prepare(workspace, name, options)
    from acclimate.tuning.greedy import greedy
    from acclimate.tuning.trainer import TrainSettings

    if options.source is not None:
        require_learnable(prepared.training_set, options.source)
    job, weights = prepared.job, prepared.model.weights
    if first:
        # A run was stopped before its check.
        _put_back(tuned_folder(workspace.layout, prepared.recipe), job.folder)
        _go_on_or_begin(job, options)
    if options.teacher is not None:
        job = replace(
            job, cases=by_teacher(workspace, prepared.answerer, job.cases, options.teacher)
        )
    if prepared.method.data == "preferences":
        prepared = with_own_answers(prepared, job.folder)
        job = prepared.job
    workspace.keep_only(None)
    studied = prepared.training_set.studied
    if studied is not None and not prepared.recipe.reads:
        job = replace(job, cases=teach(workspace, studied, job.cases, prepared.model))
        documents = prepared.training_set.documents
        forget_others(workspace, {key for keys in documents.values() for key in keys})
    dev = prepared.training_set.dev
    asked = [
        case
        for case in dev[:: max(1, len(dev) // _CHECKED)][:_CHECKED]
        if case.messages and case.answer and case.wanted
    ]

    def score(attached: Attached) -> float:
        shares = [
            f1(greedy(attached, weights, case.messages, _SCORED_TOKENS), [case.answer])
            for case in asked[:_SCORED]
        ]
        return sum(shares) / len(shares)

    settings = TrainSettings(
        minutes=options.minutes, checkpoint_minutes=max(0.5, options.minutes / 5)
    )
    trained, trainer, seeds = train_as_chosen(
        job, settings, on_step, score if asked else None, workspace.settings.cluster
    )
    if trainer.world.rank:
        raise SystemExit(0)  # the first of several processes serves what they trained together
    return replace(_serve(workspace, prepared, trained, trainer, asked), seeds=seeds)


class TuneProgress(Protocol):
    """Receives the progress of the preparation of a run."""

    def read(self, recipe: str, data: DataReport) -> None:
        """The data is read; nothing is loaded or compared yet."""

    def doing(self, what: str) -> None:
        """A step that may take long begins."""


class NoProgress:
    """A `TuneProgress` for callers that want none."""

    def read(self, recipe: str, data: DataReport) -> None:
        """See `TuneProgress`."""

    def doing(self, what: str) -> None:
        """See `TuneProgress`."""


def prepare(
    workspace: Workspace, name: str, options: TuneOptions, progress: TuneProgress | None = None
) -> Prepared:
    """Read and check everything that a run needs, the data first.

    Raises SettingsError for what cannot be tuned, DataError for a file that cannot be read, and
    ModelError for an adapter of another base.
    """
    recipe, method = _tunable(workspace, name, options)
    progress = progress or NoProgress()
    source, ranks = options.source, method.data == "preferences"
    ranked = read_preferences(source) if source and ranks else None
    read = read_pairs(source) if source and not ranks else None
    studies = method.data == "study"
    looked = first_study(workspace) if studies else first_look(workspace, method, ranked or read)
    progress.read(recipe.adapter_name, looked)
    progress.doing("Loading what prompts are made with")
    try:
        from acclimate.tuning.run import TuningJob
    except ImportError as error:
        raise MissingExtraError("acclimate tune", "tune") from error

    model = workspace.local_model(workspace.settings.model.name, "language")
    start = workspace.adapter(replace(recipe, adapter=""))
    if start is not None:
        require_base_model(start, model.name)
    # The prompts are those of the recipe without its adapter, which is not there yet.
    answerer = open_answerer(workspace, "rag" if recipe.reads else "zero-shot", style="short")
    progress.doing("Checking the data against the model and the test questions")
    target = tuned_folder(workspace.layout, recipe)
    if studies:
        before = target if is_tuned(target) and not options.again else None
        training_set = from_study(workspace, answerer, before)
        start = training_set.goes_on or start
    elif ranks:
        training_set = gather_preferences(workspace, answerer, method, ranked, options.sources)
    else:
        training_set = gather(workspace, answerer, method, read)
    folder = target.with_name(f"{recipe.adapter_name}.training")
    job = TuningJob(
        model.weights,
        model.name,
        training_set.learnt,
        training_set.dev,
        folder,
        method,
        start,
        options.rate,
        replay=options.replay,
        beta=options.beta,
        knobs=options.knobs,
    )
    return Prepared(recipe, method, answerer, model, training_set, job)


def with_own_answers(prepared: Prepared, folder: Path | None) -> Prepared:
    """The run with the model's own answers in the place of those that are still to be asked for.
    `folder` keeps them for a run that goes on (None: nowhere)."""
    training_set = prepared.training_set
    ask = OwnAnswers(prepared.answerer, folder)
    learnt, left = ask.complete(training_set.learnt, prepared.method)
    dev, _ = ask.complete(training_set.dev, prepared.method)
    data = replace(
        training_set.data,
        cases=len(learnt),
        dev=len(dev or learnt),
        left_out={**training_set.data.left_out, **left},
    )
    changed = replace(training_set, learnt=learnt, dev=dev or learnt, data=data)
    job = replace(prepared.job, cases=learnt, dev=dev or learnt)
    return replace(prepared, training_set=changed, job=job)


def _serve(
    workspace: Workspace,
    prepared: Prepared,
    trained: Trained,
    trainer: Trainer,
    asked: Sequence[Case],
) -> Tuned:
    """Put the adapter in place and hold what is served to what was trained.

    Raises EngineError where they differ; what was there before is there again then.
    """
    from acclimate.tuning.export.parity import ROUNDING
    from acclimate.tuning.greedy import largest_gap

    recipe, training_set, answerer = prepared.recipe, prepared.training_set, prepared.answerer
    name_base(trained.folder, base_id(prepared.model))
    final = _place(
        tuned_folder(workspace.layout, recipe), prepared.job.folder, trained, training_set
    )
    engine, weights = workspace.engine(recipe.name), prepared.model.weights
    served = [engine.generate(case.messages, answerer.generation) for case in asked]
    # Tokens that are nearly equally likely take each other's place, as in `tuning.parity`: rounding
    # decides there, and in a long answer it does somewhere.
    losses = [
        largest_gap(trainer.attached, weights, case.messages, said)
        for case, said in zip(asked, served, strict=True)
    ]
    same = sum(loss <= 2 * ROUNDING for loss in losses)
    folder = prepared.job.folder
    if 2 * same < len(asked):
        shutil.rmtree(folder / "refused", ignore_errors=True)
        final.folder.replace(folder / "refused")
        _put_back(final.folder, folder)
        raise EngineError(
            f"the served adapter answers {len(asked) - same} of {len(asked)} questions differently "
            "than in training, so it is not used.",
            hint=f"Report this as a bug; it is in {folder / 'refused'}.",
        )
    shutil.rmtree(folder, ignore_errors=True)
    name = type(engine).__name__.removesuffix("Engine")
    return Tuned(recipe.adapter_name, final, name, same, len(asked), training_set.data)


def _tunable(workspace: Workspace, name: str, options: TuneOptions) -> tuple[Recipe, Method]:
    """The recipe and its method. Raises SettingsError for what cannot be tuned."""
    recipe = find_recipe(name)
    if recipe.adapter not in METHODS or recipe.name not in (
        recipe.adapter_name,
        f"rag+{recipe.adapter}",
    ):
        raise SettingsError(
            f"there is no way to tune '{name}'.",
            hint=f"{nearest(recipe.adapter or name, METHODS)} Give METHOD or METHOD+rag.",
        )
    if workspace.settings.model.engine == "openai":
        raise SettingsError(
            "a model behind a server cannot be tuned.", hint='Set [model] engine = "openvino".'
        )
    method = METHODS[recipe.adapter]
    if (method.data == "teacher") != (options.teacher is not None):
        need = (
            "needs a stronger model to learn from"
            if options.teacher is None
            else "learns from no other model"
        )
        raise SettingsError(
            f"'{name}' {need}.",
            hint="acclimate tune distill --teacher NAME [--teacher-url ADDRESS]",
        )
    if method.data == "documents" and recipe.reads:
        raise SettingsError(
            f"'{name}': raw text is learnt without passages.", hint=f"acclimate tune {method.name}"
        )
    if method.data in ("documents", "study") and options.source is not None:
        raise SettingsError(
            f"'{name}' learns the documents, no pairs.",
            hint="acclimate tune lora --data FILE",
        )
    return recipe, method


def _go_on_or_begin(job: TuningJob, options: TuneOptions) -> None:
    """Note what the run in its folder learns. Raises SettingsError where a stopped one there learnt
    something else."""
    if options.again:
        shutil.rmtree(job.folder, ignore_errors=True)
    told = [
        job.base,
        job.method.name,
        str(job.start),
        job.rate,
        job.beta,
        str(options.teacher),
        asdict(options.knobs) | {"track": None},
        [asdict(case) for case in job.cases],
    ]
    sha256 = hashlib.sha256(json.dumps(told).encode()).hexdigest()
    note = job.folder / "learns.sha256"
    if note.exists() and note.read_text(encoding="ascii") != sha256:
        raise SettingsError(
            f"the interrupted run of '{job.folder.stem}' used other data or settings.",
            hint=f"Use the same ones, or start over: acclimate tune {job.folder.stem} --again",
        )
    job.folder.mkdir(parents=True, exist_ok=True)
    note.write_text(sha256, encoding="ascii")


@ending.held()
def _place(target: Path, work: Path, trained: Trained, training_set: TrainingSet) -> Trained:
    """Put the finished adapter where recipes look for it, with what it learnt; an older one stays
    in `work`."""
    made = work / "made"
    shutil.rmtree(made, ignore_errors=True)
    shutil.copytree(trained.folder, made)
    if training_set.questions:
        write_learnt(made, training_set.questions)
    if training_set.documents:
        write_studied(made, training_set.documents)
    if training_set.template is not None:
        (made / OWN_TEMPLATE).write_text(training_set.template, encoding="utf-8")
    refused = training_set.data.reasons()
    noted = asdict(replace(training_set.data, problems=())) | {"problems": refused}
    (made / "data.json").write_text(
        json.dumps(noted, ensure_ascii=False, indent=2) + "\n", encoding="utf-8"
    )
    if target.exists():
        target.replace(work / _BEFORE)
    made.replace(target)
    return replace(trained, folder=target)


def _put_back(target: Path, work: Path) -> None:
    """The adapter that an unchecked one has replaced, if any, takes its place again."""
    if (work / _BEFORE).exists():
        shutil.rmtree(target, ignore_errors=True)
        (work / _BEFORE).replace(target)
