"""Opens the `Answerer` of a recipe: retriever, engine, template and the rest, as the settings name
them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from acclimate.answer import Answerer, Extract, Fill, Finish, ReadTables, SecondReader
from acclimate.errors import ProjectError
from acclimate.indexes.filters import Filter
from acclimate.models.base import Engine
from acclimate.prompting.citations import Resolved
from acclimate.prompting.conversation import Complete, complete, condense
from acclimate.prompting.demonstrations import Demonstrate
from acclimate.prompting.recipes import Recipe, find_recipe
from acclimate.prompting.techniques import reserve
from acclimate.retrieval.base import Retriever
from acclimate.retrieval.documents import DocumentRetriever, choose_context
from acclimate.types import Abstention, Generation, Hit, Message, Style
from acclimate.workspace.engine import template_of
from acclimate.workspace.style import Beside, Manner, beside, manner_of, passages_for
from acclimate.workspace.workspace import ALL, Workspace

if TYPE_CHECKING:
    from acclimate.prompting.structured import SchemaLike
    from acclimate.workspace.full_reader import FullReader

_TELL = {"rule": None, "model": True, "none": False}  # whether earlier turns are shown
_FULL_TOKENS = 320  # of a full answer, where [model] max_tokens is not set
# Room for a template's own words and the question, where whole documents fill the window.
_INSTRUCTION_TOKENS = 256
_REACH = {
    "drop-lowest": 1,
    "compress": 8,
    "map-reduce": 8,
    "refuse": 1_000_000,
}  # windows of documents to gather


def open_answerer(
    workspace: Workspace,
    recipe: str,
    where: Filter = ALL,
    schema: SchemaLike | None = None,
    style: Style | None = None,
) -> Answerer:
    """The answerer of a recipe over the documents that `where` selects, with everything loaded.

    With a `schema` (JSON Schema, or a pydantic model) the answer is JSON. `style` takes the place
    of the recipe's own. Raises SettingsError for a recipe that cannot run, and ProjectError before
    the first ingest.
    """
    chosen = find_recipe(recipe)
    shape, decision = None, ""
    manner = manner_of(workspace, chosen, "short" if schema is not None else style)
    chosen = chosen.in_style("full" if manner == "written" else "short")
    if schema is not None:
        from acclimate.prompting.structured import read_shape  # not needed to ask for text

        chosen.check_json()
        shape = read_shape(schema)
    # The model loads meanwhile: library, embedder and it together take as long as it alone.
    alone = manner == "quoted" and chosen.context == "passages"  # no language model is asked
    loading = workspace.engine_soon("extract" if alone else chosen.name)
    retriever: Retriever = workspace.retriever(where) if chosen.reads else _NoRetriever()
    engine = loading.result()
    generation = _generation(workspace, manner)
    if chosen.context in ("documents", "either"):
        whole = _whole_documents(
            workspace, engine, engine.context_tokens - reserve(chosen, generation), where
        )
        if chosen.context == "either":
            chosen, decision = choose_context(chosen, whole, workspace.adapter(chosen) is not None)
        retriever = whole if chosen.context == "documents" else retriever
    template = template_of(workspace.layout, chosen)
    fill: Fill | None = None
    if schema is not None and _fills(workspace, chosen):
        from acclimate.answer_json import answer_first as fill
    plain = fill is not None or schema is None  # the engine writes text, not JSON
    return Answerer(
        recipe=chosen,
        template=template,
        engine=engine,
        retriever=retriever,
        generation=generation,
        k=passages_for(workspace, chosen),
        overflow=workspace.settings.answer.overflow,
        demonstrate=_demonstrate(workspace, chosen, where),
        shape=shape,
        complete=_complete(workspace),
        tell=_TELL[workspace.settings.answer.memory],
        decision=decision,
        extract=_extract(workspace, chosen, manner),
        second_reader=_second_reader(workspace, chosen, template.name, manner) if plain else None,
        finish=_finish(workspace) if manner == "written" else None,
        fill=fill,
        explain=partial(why_nothing, workspace, where),
        tables=_tables(workspace, chosen) if plain else None,
        address=workspace.origins.address,
    )


def _generation(workspace: Workspace, manner: Manner) -> Generation:
    model = workspace.settings.model
    set_by_user = "max_tokens" in model.model_fields_set
    longer = manner == "written" and not set_by_user
    return Generation(
        max_tokens=max(_FULL_TOKENS, model.max_tokens) if longer else model.max_tokens,
        temperature=model.temperature,
        seed=model.seed,
    )


def _extract(workspace: Workspace, recipe: Recipe, manner: Manner) -> Extract | None:
    """The extractor that answers in place of the engine: for all questions, or for those that a few
    words do not answer."""
    if manner == "quoted":
        return _full_reader(workspace).quote
    if recipe.extracts:
        return workspace.extractor.extract
    if manner == "quoting" and reads_beside(workspace):
        return _full_reader(workspace).quote_where_asked
    return None


def _finish(workspace: Workspace) -> Finish:
    """The last step of a model's full answers: the extractor adds to them, where it is used."""
    if reads_beside(workspace):
        return _full_reader(workspace).complete
    return lambda question, passages, reading: reading.answer.resolved()


def _full_reader(workspace: Workspace) -> FullReader:
    from acclimate.workspace.full_reader import FullReader  # not needed for short answers

    return FullReader(workspace.extractor)


def _tables(workspace: Workspace, recipe: Recipe) -> ReadTables | None:
    """The rules that answer from tables, for recipes that read passages."""
    if workspace.settings.answer.tables == "off" or not recipe.reads:
        return None
    from acclimate.tables.reader import TableReader  # not needed where they are off

    # The library is asked for when a table is read: an ingest may have replaced it by then.
    return TableReader(lambda path: workspace.library.record.document(path)).read


def _demonstrate(workspace: Workspace, recipe: Recipe, where: Filter) -> Demonstrate | None:
    """The solved examples of a few-shot recipe."""
    if not recipe.few_shot:
        return None
    from acclimate.workspace.demonstrations import demonstrate  # not needed without examples

    return demonstrate(workspace, recipe, where, open_answerer)


def require_documents(workspace: Workspace) -> None:
    """Raises ProjectError where there is nothing to search."""
    workspace.require_ingested()
    if not workspace.library.record.files():
        raise ProjectError(
            "the library holds no documents.",
            hint=f"Put files into {workspace.documents_shown} and run: acclimate ingest",
        )


def why_nothing(workspace: Workspace, where: Filter) -> Abstention:
    """Why a search among the documents that `where` leaves gives nothing."""
    if not workspace.library.record.files():
        return "empty_library"
    return "nothing_found" if workspace.paths(where) else "no_document_left"


def _fills(workspace: Workspace, recipe: Recipe) -> bool:
    """Whether JSON is filled from a plain answer, see `[answer] json_by`."""
    wanted = workspace.settings.answer.json_by
    return workspace.adapter(recipe) is not None if wanted == "auto" else wanted == "answer"


def _second_reader(
    workspace: Workspace, recipe: Recipe, template: str, manner: Manner
) -> SecondReader | None:
    """What weighs the model's words where the reader that ships is at work, alone or below an
    adapter that was tuned, which may have learnt to say what stands in no passage; and those of
    models without an adapter, as their size class needs it or as asked for."""
    chosen = workspace.settings
    # Whether its answers are exact words from passages.
    short = template == "rag" and not recipe.few_shot and not recipe.extracts
    if not short:
        return None
    if not reads_beside(workspace):
        return None
    ours = (
        chosen.model.adapter == "auto"
        and workspace.adapter(replace(recipe, adapter="")) is not None
    )
    if ours or chosen.answer.second_reader == "always":
        own_words = bool(recipe.adapter) or not ours
        reader = _full_reader(workspace) if manner == "quoting" else workspace.extractor
        return partial(reader.second_opinion, own_words=own_words)
    how = beside(workspace, recipe)
    return None if how is None else partial(_reader_beside(workspace, how), own_words=how.own_words)


def _reader_beside(workspace: Workspace, how: Beside) -> Callable[..., Resolved]:
    """The extractor with the limits of a size class, unless they were chosen on the project's own
    questions."""
    from acclimate.workspace.extractor import read_limits  # as in `reads_beside`

    reader, name = workspace.extractor, workspace.settings.answer.extractor
    if read_limits(name, workspace.layout, workspace.local_model) is None:
        reader = reader.limited(replace(reader.limits, surer=how.surer, alone=how.alone))
    return reader.second_opinion


def reads_beside(workspace: Workspace) -> bool:
    """Whether the extractor reads beside the model: it is wanted, and is here anyway."""
    chosen = workspace.settings
    if chosen.answer.second_reader == "none":
        return False
    from acclimate.embeddings.tuned import EXTRACTOR
    from acclimate.workspace.extractor import searches_with_base  # not needed by other recipes

    own = chosen.answer.extractor != EXTRACTOR
    # The base of the one that ships would have to be fetched, unless the search has it.
    return own or searches_with_base(chosen.embedder, workspace.folder, workspace.local_model)


def _complete(workspace: Workspace) -> Complete:
    """The function that rewrites a follow-up question so that it is complete on its own."""
    match workspace.settings.answer.memory:
        case "rule":
            return complete
        case "model":
            return condense(workspace.template("condense"), workspace.write)
        case "none":
            return lambda question, turns: question.strip()


def _whole_documents(
    workspace: Workspace, engine: Engine, limit: int, where: Filter
) -> DocumentRetriever:
    record = workspace.library.record
    turn = engine.count([Message("user", "")])  # what a turn costs without its text
    return DocumentRetriever(
        workspace.retriever(where),
        workspace.paths(where),
        record.document,
        count=lambda text: engine.count([Message("user", text)]) - turn,
        limit=limit - _INSTRUCTION_TOKENS,
        reach=_REACH[workspace.settings.answer.overflow],
    )


class _NoRetriever:
    """For recipes without passages."""

    def retrieve(self, query: str, k: int) -> list[Hit]:
        return []
