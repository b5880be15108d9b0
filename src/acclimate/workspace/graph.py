"""The knowledge graph that a project's `[retrieval] graph` names."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path

from acclimate.indexes.base import GraphIndex
from acclimate.indexes.entities import Extraction, Mention, Relation, extract, name_of
from acclimate.indexes.graph import SQLiteGraphIndex
from acclimate.prompting.templates import Template
from acclimate.types import Chunk, Message

_RULES = "rules-2"  # to be counted up when the rules find other things
_MODEL = "rules-1"  # the same for facts of a model, which cost a call for each chunk
_MAX_TOKENS = 256  # of the facts of one chunk
_NAME = {"type": "string", "minLength": 2, "maxLength": 60}
_FACT = {
    "subject": _NAME,
    "relation": {"type": "string", "minLength": 1, "maxLength": 40},
    "object": _NAME,
}
SCHEMA = {
    "type": "object",
    "properties": {
        "facts": {
            "type": "array",
            "maxItems": 6,
            "items": {
                "type": "object",
                "properties": _FACT,
                "required": list(_FACT),
                "additionalProperties": False,
            },
        }
    },
    "required": ["facts"],
    "additionalProperties": False,
}

Write = Callable[[Sequence[Message], int, str], str]
"""What the language model writes for messages: at most so many tokens, held to a JSON Schema."""


def open_graph(folder: Path, template: Template | None, model: str, write: Write) -> GraphIndex:
    """The graph in `folder`, of facts that the model reads by `template`, or by rules where that is
    None."""
    if template is None:
        return SQLiteGraphIndex(folder, extract, _RULES)
    reader = partial(read_facts, template, write)
    return SQLiteGraphIndex(folder, reader, f"{_MODEL}+{model}+{template.fingerprint}", keep=True)


def read_facts(template: Template, write: Write, chunk: Chunk) -> Extraction:
    """What the rules find, and the facts that the model reads whose names stand in the chunk's
    text."""
    found = extract(chunk)
    written = write(template.render({"passage": chunk.shown}), _MAX_TOKENS, json.dumps(SCHEMA))
    try:
        facts: list[Mapping[str, str]] = json.loads(written)["facts"]
    except ValueError:  # cut at the token limit: what the rules found stays
        return found
    mentions, relations = list(found.mentions), list(found.relations)
    for fact in facts:
        head, tail = _located(fact["subject"], chunk), _located(fact["object"], chunk)
        if head and tail and head.name != tail.name:
            mentions += [head, tail]
            start, end = min(head.start, tail.start), max(head.end, tail.end)
            relations.append(Relation(head.name, fact["relation"], tail.name, start, end))
    return Extraction(tuple(dict.fromkeys(mentions)), tuple(dict.fromkeys(relations)))


def _located(name: str, chunk: Chunk) -> Mention | None:
    """The first place of a name in the chunk, of any case; None where the model made it up."""
    at = chunk.text.lower().find(name.strip().lower())
    if at < 0 or not name_of(name) or len(chunk.text.lower()) != len(chunk.text):
        return None
    start, end = chunk.start + at, chunk.start + at + len(name.strip())
    return Mention(name_of(name), chunk.text[at : at + len(name.strip())], start, end)
