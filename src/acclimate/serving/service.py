"""A project as a server uses it: many callers at once, while the library is brought up to date."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Literal, TypeVar

from acclimate.answer import Answerer
from acclimate.embeddings.base import Embedder
from acclimate.errors import AcclimateError, LibraryError, UnfilledError
from acclimate.indexes.filters import Filter, labels_of, parse_rules
from acclimate.indexes.shared import Shared
from acclimate.project import Project
from acclimate.prompting.citations import Resolved
from acclimate.prompting.demonstrations import Demonstration
from acclimate.prompting.recipes import USUAL, Recipe, find_recipe
from acclimate.serving.ask import Ask
from acclimate.serving.errors import ApiError
from acclimate.serving.keys import Caller
from acclimate.serving.tracing import answering
from acclimate.settings import Settings
from acclimate.types import Abstention, Answer, Hit, Style
from acclimate.workspace.answerer import why_nothing
from acclimate.workspace.record import open_record
from acclimate.workspace.style import manner_of

T = TypeVar("T")
State = Literal["ready", "starting", "failed", "draining", "unreachable"]
_SPECIAL = 2  # tokens that begin and end what an embedder reads
_ON_THIS_CPU, _BY_A_SERVER = 1, 16  # answers at once


class PendingAnswer:
    """An answer on its way, in pieces: its raw text, then the `Answer`, or the error that ended
    it."""

    def __init__(self) -> None:
        self._pieces: asyncio.Queue[str | Answer | BaseException] = asyncio.Queue()
        self._loop = asyncio.get_running_loop()
        self._left = threading.Event()
        self.future: Future[None] | None = None
        self.waited = 0.0  # seconds in the queue
        self.began = time.perf_counter()

    def cancel(self) -> None:
        """Nobody waits for it any more."""
        self._left.set()
        if self.future is not None:
            self.future.cancel()

    @property
    def left(self) -> bool:
        """Whether nobody waits for it any more."""
        return self._left.is_set()

    async def next(self, seconds: float) -> str | Answer | BaseException | None:
        """The next piece; None where none came for so long."""
        try:
            return await asyncio.wait_for(self._pieces.get(), seconds)
        except TimeoutError:
            return None

    def say(self, piece: str | Answer | BaseException) -> bool:
        """Pass on what came, from any thread; False where nobody waits."""
        if not self._left.is_set():
            self._loop.call_soon_threadsafe(self._pieces.put_nowait, piece)
        return not self._left.is_set()


def at_once(settings: Settings) -> int:
    """Answers of a project that are written at once."""
    alone = _BY_A_SERVER if settings.model.engine == "openai" else _ON_THIS_CPU
    return settings.serve.parallel or alone


class Service:
    """Answers, searches and embeds for a server.

    The record is read under one lock, for milliseconds; models write outside it. Answers beyond
    those that run at once wait in a queue of `[serve] queue`; further ones are refused, with the
    time after which to come again. When `draining` is set it answers, but is not ready for more.
    Where a server has several projects, `name` is this one's, and what is answered on this machine
    takes its `turns` with the others.
    """

    def __init__(
        self,
        project: Project,
        draining: threading.Event | None = None,
        *,
        name: str = "",
        turns: AbstractContextManager[object] | None = None,
    ) -> None:
        self.project, self.name = project, name
        self.parallel = at_once(project.settings)
        self._turns = turns or nullcontext()
        self._room = self.parallel + project.settings.serve.queue
        self._lock = threading.RLock()
        self._counting = threading.Lock()
        self._pool = ThreadPoolExecutor(self.parallel, thread_name_prefix="answer")
        self._seconds = 1.0  # of an answer, as a moving average
        self.waiting = 0
        self.ready, self.failed = False, False
        self.draining = draining or threading.Event()
        self.reached = True  # whether the library could be read when it was last tried
        self.rules = parse_rules(project.settings.documents.labels)

    @property
    def embedder(self) -> Embedder:
        """The project's embedder, loaded once."""
        with self._lock:
            return self.project.embedder

    def warm(self) -> None:
        """Load the models of the project's recipe; `ready` then, or `failed`."""
        try:
            _ = self.embedder
            self.project.engine()
            self.read(lambda: None)
        except BaseException:
            self.failed = True
            raise
        self.ready = True

    def read(self, what: Callable[[], T]) -> T:
        """Read from the library as it is now, in one state of it, whoever ingests meanwhile."""
        with self._lock:
            try:
                found = self.project.library.read(what)
            except LibraryError as error:
                self.reached = not error.retryable
                raise
            self.reached = True
            return found

    def state(self) -> State:
        """Whether it should be asked now. Where the library could not be read, it is tried again."""
        if self.draining.is_set():
            return "draining"
        if not self.ready:
            return "failed" if self.failed else "starting"
        if not self.reached:
            try:
                self.read(lambda: None)
            except LibraryError:
                return "unreachable"
        return "ready"

    @cached_property
    def shared(self) -> Shared | None:
        """What the servers of this library share beside it; None for a file, which has one."""
        chosen = self.project.settings.store
        return None if chosen.record == "local" else Shared(open_record(chosen))

    def sees(self, caller: Caller, path: str) -> bool:
        """Whether a caller may see the document at `path`."""
        return caller.sees.sees(path, self.rules)

    def recipe(self, name: str, caller: Caller) -> Recipe:
        """The recipe `name` ("" or "default": the project's own).

        Raises ApiError where there is none, or it is not for this caller: an adapter that was
        trained on the project's questions may know what documents with labels say.
        """
        try:
            recipe = find_recipe(
                self.project.settings.answer.recipe if name in ("", "default") else name
            )
            self.project.adapter(recipe)
        except AcclimateError as error:
            raise ApiError(404, str(error), "model_not_found", param="model") from error
        if recipe.adapter and self.rules and caller.labels is not None:
            raise ApiError(
                403,
                f"'{recipe.name}' is not for keys that see some labels only.",
                "label_missing",
                param="model",
            )
        return recipe

    def recipes(self, caller: Caller) -> list[Recipe]:
        """The recipes that can run: the project's own first, then the usual ones and those of
        trained adapters."""
        adapters = [folder.name for folder in self.project.layout.trained_adapters()]
        solved = any(question.split == "train" for question in self.project.questions())
        found = []
        for name in dict.fromkeys([self.project.settings.answer.recipe, *USUAL, *adapters]):
            try:
                recipe = self.recipe(name, caller)
            except ApiError:
                continue
            if solved or not recipe.few_shot:
                found.append(recipe)
        return found

    def submit(self, ask: Ask) -> PendingAnswer:
        """Begin an answer, or queue it. Raises ApiError 429 where the queue is full."""
        with self._counting:
            if self.waiting >= self._room:
                wait = int(self._seconds * self._room / self.parallel) + 1
                raise ApiError(
                    429, "The server is busy.", "queue_full", headers={"Retry-After": str(wait)}
                )
            self.waiting += 1
        run = PendingAnswer()
        run.future = self._pool.submit(self._run, ask, run)
        run.future.add_done_callback(lambda future: self._leave() if future.cancelled() else None)
        return run

    def _leave(self) -> None:
        with self._counting:
            self.waiting -= 1

    def _run(self, ask: Ask, run: PendingAnswer) -> None:
        with self._turns:
            if run.left:
                self._leave()
            else:
                self._write(ask, run)

    def _write(self, ask: Ask, run: PendingAnswer) -> None:
        started = time.perf_counter()
        run.waited = started - run.began
        try:
            with answering(ask) as note:
                result: Answer | BaseException = note(self.answer(ask, run.say))
        except UnfilledError as error:
            result = ApiError(422, f"{error} {error.hint}", "json_failed", param="response_format")
        except Exception as error:  # told to the caller by the route
            result = error
        self._seconds += 0.2 * (time.perf_counter() - started - self._seconds)
        self._leave()  # before its client hears: the next request finds room
        run.say(result)

    def answer(self, ask: Ask, on_text: Callable[[str], bool]) -> Answer:
        """Answer at once, in this thread."""
        self.project.engine(ask.recipe.name)  # loads outside the lock
        schema = dict(ask.schema) if ask.schema else None
        made = self.answerer(ask.recipe, ask.where, ask.style, schema)
        generation = replace(made.generation, **ask.options)
        # A client that asks for more than the window holds wants no limit; half of it is left to
        # the passages.
        most = max(made.generation.max_tokens, made.engine.context_tokens // 2)
        generation = replace(generation, max_tokens=min(generation.max_tokens, most))
        ready = replace(made, generation=generation, instructions=ask.instructions)
        return ready.answer(ask.question, on_text, ask.turns)

    def answerer(
        self,
        recipe: Recipe,
        where: Filter,
        style: Style | None = None,
        schema: dict[str, Any] | None = None,
    ) -> Answerer:
        """What answers by a recipe. What reads the library is made anew when it is used: an ingest
        may have replaced the indexes by then."""

        def opened() -> Answerer:
            return self.project.answerer(recipe.name, where, schema, style)

        made = self.read(opened)

        def demonstrate(question: str) -> Sequence[Demonstration]:
            def shown() -> Sequence[Demonstration]:
                found = opened().demonstrate
                return found(question) if found else ()

            return self.read(shown)

        def read_tables(question: str, hits: Sequence[Hit]) -> Resolved | None:
            return self.read(lambda: made.tables(question, hits) if made.tables else None)

        return replace(
            made,
            tables=read_tables if made.tables else None,
            retriever=_LazyRetriever(
                lambda query, k: list(self.read(lambda: opened().retriever.retrieve(query, k)))
            ),
            demonstrate=demonstrate if made.demonstrate else None,
            explain=lambda: self.read(made.explain),
        )

    def marks_sentences(self, ask: Ask) -> bool:
        """Whether the pieces of an answer hold checked marks, one after each sentence."""
        if ask.schema is not None:
            return False
        return manner_of(self.project, ask.recipe, ask.style) == "written"

    def why_nothing(self, where: Filter) -> Abstention:
        """Why a search gives nothing."""
        return self.read(lambda: why_nothing(self.project, where))

    def search(self, query: str, k: int, where: Filter) -> list[Hit]:
        """The best `k` chunks."""
        return self.read(lambda: self.project.retrieve(query, k, where=where))

    def embed(self, texts: Sequence[str]) -> tuple[list[list[float]], int]:
        """Vectors of texts, as passages, and the texts' tokens. Raises ApiError for a text that
        would be cut."""
        counts = [len(self.embedder.token_spans(text)) for text in texts]
        longest, most = max(counts), self.embedder.max_tokens - _SPECIAL
        if longest > most:
            say = f"A text has {longest} tokens; this embedder reads {most}."
            raise ApiError(400, say, "context_length_exceeded", param="input")
        return self.embedder.embed_passages(list(texts)).tolist(), sum(counts)

    def labels(self, path: str) -> list[str]:
        """The access labels of a document."""
        return sorted(labels_of(path, self.rules))

    def close(self) -> None:
        """End what waits; what is being written is finished."""
        self._pool.shutdown(cancel_futures=True)
        self.project.close()
        if (shared := self.__dict__.get("shared")) is not None:
            shared.close()


@dataclass(frozen=True, slots=True)
class _LazyRetriever:
    """A retriever that is looked up when it is used."""

    run: Callable[[str, int], list[Hit]]

    def retrieve(self, query: str, k: int) -> list[Hit]:
        return self.run(query, k)
