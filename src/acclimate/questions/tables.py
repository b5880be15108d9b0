"""Questions about cells of parsed tables, made by rule: no model, and the answer is exact by
construction."""

from __future__ import annotations

import itertools
import re
import zlib
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from acclimate.questions.candidates import Candidate, key, words
from acclimate.types import Chunk, Document, Span

TABLE_WRITER = "rule: table cell"
BRIDGE_WRITER = "rule: two tables"
_CELL = re.compile(r"(?<!\\)\|")
_RULE = re.compile(r"[\s|:+=-]+")
_LONGEST = 60  # characters of an answer: longer cells are prose
_PROPERTIES = frozenset(
    {"property", "feature", "parameter", "characteristic", "item", "attribute", ""}
)
_VALUES = frozenset({"value", "values", "amount", "detail", "details", "description"})
# Headers that are no noun make no sentence with "What is the …".
_NO_NOUN = frozenset(
    "what when who where why how for by in on may can is are has with per if".split()
)


@dataclass(frozen=True, slots=True)
class Fact:
    """One cell: `attribute` of `entity` is `value`. `noun` is what the entity is ("" unknown);
    `span` is its row in the document `title` of `chunk`."""

    entity: str
    noun: str
    attribute: str
    value: str
    title: str
    chunk: Chunk
    span: Span


def table_facts(document: Document, chunks: Sequence[Chunk]) -> list[Fact]:
    """The cells of a document's tables that can be asked for; `chunks` are that document's."""
    facts: list[Fact] = []
    for element in document.elements:
        if element.kind == "table":
            facts += _facts(_rows(document.text, element.start, element.end), document, chunks)
    return facts


def table_candidates(facts: Sequence[Fact]) -> Iterator[Candidate]:
    """A question for each cell, tables in turn; where two tables say something of the same name,
    the title is named."""
    said = Counter((key(fact.entity), key(fact.attribute)) for fact in facts)
    for fact in _in_turn(facts):
        text = ask(fact)
        if said[key(fact.entity), key(fact.attribute)] > 1:
            text = f"According to “{fact.title}”: {text[0].lower()}{text[1:]}"
        yield Candidate(text, fact.value, "table", TABLE_WRITER, (fact.chunk,), fact.span)


def bridge_candidates(facts: Sequence[Fact]) -> Iterator[Candidate]:
    """Questions that name something only by what one document says of it, and ask for what another
    says.

    The value that stands for the name must be its alone in its document.
    """
    values = Counter((fact.chunk.document, key(fact.attribute), key(fact.value)) for fact in facts)
    by_entity: dict[str, list[Fact]] = defaultdict(list)
    for fact in facts:
        by_entity[key(fact.entity)].append(fact)
    pairs = [
        sorted(
            (pair for pair in itertools.permutations(some, 2) if _bridges(*pair, values)),
            key=lambda pair: hash_order(pair[0].attribute + pair[1].attribute),
        )
        for some in by_entity.values()
    ]
    for known, asked in filter(None, itertools.chain.from_iterable(itertools.zip_longest(*pairs))):
        noun = known.noun or asked.noun or "one"
        thing = f"the {noun} whose {_lower(known.attribute)} {_is(known.attribute)} {known.value}"
        text = f"What {_is(asked.attribute)} the {_lower(asked.attribute)} of {thing}?"
        yield Candidate(
            text, asked.value, "two-document", BRIDGE_WRITER, (asked.chunk, known.chunk), asked.span
        )


def ask(fact: Fact) -> str:
    """The question for a cell."""
    attribute = fact.attribute
    plain = fact.entity[0].isupper() and any(
        len(word) > 2 and word.isalpha() for word in words(fact.entity)
    )
    # A bare number, code or “up to 5” says little without its noun.
    named = f"{fact.noun} {fact.entity}".strip()
    if not _is_noun(attribute):
        return f"In “{fact.title}”, what stands under “{attribute}” for {named}?"
    place = (
        f" in “{fact.title}”" if len(words(attribute)) == 1 and fact.entity != fact.title else ""
    )
    return f"What {_is(attribute)} the {_lower(attribute)} {f'of {fact.entity}' if plain else f'for {named}'}{place}?"


def _bridges(known: Fact, asked: Fact, values: Counter[tuple[str, str, str]]) -> bool:
    return (
        known.chunk.document != asked.chunk.document
        and key(known.attribute) != key(asked.attribute)
        and values[known.chunk.document, key(known.attribute), key(known.value)] == 1
        and any(letter.isdigit() for letter in known.value)
        and _is_noun(known.attribute)
        and _is_noun(asked.attribute)
    )


def _is_noun(attribute: str) -> bool:
    found = words(attribute)
    return (
        bool(found)
        and not _NO_NOUN & {found[0], found[-1]}
        and len(found) <= 4
        and "?" not in attribute
    )


def _is(attribute: str) -> str:
    """ "is" or "are", by the look of the last word before a comma or preposition."""
    last = words(re.split(r",| of | at | in | per ", attribute)[0])[-1:] or [""]
    return (
        "are"
        if len(last[0]) > 3 and last[0].endswith("s") and not last[0].endswith(("ss", "us", "is"))
        else "is"
    )


def _lower(text: str) -> str:
    """The first letter small, but for abbreviations and names like R290."""
    first = text.split()[0]
    return (
        text
        if len(first) > 1 and any(letter.isupper() or letter.isdigit() for letter in first[1:])
        else (text[:1].lower() + text[1:])
    )


def _rows(text: str, start: int, end: int) -> list[tuple[list[str], Span]]:
    """The cells of each row with the row's span, without the bars at its ends; rules between rows
    are left out."""
    rows, at = [], start
    for line in text[start:end].split("\n"):
        body = line.strip().strip("|").strip()
        if body and "|" in line and not _RULE.fullmatch(line):
            begin = at + line.index(body)
            cells = [
                cell.strip().replace("\\|", "|")
                for cell in _CELL.split(line.strip().removeprefix("|"))
            ]
            rows.append(([cell.strip("*_` ") for cell in cells], Span(begin, begin + len(body))))
        at += len(line) + 1
    return rows


def _facts(
    rows: Sequence[tuple[list[str], Span]], document: Document, chunks: Sequence[Chunk]
) -> list[Fact]:
    if len(rows) < 3:  # a header and two rows, else it is layout
        return []
    header, body = rows[0][0], rows[1:]
    turned = key(header[0]) in _PROPERTIES
    valued = turned and len([name for name in header if name]) == 2 and key(header[1]) in _VALUES
    facts = []
    for cells, span in body:
        chunk = next(
            (chunk for chunk in chunks if chunk.start <= span.start and span.end <= chunk.end), None
        )
        if chunk is None or not cells[0] or len(cells) < len([name for name in header if name]):
            continue
        for column, (name, value) in enumerate(zip(header, cells, strict=False)):
            if column == 0 or not name or not _askable(value):
                continue
            place = (document.title, chunk, span)
            if valued:
                facts.append(Fact(document.title, "", cells[0], value, *place))
            elif turned:
                facts.append(Fact(name, "", cells[0], value, *place))
            else:
                facts.append(Fact(cells[0], _lower(header[0]), name, value, *place))
                if column > 1 and _codes(body) and _names(body, 1):  # a code first, the name second
                    facts.append(Fact(cells[1], _lower(header[1]), name, value, *place))
    return facts


def _codes(body: Sequence[tuple[list[str], Span]]) -> bool:
    return all(
        len(cells[0]) <= 8 and any(letter.isdigit() for letter in cells[0]) for cells, _ in body
    )


def _names(body: Sequence[tuple[list[str], Span]], column: int) -> bool:
    """Whether a column holds names: words with a capital, each once."""
    values = [cells[column] for cells, _ in body if len(cells) > column]
    return len(set(values)) == len(body) and all(value[:1].isupper() for value in values)


def _askable(value: str) -> bool:
    return bool(words(value)) and len(value) <= _LONGEST and key(value) not in ("yes", "no", "none")


def _in_turn(facts: Sequence[Fact]) -> Iterator[Fact]:
    """One fact of each document, then the next of each."""
    by_document: dict[str, list[Fact]] = defaultdict(list)
    for fact in sorted(facts, key=lambda fact: hash_order(fact.entity + fact.attribute)):
        by_document[fact.chunk.document].append(fact)
    for round_ in itertools.zip_longest(*by_document.values()):
        yield from (fact for fact in round_ if fact is not None)


def hash_order(text: str) -> int:
    """A number that orders texts as if at random, the same every time."""
    return zlib.crc32(text.encode())
