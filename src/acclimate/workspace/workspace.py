"""A project folder's settings and what they name, each loaded once. It knows no job that takes
minutes."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Self

from acclimate.documents.places import Place
from acclimate.embeddings.base import Embedder, PictureEmbedder
from acclimate.errors import ProjectError, SettingsError, legible
from acclimate.indexes.base import GraphIndex
from acclimate.indexes.filters import Filter, parse_rules
from acclimate.indexes.library import Library
from acclimate.indexes.stores import open_indexes
from acclimate.models.base import Engine
from acclimate.models.entries import ModelKind
from acclimate.models.store import LocalModel, OnBytes, locate
from acclimate.prompting.conversation import complete
from acclimate.prompting.recipes import Recipe, find_recipe
from acclimate.prompting.replies import ask, json_text
from acclimate.prompting.templates import Template, load_template
from acclimate.questions.feedback import FeedbackFile
from acclimate.questions.file import QuestionFile, read_questions
from acclimate.retrieval.base import Retriever
from acclimate.settings import Settings, load_settings
from acclimate.settings_file import render_settings
from acclimate.settings_library import path_or_address
from acclimate.sources.origins import Origins
from acclimate.system import ending
from acclimate.system.closing import Closing
from acclimate.types import Generation, Message, Question
from acclimate.workspace.engine import FindModel, adapter_of, load_engine
from acclimate.workspace.layout import Layout
from acclimate.workspace.place import open_documents
from acclimate.workspace.record import open_record, store_server
from acclimate.workspace.retriever import Parts, open_retriever
from acclimate.workspace.shelf import Shelf

if TYPE_CHECKING:  # their packages load only where they are used
    from acclimate.embeddings.base import CrossEncoder
    from acclimate.workspace.extractor import ExtractiveReader

ALL = Filter()
"""Leaves every document."""

LoadEngine = Callable[[Settings, Path | None, FindModel], Engine]
"""Loads the language model that settings name, with this adapter."""


class Workspace(Closing):
    """A folder with `acclimate.toml` and, once ingested, `.acclimate/`.

    Models are loaded when they are first needed, once for all that hold the same `shelf` (None: its
    own). `on_bytes` is called while models are downloaded. An `embedder` or `library` that is given
    is used in place of the folder's own, and not closed here. Close it, or use it in a `with`
    statement.
    """

    def __init__(
        self,
        folder: Path,
        settings: Settings,
        on_bytes: OnBytes | None = None,
        *,
        embedder: Embedder | None = None,
        library: Library | None = None,
        shelf: Shelf | None = None,
    ) -> None:
        self.folder, self.settings = folder, settings
        self.layout = Layout(folder)
        self._on_bytes = on_bytes
        self._given_embedder, self._given_library = embedder, library
        self._lender: Workspace | None = None
        self._worn: Path | None = None
        self.shelf = shelf or Shelf()
        self._load: LoadEngine | None = None
        self._loader = ThreadPoolExecutor(1, thread_name_prefix="load")
        self._loading = threading.Lock()
        self._engines: dict[Path | None, Engine] = {}

    @classmethod
    def create(cls, folder: Path, documents: Path | str) -> Self:
        """Write a new `acclimate.toml` in `folder` for the folder `documents`, a path or an address
        like s3://BUCKET/FOLDER, and open it.

        Raises ProjectError where there is one already.
        """
        file = Layout(folder).settings
        folder.mkdir(parents=True, exist_ok=True)
        relative: Path | str = path_or_address(documents)
        if isinstance(relative, Path) and relative.is_absolute():
            relative = Path(os.path.relpath(relative.resolve(), folder.resolve()))
        try:
            text = render_settings(relative).encode()
        except UnicodeEncodeError as error:
            hint = "Rename it; acclimate.toml can hold no other name."
            name = legible(str(documents))
            raise ProjectError(f"the name of the folder {name} is not UTF-8.", hint=hint) from error
        try:
            with ending.held(), file.open("xb") as out:
                out.write(text)
        except FileExistsError as error:
            raise ProjectError(
                f"{file} exists already.", hint="Edit it, or choose another folder."
            ) from error
        return cls(folder, load_settings(file))

    @classmethod
    def open(
        cls,
        folder: Path = Path(),
        on_bytes: OnBytes | None = None,
        *,
        shelf: Shelf | None = None,
    ) -> Self:
        """The project in `folder` or the nearest folder above it.

        Raises ProjectError where there is none.
        """
        here = folder.resolve()
        for candidate in (here, *here.parents):
            file = Layout(candidate).settings
            if file.is_file():
                return cls(candidate, load_settings(file), on_bytes, shelf=shelf)
        name = Layout(here).settings.name
        raise ProjectError(
            f"{here} is not a project: there is no {name}.", hint="acclimate ingest FOLDER"
        )

    def sharing(
        self, settings: Settings, *, share_models: bool = True, load: LoadEngine | None = None
    ) -> Self:
        """The same folder with other settings of retrieval and answers, and without
        `share_models` of another language model, which `load` loads (None: as here).

        Library, embedder, what reads passages, and (with `share_models`) language models are this
        one's: close only this one.
        """
        other = type(self)(self.folder, settings, self._on_bytes, shelf=self.shelf)
        other._lender, other._load = self, load or self._load
        if share_models:
            other._engines, other._loading = self._engines, self._loading
        return other

    def over(self, library: Library, settings: Settings) -> Self:
        """As `sharing`, over another library, which whoever opened it closes."""
        other = self.sharing(settings)
        other._given_library = library
        return other

    def wearing(self, adapter: Path) -> Self:
        """As `sharing`; recipes that name an adapter of their own wear this one instead, a run of
        it with another seed."""
        other = self.sharing(self.settings)
        other._worn = adapter
        return other

    @property
    def file(self) -> Path:
        """The project's `acclimate.toml`."""
        return self.layout.settings

    @property
    def documents(self) -> Path:
        """The folder of documents on this machine. Raises SettingsError where it is elsewhere."""
        if (local := self.place.local) is None:
            raise SettingsError(
                f"the documents are at {self.place.shown}, and this needs a folder of this machine.",
                hint="Add, change and remove documents there; for this, set [documents] path.",
            )
        return local

    @cached_property
    def place(self) -> Place:
        """Where the documents are."""
        return open_documents(self.settings.documents, self.folder)

    @property
    def documents_shown(self) -> str:
        """The folder of documents as messages name it: as acclimate.toml does, seen from here."""
        path = self.settings.documents.path
        if isinstance(path, str):
            return self.place.shown
        as_is = path.is_absolute() or str(path).startswith("~")
        return str(path) if as_is else os.path.relpath(self.documents)

    @cached_property
    def origins(self) -> Origins:
        """Where documents of `[sources]` come from."""
        return Origins(self.place.local)

    @cached_property
    def library(self) -> Library:
        """The project's library."""
        if self._given_library is not None:
            return self._given_library
        if self._lender is not None:
            return self._lender.library
        chosen, retrieval = self.settings.store, self.settings.retrieval
        opened = open_indexes(chosen.vectors, chosen.texts, store_server(chosen))
        graph = None if retrieval.graph == "none" else self._open_graph
        database = open_record(chosen) if chosen.record == "postgres" else None
        return Library(self.layout.state, opened, graph, retrieval.language, database)

    @property
    def ingested(self) -> bool:
        """Whether there is a library."""
        if self.settings.store.record == "local":
            return self.layout.ingested
        return self.library.record.embedder is not None

    def _open_graph(self, folder: Path) -> GraphIndex:
        from acclimate.workspace.graph import open_graph

        by_model = self.settings.retrieval.graph == "model"
        template = self.template("triples") if by_model else None
        return open_graph(folder, template, self.settings.model.name, self.write)

    @cached_property
    def embedder(self) -> Embedder:
        """What `[embedder]` names."""
        if self._given_embedder is not None:
            return self._given_embedder
        if self._lender is not None:
            return self._lender.embedder
        from acclimate.workspace.encoders import shared_embedder

        chosen = self.settings.embedder
        return shared_embedder(chosen, self.folder, self.local_model, self.shelf)

    @cached_property
    def cross_encoder(self) -> CrossEncoder:
        """What `[retrieval] rerank` names."""
        name = self.settings.retrieval.rerank
        if self._lender is not None and self._lender.settings.retrieval.rerank == name:
            return self._lender.cross_encoder
        from acclimate.workspace.extractor import open_reranker

        return open_reranker(name, self.layout, self.local_model, self.shelf)

    @cached_property
    def extractor(self) -> ExtractiveReader:
        """What marks answers for the recipe `extract`."""
        if self._lender is not None:
            return self._lender.extractor
        from acclimate.workspace.extractor import open_extractor

        name = self.settings.answer.extractor
        return open_extractor(name, self.layout, self.local_model, self.shelf)

    @cached_property
    def pictures(self) -> PictureEmbedder | None:
        """What `[images]` names; None where it names nothing."""
        if not self.settings.images.model:
            return None
        from acclimate.embeddings.clip import ClipEmbedder  # loads PyTorch

        model = self.local_model(self.settings.images.model, "embedder")
        return self.shelf.take(
            ("pictures", model.folder, model.sha256),
            lambda: ClipEmbedder(model.folder, weights_sha256=model.sha256),
        )

    def engine(self, recipe: str | None = None) -> Engine:
        """What `[model]` names, with the adapter of the recipe; loaded once."""
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

    def _load_engine(self, adapter: Path | None) -> Engine:
        if self._load is not None:
            return self._load(self.settings, adapter, self.local_model)
        return load_engine(self.settings.model, adapter, self.local_model, self.shelf)

    def engine_soon(self, recipe: str) -> Future[Engine]:
        """`engine`, loaded while the caller does something else."""
        return self._loader.submit(self.engine, recipe)

    def keep_only(self, adapter: Path | None) -> None:
        """Free every loaded language model but the one with this adapter."""
        for other in [held for held in self._engines if held != adapter]:
            self.shelf.give_back(self._engines.pop(other))

    def free(self) -> None:
        """Free every loaded language model; each is loaded again when it is needed."""
        while self._engines:
            self.shelf.give_back(self._engines.popitem()[1])

    def adapter(self, recipe: Recipe) -> Path | None:
        """The PEFT folder of a recipe.

        That is the tuned adapter that it names, else what `[model] adapter` names. "auto" is the
        reader that ships for the model, if any, and only for recipes that show passages: it is made
        for those. A server has its own.
        """
        if recipe.adapter and self._worn is not None:
            return self._worn
        return adapter_of(self.settings.model, self.layout, recipe)

    def require_ingested(self) -> None:
        """Raises ProjectError before the first ingest."""
        if not self.ingested or self.library.record.embedder is None:
            raise ProjectError(f"{self.folder} has not been ingested yet.", hint="acclimate ingest")

    def retriever(self, where: Filter = ALL) -> Retriever:
        """What `[retrieval]` names, over the documents that `where` leaves.

        Raises ProjectError before the first ingest, and SettingsError for a filter by what no
        document has.
        """
        self.require_ingested()
        among = None if where == ALL else self.library.among(self.paths(where))
        parts = Parts(
            library=self.library,
            embedder=lambda: self.embedder,
            cross_encoder=lambda: self.cross_encoder,
            pictures=self.pictures,
            template=self.template,
            write=self.write,
        )
        return open_retriever(self.settings, parts, among)

    def paths(self, where: Filter = ALL) -> list[str]:
        """The documents that a filter leaves; nothing else may reach a prompt."""
        return self.library.paths(where, parse_rules(self.settings.documents.labels))

    def template(self, name: str) -> Template:
        """A prompt template by its name: the user's own before the one that ships."""
        return load_template(name, self.layout.templates)

    def write(self, messages: Sequence[Message], max_tokens: int, schema: str = "") -> str:
        """What the language model writes without the reader's adapter.

        The text is held to `schema`, a JSON Schema, where given.
        """
        options = Generation(max_tokens=max_tokens, schema=schema)
        text = ask(self.engine("zero-shot"), messages, options).text
        return json_text(text) if schema else text

    def questions(self) -> list[Question]:
        """The questions in the project's `questions.jsonl`; [] where there is no such file."""
        file = self.layout.questions
        return read_questions(file) if file.exists() else []

    def single_questions(self) -> list[Question]:
        """The questions for what learns or chooses from single ones: a follow-up has what it points
        back to put into it, by rule."""
        return [alone(question) for question in self.questions()]

    @property
    def question_file(self) -> QuestionFile:
        """The project's `questions.jsonl`, to be changed."""
        return QuestionFile(self.layout.questions, self.layout.questions_lock)

    @property
    def feedback_file(self) -> FeedbackFile:
        """The project's `feedback.jsonl`."""
        return FeedbackFile(self.layout.feedback, self.layout.feedback_lock)

    def local_model(self, name: str, kind: ModelKind) -> LocalModel:
        """A model's files, fetched where they are not here yet."""
        if (here := locate(name)) is not None:
            return here
        from acclimate.models.fetch import fetch  # the network's packages take 0.1 s

        return fetch(name, kind, self._on_bytes)

    def close(self) -> None:
        """Free models and files."""
        # Told to end, nobody waits for a model that still loads: the process ends without it.
        self._loader.shutdown(wait=not ending.requested(), cancel_futures=True)
        self.free()
        own = self._given_library is None and self._lender is None
        if "library" in self.__dict__ and own:
            self.library.close()


def alone(question: Question) -> Question:
    """A question that can be understood without the conversation before it."""
    if not question.turns:
        return question
    return replace(question, question=complete(question.question, question.turns), turns=())
