"""The verbs of a project that train something, and hand it over."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from acclimate.project_questions import QuestionVerbs
from acclimate.tuning.knobs import PLANNED, Knobs

if TYPE_CHECKING:  # what takes minutes is not needed to ask
    from acclimate.models.merge import Precision
    from acclimate.tuning.export.export import Exported
    from acclimate.tuning.pairs.pairs import PairSource
    from acclimate.tuning.trainer import OnStep
    from acclimate.workflows.tune import Tuned
    from acclimate.workflows.tune_data import Teacher
    from acclimate.workflows.tune_preferences import PreferenceSource
    from acclimate.workflows.tune_preview import Inspection, PreviewProgress
    from acclimate.workflows.tune_retriever import Target, TunedRetriever


class TuningVerbs(QuestionVerbs):
    """Trains adapters and retrievers on a project's questions, pairs and documents."""

    def tune(  # noqa: PLR0913
        self,
        recipe: str,
        *,
        minutes: float = 5.0,
        rate: float | None = None,
        teacher: Teacher | None = None,
        data: PairSource | None = None,
        beta: float = 0.1,
        sources: Sequence[PreferenceSource] | None = None,
        again: bool = False,
        replay: bool = True,
        knobs: Knobs = PLANNED,
        on_step: OnStep | None = None,
    ) -> Tuned:
        """Train the adapter of a recipe (`lora`, `lora+rag`) on the questions of the train split,
        or on the pairs in a file; extra `tune`.

        It lands in `.acclimate/adapters` and is used by recipes that name it. `rate` is the peak
        learning rate (None: the method's); `teacher` is whose answers `distill` learns; `knobs`
        chooses rank, alpha, layers, epochs, batch, seeds, a sweep of rates, a tracker. The methods
        are those of `tuning.methods.METHODS`. `internalise` learns the documents themselves, by
        questions that are made about all of them. `beta` and `sources` are for `dpo` and `kto`: how
        dear it is to leave the untuned model, and which of the project's own answers are learnt
        from ("labels", "comparisons", "questions"; None: all). With `replay` the model is held to
        what it says of its own accord, in about a fifth of the time. Stopped, it goes on where it
        was, unless `again`.
        Raises SettingsError for splits that share documents, DataError for pairs that cannot be
        learnt, and EngineError where the adapter answers otherwise when it is served than when it
        was trained.
        """
        from acclimate.workflows.tune import TuneOptions, tune_recipe
        from acclimate.workflows.tune_preferences import PREFERENCE_SOURCES

        chosen = PREFERENCE_SOURCES if sources is None else tuple(sources)
        options = TuneOptions(minutes, rate, teacher, data, again, beta, chosen, replay, knobs)
        return tune_recipe(self, recipe, options, on_step)

    def inspect_tuning(  # noqa: PLR0913
        self,
        recipe: str,
        *,
        minutes: float = 5.0,
        rate: float | None = None,
        teacher: Teacher | None = None,
        data: PairSource | None = None,
        beta: float = 0.1,
        sources: Sequence[PreferenceSource] | None = None,
        knobs: Knobs = PLANNED,
        listener: PreviewProgress | None = None,
    ) -> Inspection:
        """Preview of `tune`: what it would train on, how, and the resources it needs; nothing is
        trained.

        `listener` receives the data before any network is loaded.
        """
        from acclimate.workflows.tune import TuneOptions
        from acclimate.workflows.tune_preferences import PREFERENCE_SOURCES
        from acclimate.workflows.tune_preview import inspect_tuning

        chosen = PREFERENCE_SOURCES if sources is None else tuple(sources)
        options = TuneOptions(minutes, rate, teacher, data, beta=beta, sources=chosen, knobs=knobs)
        return inspect_tuning(self, recipe, options, listener)

    def tune_retriever(
        self,
        target: Target,
        *,
        minutes: float = 5.0,
        rate: float | None = None,
        matryoshka: bool = False,
        take: bool = False,
        on_step: OnStep | None = None,
    ) -> TunedRetriever:
        """Train the project's "embedder" or "reranker" on its own questions; extra `tune`.

        With `take`, acclimate.toml names the result where it is better on dev.
        """
        from acclimate.workflows.tune_retriever import tune_retriever

        return tune_retriever(
            self,
            target,
            minutes=minutes,
            rate=rate,
            matryoshka=matryoshka,
            take=take,
            on_step=on_step,
        )

    def export(
        self,
        recipe: str,
        form: str,
        target: Path,
        *,
        precision: Precision = "Q8_0",
        base: str | None = None,
        push: str | None = None,
        public: bool = False,
    ) -> Exported:
        """Write what the recipe's model learnt to `target` in another format, checked against what
        is served here.

        `base` is the hub id of the unquantised base (None: as far as it is known); `push` is a
        repository of a Hugging Face hub to upload it to, private unless `public`.
        """
        from acclimate.workflows.export import HandOver, export_recipe

        over = HandOver(base, push, public)
        return export_recipe(self, recipe, form, target, precision, over)
