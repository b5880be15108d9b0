"""The composition root: here, and in the files beside it that it calls, names in `acclimate.toml` become objects."""

from __future__ import annotations

import os
import threading
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self

from acclimate.answer import Answerer
from acclimate.answering import open_answerer
from acclimate.embeddings.base import Embedder, PictureEmbedder
from acclimate.engines import adapter_of, load_engine
from acclimate.errors import ProjectError
from acclimate.indexes.base import GraphIndex
from acclimate.indexes.filters import Filter, parse_rules
from acclimate.indexes.library import Library
from acclimate.indexes.stores import Server, open_indexes
from acclimate.ingest import IngestReport, Progress
from acclimate.models.base import Engine, OnText
from acclimate.models.catalogue import Kind
from acclimate.models.store import LocalModel, OnBytes, locate
from acclimate.prompting.conversation import Turn
from acclimate.prompting.recipes import Recipe, find_recipe
from acclimate.prompting.templates import load_template
from acclimate.questions.file import read_questions
from acclimate.retrieval.base import Retriever
from acclimate.retrieval.diversity import DiverseRetriever
from acclimate.retrieval.graph import GraphRetriever, Matcher
from acclimate.retrieval.neighbours import NeighbourRetriever
from acclimate.retrieval.pictures import PictureRetriever
from acclimate.retrieval.rerank import RerankingRetriever
from acclimate.retrieval.rewrite import RewritingRetriever
from acclimate.retrieval.search import DenseRetriever, HybridRetriever, ParentRetriever, TextRetriever
from acclimate.settings import FILE_NAME, Settings, load_settings, render_settings
from acclimate.types import Answer, Generation, Hit, Message, Question

if TYPE_CHECKING:  # comparing and tuning are not needed to ask
    from acclimate.adapting import Tuned
    from acclimate.embeddings.cross_encoder import CrossEncoder
    from acclimate.evaluation.compare import Progress as CompareProgress
    from acclimate.evaluation.comparison import Comparison, Metric
    from acclimate.extracting import Extracting
    from acclimate.learning import Teacher
    from acclimate.prompting.structured import SchemaLike
    from acclimate.tuning.pairs import PairSource
    from acclimate.tuning.trainer import OnStep

_ALL = Filter()


class Project:
    """A folder with `acclimate.toml` and, once ingested, `.acclimate/`. Models are loaded when they are first needed.

    `on_bytes` hears of models being downloaded. Close it, or use it in a `with` statement.
    """

    def __init__(self, folder: Path, settings: Settings, on_bytes: OnBytes | None = None) -> None:
        self.folder, self.settings = folder, settings
        self._on_bytes = on_bytes
        self._loader = ThreadPoolExecutor(1, thread_name_prefix="load")
        self._loading = threading.Lock()
        self._engines: dict[Path | None, Engine] = {}

    @classmethod
    def create(cls, folder: Path, documents: Path) -> Self:
        """Write a new `acclimate.toml` in `folder` for the folder `documents`, and open it.

        Raises ProjectError where there is one already.
        """
        file = folder / FILE_NAME
        folder.mkdir(parents=True, exist_ok=True)
        relative = (
            Path(os.path.relpath(documents.resolve(), folder.resolve())) if documents.is_absolute() else documents
        )
        text = render_settings(relative)
        try:
            text.encode()
        except UnicodeEncodeError as error:
            raise ProjectError(
                f"the name of the documents folder, {str(relative)!a}, is not UTF-8; {FILE_NAME} cannot hold it.",
                hint="Rename the folder.",
            ) from error
        try:
            with file.open("x", encoding="utf-8") as out:
                out.write(text)
        except FileExistsError as error:
            raise ProjectError(f"{file} exists already.", hint="Edit it, or choose another folder.") from error
        return cls(folder, load_settings(file))

    @classmethod
    def open(cls, folder: Path = Path(), on_bytes: OnBytes | None = None) -> Self:
        """The project in `folder` or the nearest folder above it. Raises ProjectError where there is none."""
        here = folder.resolve()
        for candidate in (here, *here.parents):
            if (candidate / FILE_NAME).is_file():
                return cls(candidate, load_settings(candidate / FILE_NAME), on_bytes)
        raise ProjectError(f"{here} is not a project: there is no {FILE_NAME}.", hint="acclimate ingest FOLDER")

    def with_settings(self, settings: Settings, *, share_models: bool = True) -> Self:
        """This project with other settings of retrieval and answers. Library, embedder, and language models unless
        another `[model]` is set, are this one's: close only this one."""
        other = type(self)(self.folder, settings, self._on_bytes)
        other.__dict__ |= {"library": self.library, "embedder": self.embedder}
        other._engines = self._engines if share_models else {}
        return other

    @property
    def file(self) -> Path:
        """The project's `acclimate.toml`."""
        return self.folder / FILE_NAME

    @property
    def documents(self) -> Path:
        """The folder of documents."""
        return self.folder / self.settings.documents.path

    @cached_property
    def library(self) -> Library:
        """The project's library."""
        chosen = self.settings.store
        server = Server(chosen.url, chosen.prefix, os.environ.get(chosen.api_key_env)) if chosen.url else None
        retrieval = self.settings.retrieval
        opened = open_indexes(chosen.vectors, chosen.texts, server)
        graph = None if retrieval.graph == "none" else self._open_graph
        return Library(self.folder / ".acclimate", opened, graph, retrieval.language)

    def _open_graph(self, folder: Path) -> GraphIndex:
        from acclimate.graphing import open_graph

        by_model = self.settings.retrieval.graph == "model"
        template = load_template("triples", self.folder / "templates") if by_model else None
        return open_graph(folder, template, self.settings.model.name, self.write)

    @cached_property
    def embedder(self) -> Embedder:
        """What `[embedder]` names."""
        from acclimate.encoders import open_embedder

        return open_embedder(self)

    @cached_property
    def cross_encoder(self) -> CrossEncoder:
        """What `[retrieval] rerank` names."""
        from acclimate.encoders import open_cross_encoder

        return open_cross_encoder(self)

    @cached_property
    def extractor(self) -> Extracting:
        """What marks answers for the recipe `extract`."""
        from acclimate.extracting import open_extractor

        return open_extractor(self)

    @cached_property
    def pictures(self) -> PictureEmbedder | None:
        """What `[images]` names; None where it names nothing."""
        if not self.settings.images.model:
            return None
        from acclimate.embeddings.clip import ClipEmbedder  # loads PyTorch

        model = self.local_model(self.settings.images.model, "embedder")
        return ClipEmbedder(model.folder, weights_sha256=model.sha256)

    def engine(self, recipe: str | None = None) -> Engine:
        """What `[model]` names, with the adapter that the recipe wears; loaded once."""
        chosen = find_recipe(recipe or self.settings.answer.recipe)
        if chosen.extracts:
            return self.extractor
        return self.engine_with(self.adapter(chosen))

    def engine_with(self, adapter: Path | None) -> Engine:
        """What `[model]` names, with this adapter; loaded once."""
        with self._loading:
            if adapter not in self._engines:
                self._engines[adapter] = self._load_engine(adapter)
            return self._engines[adapter]

    def engine_soon(self, recipe: str) -> Future[Engine]:
        """`engine`, loaded while the caller does something else."""
        return self._loader.submit(self.engine, recipe)

    def _load_engine(self, adapter: Path | None) -> Engine:
        return load_engine(self, adapter)

    def adapter(self, recipe: Recipe) -> Path | None:
        """The PEFT folder that a recipe wears.

        That is the tuned adapter that it names, else what `[model] adapter` names. "auto" is the reader that ships for
        the model, if any, and only for recipes that show passages: it is made for those. A server has its own.
        """
        return adapter_of(self, recipe)

    def ingest(
        self, *, check_all: bool = False, allow_empty: bool = False, progress: Progress | None = None
    ) -> IngestReport:
        """Bring the library up to date with the documents; see `acclimate.ingest.ingest`."""
        from acclimate.reading import ingest_documents  # not needed to ask

        return ingest_documents(self, check_all, allow_empty, progress)

    def retrieve(self, query: str, k: int | None = None, *, where: Filter = _ALL) -> list[Hit]:
        """The best `k` chunks for a query (None: as `[retrieval]` says) among the documents that `where` leaves."""
        return self.retriever(where).retrieve(query, k or self.settings.retrieval.k)

    def answer(
        self,
        question: str,
        *,
        recipe: str | None = None,
        where: Filter = _ALL,
        schema: SchemaLike | None = None,
        turns: Sequence[Turn] = (),
        on_text: OnText | None = None,
    ) -> Answer:
        """Answer a question by a recipe (None: as `[answer]` says) from the documents that `where` leaves.

        `turns` are the earlier questions and answers of a conversation, oldest first. With a `schema`
        (JSON Schema, or a pydantic model) the answer is JSON by it, and `Answer.data` its value. See `Answerer.answer`.
        """
        return self.answerer(recipe, where, schema).answer(question, on_text, turns)

    def compare(
        self,
        recipes: Sequence[str],
        *,
        split: str = "test",
        metric: Metric = "f1",
        limit: int | None = None,
        minutes: float | None = None,
        optional: Sequence[str] = (),
        nli: Path | None = None,
        progress: CompareProgress | None = None,
    ) -> Comparison:
        """Run recipes over the questions of a split, score them and judge; kept in `.acclimate/comparisons`.

        `limit` takes so many of the questions, `minutes` as many as fit, and those of the `optional` recipes that do.
        `nli` is a folder with an entailment model (extra `tune`). Interrupted, it goes on where it was: answers
        are kept one by one. Raises SettingsError for recipes that cannot run and for a split without questions.
        """
        from acclimate.comparing import compare_recipes

        return compare_recipes(
            self,
            recipes,
            split=split,
            metric=metric,
            limit=limit,
            minutes=minutes,
            optional=optional,
            nli=nli,
            progress=progress,
        )

    def tune(
        self,
        recipe: str,
        *,
        minutes: float = 5.0,
        rate: float | None = None,
        teacher: Teacher | None = None,
        data: PairSource | None = None,
        again: bool = False,
        on_step: OnStep | None = None,
    ) -> Tuned:
        """Train the adapter of a recipe (`lora`, `lora+rag`) on the questions of the train split, or on the pairs in a
        file; extra `tune`.

        It lands in `.acclimate/adapters` and is used by recipes that name it. `rate` is the peak learning rate (None:
        the method's); `teacher` is whose answers `distill` learns. The methods are those of `tuning.methods.METHODS`.
        Stopped, it goes on where it was, unless `again`. Raises SettingsError for splits that share documents,
        DataError for pairs that cannot be learnt, and EngineError where the adapter answers otherwise when it is served
        than when it was trained.
        """
        from acclimate.adapting import TuneOptions, tune_recipe

        return tune_recipe(self, recipe, TuneOptions(minutes, rate, teacher, data, again), on_step)

    def questions(self) -> list[Question]:
        """The questions in the project's `questions.jsonl`; [] where there is no such file."""
        file = self.folder / "questions.jsonl"
        return read_questions(file) if file.exists() else []

    def warm(self, recipe: str | None = None) -> None:
        """Load everything that `answer` needs."""
        self.answerer(recipe)

    def retriever(self, where: Filter = _ALL) -> Retriever:
        """What `[retrieval]` names, over the documents that `where` leaves.

        Raises ProjectError before the first ingest, and SettingsError for a filter by what no document has.
        """
        if not (self.folder / ".acclimate" / "library.db").exists() or self.library.record.embedder is None:
            raise ProjectError(f"{self.folder} has not been ingested yet.", hint="acclimate ingest")
        library, chosen = self.library, self.settings.retrieval
        among = None if where == _ALL else library.among(self.paths(where))
        text = TextRetriever(library.texts, library.fetch, among)
        found: Matcher = text
        if chosen.method != "text":
            library.require_embedder(self.embedder.fingerprint)
            dense = DenseRetriever(self.embedder, library.vectors, library.fetch, among)
            hybrid = HybridRetriever(dense, text, chosen.candidates, chosen.dense_weight, chosen.fusion)
            found = dense if chosen.method == "dense" else hybrid
        retriever: Retriever = found
        if library.graph is not None:
            retriever = GraphRetriever(found, library.graph, library.fetch, chosen.graph_weight, among)
        if chosen.rewrite != "none":
            template = load_template(chosen.rewrite, self.folder / "templates")
            retriever = RewritingRetriever(retriever, template, self.write)
        if chosen.rerank != "none":
            encoder, weight = self.cross_encoder, chosen.rerank_weight
            weight = encoder.weight if weight is None else weight
            retriever = RerankingRetriever(retriever, encoder, chosen.rerank_candidates, weight)
        if self.pictures is not None:
            table, places = library.record.pictures, self.settings.images.passages
            retriever = PictureRetriever(retriever, self.pictures, table, library.fetch, places, among)
        if chosen.diversity:
            retriever = DiverseRetriever(retriever, library.record.vectors_of, chosen.diversity)
        if self.settings.chunking.method == "parent-child":
            retriever = ParentRetriever(retriever, library.record.parent)
        if chosen.neighbours:
            record = library.record
            retriever = NeighbourRetriever(retriever, record.outline, record.cut, chosen.neighbours)
        return retriever

    def write(self, messages: Sequence[Message], max_tokens: int, schema: str = "") -> str:
        """What the language model writes without the reader's adapter; held to a JSON Schema, where given."""
        return self.engine("zero-shot").generate(messages, Generation(max_tokens=max_tokens, schema=schema)).text

    def paths(self, where: Filter = _ALL) -> list[str]:
        """The documents that a filter leaves; nothing else may reach a prompt."""
        return self.library.paths(where, parse_rules(self.settings.documents.labels))

    def answerer(self, recipe: str | None = None, where: Filter = _ALL, schema: SchemaLike | None = None) -> Answerer:
        """What answers by a recipe (None: as `[answer]` says) from the documents that `where` leaves, loaded."""
        return open_answerer(self, recipe or self.settings.answer.recipe, where, schema)

    def keep_only(self, adapter: Path | None) -> None:
        """Free every loaded language model but the one with this adapter."""
        for other in [held for held in self._engines if held != adapter]:
            self._engines.pop(other).close()

    def local_model(self, name: str, kind: Kind) -> LocalModel:
        """A model's files, fetched where they are not there."""
        if (here := locate(name)) is not None:
            return here
        from acclimate.models.fetch import fetch  # the network's packages take 0.1 s, and are seldom needed

        return fetch(name, kind, self._on_bytes)

    def close(self) -> None:
        """Free models and files."""
        self._loader.shutdown()
        for engine in self._engines.values():
            engine.close()
        if "library" in self.__dict__:
            self.library.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
