"""From a question to a cited answer, in one story: retrieve, fit, prompt, generate, resolve
citations.

This file knows neither stores nor models: it is given a retriever and an engine.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING

from acclimate.models.base import Engine, OnText
from acclimate.prompting.budget import Overflow, fit, groups
from acclimate.prompting.citations import Resolved
from acclimate.prompting.conversation import Complete, Turn, as_messages, complete
from acclimate.prompting.demonstrations import Demonstrate, with_demonstrations
from acclimate.prompting.forms import Form, Said, TextForm
from acclimate.prompting.full_answer import FullReading
from acclimate.prompting.links import LinkGuard, without_links
from acclimate.prompting.passages import NO_DOCUMENTS, REFUSAL, render_passages
from acclimate.prompting.recipes import Recipe
from acclimate.prompting.techniques import Written
from acclimate.prompting.templates import Template, with_instructions
from acclimate.retrieval.base import Retriever
from acclimate.text.identifiers import respelt
from acclimate.types import (
    Abstention,
    Answer,
    Citation,
    Generation,
    Hit,
    Message,
    Prompt,
    Timings,
    Usage,
)

if TYPE_CHECKING:
    from acclimate.prompting.structured import Shape

Extract = Callable[[str, Sequence[Hit]], Resolved | None]
"""Answers a question by a place in a passage, or abstains; None leaves it to the engine."""
Finish = Callable[[str, Sequence[Hit], FullReading], Resolved]
"""Completes a full answer of which everything that the engine wrote was read."""
SecondReader = Callable[[str, Sequence[Hit], Resolved], Resolved]
"""Reads the passages too, and keeps a model's answer or gives a surer one."""
ReadTables = Callable[[str, Sequence[Hit]], Resolved | None]
"""Answers a question by rule from the tables that passages show; None where no rule is sure."""
Fill = Callable[["Answerer", str, OnText | None, Sequence[Turn]], Answer]
"""Answers a question in plain text first and fills the shape of an answerer from that."""
_NOTHING = Written(REFUSAL, "", 0, 0, "stop", calls=0)
_TOLD_SHARE = 4  # earlier turns may take one token of so many


@dataclass(frozen=True, slots=True)
class Answerer:
    """Answers questions by one recipe.

    `k` passages are asked for; where they do not fit the window less what the answer may take,
    `overflow` says what is done (see `acclimate.prompting.budget`). `decision` says why this
    recipe. `demonstrate` gives the solved examples of a few-shot recipe. With a `shape` the answer
    is JSON. `complete` makes a question that points back to earlier turns stand on its own, for
    recipes that read; the turns themselves are shown where `tell` says so, and to recipes that read
    nothing. `extract` answers in the place of the engine, which is asked only where that gives
    None; `second_reader` has the last word on what the engine wrote, which is then shown in one
    piece. Where there is a `finish`, the engine writes full answers, which are read and shown
    sentence by sentence. `explain` says why where the search gives no passage. `instructions` are
    the asker's own, beside the recipe's. Where there is a `fill`, it answers in plain text, and the
    shape is filled from that. What `tables` is sure of is the answer, and neither reader is asked.
    `address` gives where a document was mirrored from, "" for any other.
    """

    recipe: Recipe
    template: Template
    engine: Engine
    retriever: Retriever
    generation: Generation
    k: int
    overflow: Overflow = "drop-lowest"
    demonstrate: Demonstrate | None = None
    shape: Shape | None = None
    complete: Complete = complete
    tell: bool | None = None
    decision: str = ""
    extract: Extract | None = None
    second_reader: SecondReader | None = None
    finish: Finish | None = None
    explain: Callable[[], Abstention] = lambda: "nothing_found"
    instructions: str = ""
    fill: Fill | None = None
    tables: ReadTables | None = None
    address: Callable[[str], str] = lambda _: ""

    def answer(
        self, question: str, on_text: OnText | None = None, turns: Sequence[Turn] = ()
    ) -> Answer:
        """Answer `question` after the earlier `turns` of a conversation, oldest first.

        Pieces of the raw text go to `on_text` as they come, and end in the same `Answer`. Raises
        PromptTooLongError where not one passage fits, and EngineError where the model fails.
        """
        if self.shape is not None and self.fill is not None:
            return self.fill(self, question, on_text, turns)
        clock = _Clock()
        asked = self.complete(question, turns) if turns and self.recipe.reads else question.strip()
        hits: Sequence[Hit] = self.retriever.retrieve(asked, self.k) if self.recipe.reads else []
        clock.retrieved()
        if self.recipe.reads and not hits:
            return self._nothing_found(question, asked, clock, on_text)
        asked = respelt(asked, [hit.chunk.shown for hit in hits])
        guard = LinkGuard(clock.watch(on_text))
        found = self.tables(asked, hits) if self.tables is not None else None
        if found is None and self.extract is not None:
            found = self.extract(asked, hits)
        if found is not None:
            return self._marked(question, asked, hits, clock, guard, found)
        hits, before = self._narrowed(asked, hits, turns)
        prompt = self.prompt(asked, hits, turns, narrowed=bool(before))
        reading = None if self.finish is None else FullReading(asked, prompt.passages)
        written = (
            self._form.write(prompt.messages, self.engine, self._heard(guard, reading))
            if hits or not before
            else _NOTHING
        )
        if reading is not None and reading.loops:
            written = replace(written, finish="stop")  # the model's end, not the caller's
        read = self._read(asked, written, prompt, reading)
        said = self._form.without_links(read, asked)
        guard.finish(said.shown)
        return self._assemble(question, asked, said, prompt, _together(written, before), clock)

    def _heard(self, guard: LinkGuard, reading: FullReading | None) -> OnText:
        """The callback for the engine's text: it passes on what may be shown already, and returns
        whether anybody still listens."""
        if reading is not None:
            return lambda piece: guard(reading.hear(piece)) and not reading.loops
        return guard if self.second_reader is None else lambda _: guard("")

    def _read(
        self, asked: str, written: Written, prompt: Prompt, reading: FullReading | None
    ) -> Said:
        """The answer with its citations, after the second reader where there is one."""
        passages = prompt.passages
        if reading is None or self.finish is None:
            said = self._form.read(written.text, passages)
        else:
            reading.end(written.text, cut=written.finish != "stop")
            resolved = self.finish(asked, passages, reading)
            said = Said(resolved, resolved.marked)
        if self.second_reader is None or not passages:
            return said
        resolved = self.second_reader(asked, passages, said.resolved)
        return replace(said, resolved=resolved, shown=resolved.marked)

    def _marked(
        self,
        question: str,
        asked: str,
        hits: Sequence[Hit],
        clock: _Clock,
        guard: LinkGuard,
        found: Resolved,
    ) -> Answer:
        """The answer that the tables or the extractor gave; all passages were read, so none is
        dropped."""
        said = self._form.without_links(Said(found, found.marked), asked)
        guard.finish(said.shown)
        written = Written(found.marked, "", 0, 0, "stop", calls=0)
        return self._assemble(question, asked, said, Prompt((), 0, tuple(hits)), written, clock)

    def prompt(
        self,
        question: str,
        hits: Sequence[Hit],
        turns: Sequence[Turn] = (),
        *,
        narrowed: bool = False,
    ) -> Prompt:
        """The prompt for a question with these passages, as far as they fit, after earlier turns
        where they are shown."""
        render = self._rendering(question, turns)
        prompt = fit(hits, render, self.engine.count, self._limit, self.overflow, question)
        return replace(prompt, overflow="map-reduce") if narrowed else prompt

    def _narrowed(
        self, question: str, hits: Sequence[Hit], turns: Sequence[Turn]
    ) -> tuple[Sequence[Hit], list[Written]]:
        """Map-reduce, where not all passages fit: the passages that partial answers cite, and those
        answers. The question is then asked over these passages."""
        limit, render = self._limit, self._rendering(question, turns)
        if self.overflow != "map-reduce" or self.engine.count(render(hits)) <= limit:
            return hits, []
        cited: dict[str, Hit] = {}
        written = []
        for part in groups(hits, render, self.engine.count, limit):
            written.append(self._form.write(part.messages, self.engine, lambda _: True))
            said = self._form.read(written[-1].text, part.passages)
            for citation in said.resolved.citations:
                hit = part.passages[citation.number - 1]
                cited[f"{hit.chunk.id} {hit.chunk.start}"] = hit
        return list(cited.values()), written

    def _rendering(
        self, question: str, turns: Sequence[Turn]
    ) -> Callable[[Sequence[Hit]], tuple[Message, ...]]:
        tell = not self.recipe.reads if self.tell is None else self.tell
        told = as_messages(turns, self.engine.count, self._limit // _TOLD_SHARE) if tell else ()
        return partial(self._render, question, told)

    @property
    def _limit(self) -> int:
        """Most tokens that a prompt may have."""
        return self.engine.context_tokens - self._form.reserved

    @property
    def _form(self) -> Form:
        if self.shape is None:
            return TextForm(self.recipe, self.generation)
        # Its packages take 0.1 s, and most answers need no schema.
        from acclimate.prompting.structured import JsonForm

        return JsonForm(self.shape, self.generation)

    def _render(
        self, question: str, told: tuple[Message, ...], hits: Sequence[Hit]
    ) -> tuple[Message, ...]:
        messages = self._turns(question, hits)
        if told:
            first = next(place for place, message in enumerate(messages) if message.role == "user")
            messages = (*messages[:first], *told, *messages[first:])
        shown = self.demonstrate(question) if self.demonstrate else ()
        return with_demonstrations(
            messages, [(self._turns(one.question, one.hits)[-1], one) for one in shown]
        )

    def _turns(self, question: str, hits: Sequence[Hit]) -> tuple[Message, ...]:
        values = {"question": self._form.ask_for(question.strip())}
        if self.recipe.reads:
            values["passages"] = render_passages([hit.chunk for hit in hits])
        if self.recipe.reasoning == "two-stage":
            values["reasoning"] = ""  # filled in between the stages
        return with_instructions(self.template.render(values), self.instructions)

    def _nothing_found(
        self, question: str, asked: str, clock: _Clock, on_text: OnText | None
    ) -> Answer:
        """The refusal where the search found no passage; the model is not asked."""
        why = self.explain()
        text = NO_DOCUMENTS.get(why, REFUSAL)
        clock.watch(on_text)(text)
        refusal = Said(Resolved(text, text, True, ()), text)
        answer = self._assemble(question, asked, refusal, Prompt((), 0), _NOTHING, clock)
        return replace(answer, abstention=why)

    def _assemble(
        self,
        question: str,
        asked: str,
        said: Said,
        prompt: Prompt,
        written: Written,
        clock: _Clock,
    ) -> Answer:
        resolved = said.resolved
        return Answer(
            question=question,
            text=resolved.text,
            marked=resolved.marked,
            abstained=resolved.abstained,
            citations=self._addressed(resolved.citations),
            prompt=prompt,
            usage=Usage(
                prompt_tokens=written.prompt_tokens,
                completion_tokens=written.completion_tokens,
                passages_shown=len(prompt.passages),
                passages_dropped=len(prompt.dropped),
                calls=written.calls,
                passages_cut=prompt.cut,
                overflow=prompt.overflow,
            ),
            timings=clock.stop(),
            recipe=self.recipe.name,
            model=resolved.by or self.engine.name,
            template=self.template.fingerprint,
            finish=written.finish,
            reasoning=without_links(written.reasoning, asked, ())[0] if written.reasoning else "",
            data=said.data,
            asked="" if asked == question.strip() else asked,
            decision="; ".join(part for part in (self.decision, resolved.decision) if part),
            links_removed=resolved.links_removed,
            abstention="not_answered" if resolved.abstained else "",
            style=resolved.style,
            unsupported=resolved.unsupported,
            working=resolved.working,
        )

    def _addressed(self, citations: Sequence[Citation]) -> tuple[Citation, ...]:
        return tuple(replace(one, url=self.address(one.document)) for one in citations)


def _together(last: Written, before: Sequence[Written]) -> Written:
    """The last text, with the tokens and calls of all texts together."""
    every = [*before, last]
    return replace(
        last,
        prompt_tokens=sum(one.prompt_tokens for one in every),
        completion_tokens=sum(one.completion_tokens for one in every),
        calls=sum(one.calls for one in every),
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
        """`on_text`, wrapped to record when the first piece came."""

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
