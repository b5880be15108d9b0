"""What answers by a recipe: retriever, engine, template and the rest of an `Answerer`, as a project names them."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from acclimate.answer import Answerer, Weigh
from acclimate.engines import template_of
from acclimate.indexes.filters import Filter
from acclimate.models.base import Engine
from acclimate.prompting.conversation import Complete, complete, condense
from acclimate.prompting.recipes import Recipe, find_recipe
from acclimate.prompting.techniques import reserve
from acclimate.prompting.templates import load_template
from acclimate.retrieval.base import Retriever
from acclimate.retrieval.documents import DocumentRetriever, settle
from acclimate.types import Generation, Hit, Message

if TYPE_CHECKING:
    from acclimate.project import Project
    from acclimate.prompting.structured import SchemaLike

_INSTRUCTION_TOKENS = 256  # room for a template's own words and the question, where whole documents fill the window
_REACH = {"drop-lowest": 1, "compress": 8, "map-reduce": 8, "refuse": 1_000_000}  # windows of documents to gather


def open_answerer(project: Project, recipe: str, where: Filter, schema: SchemaLike | None) -> Answerer:
    """See `Project.answerer`."""
    model, chosen = project.settings.model, find_recipe(recipe)
    shape, decision = None, ""
    if schema is not None:
        from acclimate.prompting.structured import read_shape  # its packages are not needed to ask for text

        chosen.check_json()
        shape = read_shape(schema)
    # The model loads while the library and the embedder do: together they take as long as the model alone.
    loading = project.engine_soon(chosen.name)
    retriever: Retriever = project.retriever(where) if chosen.reads else _NoRetriever()
    engine = loading.result()
    generation = Generation(max_tokens=model.max_tokens, temperature=model.temperature, seed=model.seed)
    if chosen.context in ("documents", "either"):
        whole = _whole_documents(project, engine, engine.context_tokens - reserve(chosen, generation), where)
        if chosen.context == "either":
            chosen, decision = settle(chosen, whole, project.adapter(chosen) is not None)
        retriever = whole if chosen.context == "documents" else retriever
    demonstrate = None
    if chosen.few_shot:
        from acclimate.demonstrating import demonstrate as choose  # not needed to ask without examples

        demonstrate = choose(project, chosen, where)
    template = template_of(project, chosen)
    fills = schema is not None and _fills(project, chosen)
    return Answerer(
        recipe=chosen,
        template=template,
        engine=engine,
        retriever=retriever,
        generation=generation,
        k=project.settings.retrieval.k,
        overflow=project.settings.answer.overflow,
        demonstrate=demonstrate,
        shape=shape,
        complete=_complete(project),
        tell={"rule": None, "model": True, "none": False}[project.settings.answer.memory],
        decision=decision,
        mark=project.extractor.mark if chosen.extracts else None,
        weigh=_weigh(project, chosen, template.name) if fills or schema is None else None,
        fills=fills,
    )


def _fills(project: Project, recipe: Recipe) -> bool:
    """Whether JSON is filled from a plain answer, see `[answer] json_by`."""
    wanted = project.settings.answer.json_by
    return project.adapter(recipe) is not None if wanted == "auto" else wanted == "answer"


def _weigh(project: Project, recipe: Recipe, template: str) -> Weigh | None:
    """What weighs the model's words where the reader that ships is at work, alone or below an adapter that was tuned,
    which may have learnt to say what stands in no passage."""
    chosen = project.settings
    short = template == "rag" and not recipe.few_shot and not recipe.extracts  # exact answers from passages
    if chosen.answer.second_reader == "none" or chosen.model.adapter != "auto" or not short:
        return None
    if project.adapter(replace(recipe, adapter="")) is None:
        return None
    from acclimate.extracting import searches_with_base  # its packages are not needed by other recipes

    if not searches_with_base(project):  # its base would have to be fetched
        return None
    return partial(project.extractor.weigh, own_words=bool(recipe.adapter))


def _complete(project: Project) -> Complete:
    """What makes a question of a conversation stand on its own."""
    match project.settings.answer.memory:
        case "rule":
            return complete
        case "model":
            return condense(load_template("condense", project.folder / "templates"), project.write)
        case "none":
            return lambda question, turns: question.strip()


def _whole_documents(project: Project, engine: Engine, limit: int, where: Filter) -> DocumentRetriever:
    record = project.library.record
    turn = engine.count([Message("user", "")])  # what a turn costs without its text
    return DocumentRetriever(
        project.retriever(where),
        project.paths(where),
        record.document,
        count=lambda text: engine.count([Message("user", text)]) - turn,
        limit=limit - _INSTRUCTION_TOKENS,
        reach=_REACH[project.settings.answer.overflow],
    )


class _NoRetriever:
    """For recipes without passages."""

    def retrieve(self, query: str, k: int) -> list[Hit]:
        return []
