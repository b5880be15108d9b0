"""From a question to a cited answer, in one story: retrieve, fit, prompt, generate, resolve citations.

This file knows neither stores nor models: it is given a retriever and an engine.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

from acclimate.models.base import Completion, Engine, Generation, OnText
from acclimate.prompting.budget import Overflow, fit
from acclimate.prompting.citations import Resolved, resolve
from acclimate.prompting.passages import REFUSAL, render_passages
from acclimate.prompting.recipes import Recipe
from acclimate.prompting.templates import Template
from acclimate.retrieval.base import Retriever
from acclimate.types import Answer, Hit, Message, Prompt, Timings, Usage


@dataclass(frozen=True, slots=True)
class Answerer:
    """Answers questions by one recipe.

    `k` passages are asked for; those that do not fit `engine.context_tokens` less `generation.max_tokens` are dropped,
    lowest rank first, or refused, as `overflow` says.
    """

    recipe: Recipe
    template: Template
    engine: Engine
    retriever: Retriever
    generation: Generation
    k: int
    overflow: Overflow = "drop-lowest"

    def answer(self, question: str, on_text: OnText | None = None) -> Answer:
        """Answer `question`; pieces of the raw text go to `on_text` as they come, and end in the same `Answer`.

        Raises PromptTooLongError where not one passage fits, and EngineError where the model fails.
        """
        clock = _Clock()
        hits = self.retriever.retrieve(question, self.k) if self.recipe.retrieves else []
        clock.retrieved()
        if self.recipe.retrieves and not hits:
            return self._nothing_found(question, clock, on_text)
        limit = self.engine.context_tokens - self.generation.max_tokens
        prompt = fit(hits, partial(self._render, question), self.engine.count, limit, self.overflow)
        completion = self.engine.generate(prompt.messages, self.generation, clock.watch(on_text))
        resolved = resolve(completion.text, prompt.passages)
        return self._assemble(question, resolved, prompt, completion, clock)

    def _render(self, question: str, hits: Sequence[Hit]) -> tuple[Message, ...]:
        values = {"question": question.strip()}
        if self.recipe.retrieves:
            values["passages"] = render_passages([hit.chunk for hit in hits])
        return self.template.render(values)

    def _nothing_found(self, question: str, clock: _Clock, on_text: OnText | None) -> Answer:
        """Without a passage there is nothing to read, so the model is not asked."""
        clock.watch(on_text)(REFUSAL)
        refusal = Resolved(REFUSAL, REFUSAL, True, ())
        return self._assemble(question, refusal, Prompt((), 0), Completion(REFUSAL, 0, 0, "stop"), clock)

    def _assemble(
        self, question: str, resolved: Resolved, prompt: Prompt, completion: Completion, clock: _Clock
    ) -> Answer:
        return Answer(
            question=question,
            text=resolved.text,
            marked=resolved.marked,
            abstained=resolved.abstained,
            citations=resolved.citations,
            prompt=prompt,
            usage=Usage(
                prompt_tokens=completion.prompt_tokens,
                completion_tokens=completion.completion_tokens,
                passages_shown=len(prompt.passages),
                passages_dropped=len(prompt.dropped),
            ),
            timings=clock.stop(),
            recipe=self.recipe.name,
            model=self.engine.name,
            template=self.template.fingerprint,
            finish=completion.finish,
        )


class _Clock:
    """Seconds since the question came."""

    def __init__(self) -> None:
        self._start = time.perf_counter()
        self._retrieved = 0.0
        self._first: float | None = None

    def retrieved(self) -> None:
        self._retrieved = self._now()

    def watch(self, on_text: OnText | None) -> OnText:
        """`on_text`, noting when its first piece came."""

        def pass_on(piece: str) -> bool:
            if self._first is None and piece:
                self._first = self._now()
            return on_text(piece) if on_text else True

        return pass_on

    def stop(self) -> Timings:
        total = self._now()
        return Timings(self._retrieved, total if self._first is None else self._first, total)

    def _now(self) -> float:
        return time.perf_counter() - self._start
