"""The front door: a project and its verbs. Each verb is one call into the file that does it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal, Self

from acclimate.answer import Answerer
from acclimate.indexes.filters import Filter
from acclimate.models.base import OnText
from acclimate.project_tuning import TuningVerbs
from acclimate.prompting.conversation import Turn
from acclimate.types import Answer, Hit, Style
from acclimate.workspace.answerer import open_answerer
from acclimate.workspace.workspace import ALL

if TYPE_CHECKING:  # what takes minutes is not needed to ask
    from acclimate.evaluation.comparison import Comparison, Metric
    from acclimate.evaluation.entry import ComparisonProgress
    from acclimate.evaluation.halving import Budget, Trial
    from acclimate.indexes.claims import IngestStatus
    from acclimate.indexes.moving import Moved, OnDocuments
    from acclimate.ingest_report import IngestProgress, IngestReport
    from acclimate.prompting.structured import SchemaLike
    from acclimate.sources.base import SyncProgress, SyncReport
    from acclimate.workflows.backup import Backup
    from acclimate.workflows.calibrate import Calibrated
    from acclimate.workflows.compare_plan import ComparisonPlan
    from acclimate.workflows.optimise_prompt import Optimised
    from acclimate.workflows.saved_texts import ImportedDocuments
    from acclimate.workflows.search import OnTrial, Searched
    from acclimate.workflows.watch import OnIngest


class Project(TuningVerbs):
    """A folder of documents to be asked, measured and tuned on.

    Options are named as on the command line. `progress` and the like are silent where None. Every
    job that takes minutes goes on where it was, when it was interrupted and is called again.
    """

    def ingest(
        self,
        *,
        check_all: bool = False,
        allow_empty: bool = False,
        progress: IngestProgress | None = None,
    ) -> IngestReport:
        """Bring the library up to date with the documents folder; see `acclimate.ingest.ingest`."""
        from acclimate.workflows.ingest import ingest_documents

        return ingest_documents(
            self, check_all=check_all, allow_empty=allow_empty, progress=progress
        )

    def work(
        self,
        *,
        check_all: bool = False,
        allow_empty: bool = False,
        progress: IngestProgress | None = None,
    ) -> IngestReport:
        """Be one of any number of workers, on any machines, that bring the library up to date
        together; see `acclimate.ingest_worker.work`."""
        from acclimate.workflows.ingest import work_on_documents

        return work_on_documents(
            self, check_all=check_all, allow_empty=allow_empty, progress=progress
        )

    def ingest_status(self) -> IngestStatus:
        """How far the workers are that ingest now, or how they ended."""
        from acclimate.workflows.ingest import ingest_status

        return ingest_status(self)

    def move_library(
        self, to: Literal["local", "postgres"], hear: OnDocuments | None = None
    ) -> Moved:
        """Move the library between the file beside the project and PostgreSQL; see
        `acclimate.workflows.move_library.move_library`."""
        from acclimate.workflows.move_library import move_library

        return move_library(self, to, hear)

    def import_documents(self, path: Path) -> ImportedDocuments:
        """Write the documents that LlamaIndex, LangChain or Haystack keeps at `path` into the
        documents folder; see `acclimate.documents.docstores`."""
        from acclimate.workflows.saved_texts import import_documents

        return import_documents(self, path)

    def watch(
        self,
        hear: OnIngest | None = None,
        *,
        stop: threading.Event | None = None,
        progress: IngestProgress | None = None,
    ) -> None:
        """Ingest now, and again whenever files below the documents folder change, until `stop`.

        `hear` is called with the result of each ingest. Errors of the first one are raised.
        """
        from acclimate.workflows.watch import watch_documents

        watch_documents(self, hear or (lambda _: None), stop=stop, progress=progress)

    def sync(
        self,
        names: Sequence[str] = (),
        *,
        accept_removals: bool = False,
        stop: threading.Event | None = None,
        progress: SyncProgress | None = None,
    ) -> SyncReport:
        """Mirror the `[sources]` of these names (none: all) into the documents folder, until `stop`;
        the next `ingest` reads what came.

        What is wrong with a source is in its report. `accept_removals` removes what is gone at a
        source even where that is most of what was there. Raises SettingsError for an unknown name.
        """
        from acclimate.workflows.sync import sync_sources

        return sync_sources(
            self, names, accept_removals=accept_removals, stop=stop, progress=progress
        )

    def retrieve(self, query: str, k: int | None = None, *, where: Filter = ALL) -> list[Hit]:
        """The best `k` chunks for a query (None: as `[retrieval]` says) among the documents that
        `where` leaves."""
        from acclimate.workspace.style import PASSAGES

        return self.retriever(where).retrieve(
            query, k or self.settings.retrieval.k or PASSAGES["tiny"]
        )

    def answer(
        self,
        question: str,
        *,
        recipe: str | None = None,
        where: Filter = ALL,
        schema: SchemaLike | None = None,
        turns: Sequence[Turn] = (),
        style: Style | None = None,
        on_text: OnText | None = None,
    ) -> Answer:
        """Answer a question by a recipe (None: as `[answer]` says) from the documents that `where`
        leaves.

        `turns` are the earlier questions and answers of a conversation, oldest first. With a
        `schema` (JSON Schema, or a pydantic model) the answer is JSON by it, and `Answer.data` its
        value. `style` is "short" or "full" (None: as the recipe or `[answer]` says). See
        `Answerer.answer`.
        """
        return self.answerer(recipe, where, schema, style).answer(question, on_text, turns)

    def answerer(
        self,
        recipe: str | None = None,
        where: Filter = ALL,
        schema: SchemaLike | None = None,
        style: Style | None = None,
    ) -> Answerer:
        """What answers by a recipe (None: as `[answer]` says), with everything loaded."""
        return open_answerer(self, recipe or self.settings.answer.recipe, where, schema, style)

    def warm(self, recipe: str | None = None) -> None:
        """Load everything that `answer` needs."""
        self.answerer(recipe)

    def plan_comparison(
        self, recipes: Sequence[str] = (), minutes: float | None = None
    ) -> ComparisonPlan:
        """Which recipes a comparison would run, and which adapters it needs that nobody trained."""
        from acclimate.workflows.compare_plan import plan_comparison

        return plan_comparison(self, recipes, minutes)

    def compare(  # noqa: PLR0913
        self,
        recipes: Sequence[str] = (),
        *,
        models: Sequence[str] = (),
        answers: Sequence[str] = (),
        checks: Sequence[str] = (),
        split: str = "test",
        metric: Metric = "f1",
        limit: int | None = None,
        minutes: float | None = None,
        optional: Sequence[str] = (),
        nli: Path | None = None,
        parallel: int = 0,
        stop_early: bool = False,
        since: str = "",
        against: Comparison | None = None,
        progress: ComparisonProgress | None = None,
    ) -> Comparison:
        """Run recipes over the questions of a split, score them, judge, and save it all.

        A recipe may change settings ("rag[k=8]") and name its model ("rag@MODEL"); without one it
        is run with each of `models`: names, paths, "http://HOST/v1#NAME", or "default" for the
        project's own. `answers` are files of another system's answers ("FILE", "NAME=FILE"; see
        `acclimate.evaluation.given`). `checks` are the user's own ("checks.py:FUNCTION",
        "regex:…", "contains:…", "schema:FILE"); `metric` decides, "check:NAME" one of them.

        `limit` takes so many of the questions, `minutes` as many as fit, and those of the
        `optional` recipes that do; without any recipe see `plan_comparison`. `stop_early` ends
        where a winner is certain. A server is asked for `parallel` answers at once (0: as `[model]
        parallel` says). `nli` is a folder with an entailment model (extra `tune`); the report shows
        the differences from `against`. With `since` (an ISO date) the notes tell whether questions
        added from then on fare worse. JSON, Markdown and HTML land in `.acclimate/comparisons`.
        Raises SettingsError for entries that cannot run and for a split without questions.
        """
        from acclimate.workflows.compare import CompareOptions, compare_recipes, save_comparison

        if not recipes and not optional:
            plan = self.plan_comparison(recipes, minutes)
            recipes, optional = plan.recipes, plan.optional
        options = CompareOptions(
            split=split,
            metric=metric,
            limit=limit,
            minutes=minutes,
            optional=optional,
            models=models,
            answers=answers,
            checks=checks,
            nli=nli,
            parallel=parallel,
            stop_early=stop_early,
            since=since,
        )
        comparison = compare_recipes(self, recipes, options, progress)
        save_comparison(self.layout.comparisons, comparison, against)
        return comparison

    def search(
        self,
        recipe: str = "rag",
        *,
        metric: Metric = "f1",
        minutes: float = 10.0,
        money: float | None = None,
        models: Sequence[str] = (),
        against: Comparison | None = None,
        progress: ComparisonProgress | None = None,
        on_trial: OnTrial | None = None,
    ) -> Searched:
        """Choose chunks, retrieval, style, prompt and model (the recipe's and `models`) on dev within
        minutes and money, then compare the choice with the settings as they are on test, once; the
        comparison is saved."""
        from acclimate.workflows.compare import save_comparison
        from acclimate.workflows.search import SearchOptions, search

        wanted = SearchOptions(recipe, metric, minutes, money, models)
        found = search(self, wanted, progress=progress, on_trial=on_trial)
        save_comparison(self.layout.comparisons, found.comparison, against)
        return found

    def latest_comparison(self) -> Comparison:
        """The comparison that was saved last. Raises SettingsError where there is none."""
        from acclimate.evaluation.comparison import latest_comparison

        return latest_comparison(self.layout.comparisons)

    def optimise(
        self,
        recipe: str = "rag",
        *,
        split: str = "dev",
        metric: Metric = "f1",
        budget: Budget,
        take: bool = False,
        reflect_by: str = "",
        on_trial: Callable[[Trial, int], None] | None = None,
    ) -> Optimised:
        """Choose the recipe's instruction and examples by their score on dev; the model `reflect_by`
        (a name, or http://HOST/v1#NAME) reads answers to train questions and proposes instructions.

        The winner is written into the project where its gain is measurable, or `take` says so.
        """
        from acclimate.workflows.optimise_prompt import optimise_recipe

        return optimise_recipe(
            self,
            recipe,
            split=split,
            metric=metric,
            budget=budget,
            take=take,
            reflect_by=reflect_by,
            on_trial=on_trial,
        )

    def calibrate(
        self, *, take: bool = False, on_progress: Callable[[int, int], None] | None = None
    ) -> Calibrated:
        """Choose the extractor's windows and limits on the dev questions.

        They are kept in the project where the gain is measurable, or `take` says
        so. Raises SettingsError where there are no dev questions with a document.
        """
        from acclimate.workflows.calibrate import calibrate

        return calibrate(self, take=take, on_progress=on_progress)

    def backup(self, file: Path, *, documents: bool = True, replace: bool = False) -> Backup:
        """Write the project into one file: settings, questions, library, adapters, keys, and the
        documents where they lie in its folder; it may be asked and ingested meanwhile.

        Raises ProjectError before the first ingest, and where `file` exists, unless `replace`.
        """
        from acclimate.workflows.backup import back_up

        return back_up(self, file, documents=documents, replace=replace)

    @classmethod
    def restore(cls, file: Path, folder: Path, *, replace: bool = False) -> Self:
        """Put the project in the backup `file` into `folder`, checked, and open it.

        Raises ProjectError for a file that is no whole backup, and, unless `replace`, where
        something that would be written exists; with it, that is removed.
        """
        from acclimate.workflows.restore import restore

        restore(file, folder, replace=replace)
        return cls.open(folder)

    def serve(self, *, ready: Callable[[str], None] | None = None) -> None:
        """Serve the project as `[serve]` says until the process is told to end; extra `serve`.

        `ready` hears the address once it answers.
        """
        from acclimate.errors import MissingExtraError

        try:
            from acclimate.serving.server import Server
        except ModuleNotFoundError as error:
            raise MissingExtraError("acclimate serve", "serve") from error
        Server(self, ready or (lambda _: None)).serve_project()
