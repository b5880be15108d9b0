"""Questions that a reader can ask next, from the documents that an answer cites; no model writes
them.

They come from the project's own question set, from headings and from the cells of tables. Whether
each will be answered is for the caller to find out, see `acclimate.workflows.follow_ups`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, zip_longest
from typing import Literal

from acclimate.questions.candidates import content_words, key, words
from acclimate.questions.tables import table_facts
from acclimate.text.language import language_of_document
from acclimate.text.plain_markdown import as_prose
from acclimate.types import Chunk, Document, Question, Span

# What asks for a section, by the language of its document.
_ASKS_ABOUT = {
    "english": "What does “{title}” say about “{heading}”?",
    "german": "Was steht in „{title}“ über „{heading}“?",
    "spanish": "¿Qué dice «{title}» sobre «{heading}»?",
    "french": "Que dit « {title} » sur « {heading} » ?",
    "chinese": "《{title}》关于“{heading}”说了什么？",
}
_LONGEST = 120  # characters of a question that fits a button
_LEAST_SAID = 60  # letters below a heading: fewer are no section
# Headings that say nothing of what is below them.
_EMPTY = frozenset(
    "introduction|overview|summary|contents|table of contents|references|resources|links|appendix|"
    "additional resources|further reading|see also|changelog|change log|history|notes|general|"
    "faq|faqs|frequently asked questions|agenda|attendees|participants|todo|"
    "einleitung|überblick|übersicht|zusammenfassung|inhalt|inhaltsverzeichnis|anhang|quellen|"
    "siehe auch|allgemeines|verweise|"
    "introducción|resumen|contenido|índice|referencias|anexo|véase también|generalidades|"
    "sommaire|résumé|table des matières|références|annexe|voir aussi|généralités|aperçu|"
    "简介|概述|摘要|目录|参考文献|附录|总结|引言|另见".split("|")
)
_NUMBER = re.compile(r"^(?:\(?\d+(?:\.\d+)*[.)]?|[A-Z][.)]|§+\s*\d+\w*)\s+(?=[^\W\d_])")
_LABEL = re.compile(r"^(?:Q|Question|Frage|Pregunta)\s*\d*\s*[:.)]\s*")
# Nobody should be made to say "I am ill" by a button.
_OF_ONESELF = re.compile(r"^(?:I|My)\b")
_UNSAID = frozenset("n/a na n.a. tbd tba none unknown".split())  # cells that say nothing
_SPLITS = ("train", "dev")  # a test question that people have read and asked measures less


@dataclass(frozen=True, slots=True)
class FollowUp:
    """A question about `document`, whose answer stands in `span`.

    `full` says that a whole section answers, not a few words; `source` is what it was made from.
    """

    question: str
    document: str
    span: Span
    full: bool
    source: Literal["set", "heading", "section", "table"]


@dataclass(frozen=True, slots=True)
class _Section:
    heading: str
    span: Span  # with what stands below it, up to the next heading


def candidates(
    document: Document, cited: Sequence[Span], asked: str, questions: Sequence[Question]
) -> Iterator[FollowUp]:
    """What can be asked next about a document of which `cited` was read for the question `asked`:
    each source in turn, of each first what is nearest to the cited places."""
    sources = (
        _from_set(document, cited, questions),
        _from_headings(document, cited),
        _from_tables(document, cited, asked),
    )
    for one in chain.from_iterable(zip_longest(*sources)):
        if one is not None and len(one.question) <= _LONGEST:
            yield one


def _from_set(
    document: Document, cited: Sequence[Span], questions: Sequence[Question]
) -> list[FollowUp]:
    """Training and development questions whose evidence stands in the document; not those that were
    added later, as people have typed them."""
    found = []
    for one in questions:
        about = one.document == document.path and set(one.documents) <= {document.path}
        sound = one.answerable and one.status != "rejected" and not one.turns and not one.added
        if not (about and sound and one.split in _SPLITS and one.evidence):
            continue
        at = document.text.find(one.evidence)
        if at >= 0:
            span = Span(at, at + len(one.evidence))
            found.append(FollowUp(one.question.strip(), document.path, span, False, "set"))
    return sorted(found, key=lambda one: _away(one.span, cited))


def _from_headings(document: Document, cited: Sequence[Span]) -> list[FollowUp]:
    """The sections that were not cited: by their headings where these ask, else by heading and
    title, in the languages that `_ASKS_ABOUT` knows."""
    pattern = _ASKS_ABOUT.get(language_of_document(document.text), "")
    title = as_prose(document.title)
    sections = list(_sections(document))
    read = [at for at, one in enumerate(sections) if any(_touch(one.span, it) for it in cited)]
    found: list[tuple[int, FollowUp]] = []
    for at, one in enumerate(sections):
        if at in read:
            continue
        if one.heading.endswith(("?", "？", "؟")):
            if _OF_ONESELF.match(one.heading):
                continue
            asked = FollowUp(one.heading, document.path, one.span, True, "heading")
        elif pattern and title and _tells(one.heading, title):
            question = pattern.format(title=title, heading=one.heading)
            asked = FollowUp(question, document.path, one.span, True, "section")
        else:
            continue
        # One reads on; what stands before counts double.
        away = min((at - other if at > other else 2 * (other - at) for other in read), default=at)
        found.append((away, asked))
    return [one for _, one in sorted(found, key=lambda pair: pair[0])]


def _tells(heading: str, title: str) -> bool:
    """Whether a heading says what is below it, beyond the title; quotation marks would stand in
    quotation marks."""
    plain = heading.casefold().strip(" :.")
    return (
        plain not in _EMPTY
        and key(heading) != key(title)
        and any(letter.isalpha() for letter in heading)
        and not set('“”„«»《》"') & set(heading + title)
    )


def _sections(document: Document) -> Iterator[_Section]:
    heads = [one for one in document.elements if one.kind in ("heading", "title")]
    ends = [*(one.start for one in heads[1:]), len(document.text)]
    for head, end in zip(heads, ends, strict=True):
        text = as_prose(document.text[head.start : head.end])
        heading = _LABEL.sub("", _NUMBER.sub("", " ".join(text.split()))).rstrip(" :")
        if heading and _said(document.text[head.end : end]) >= _LEAST_SAID:
            yield _Section(heading, Span(head.start, end))


def _said(text: str) -> int:
    """How much a text says, in letters; an ideograph says as much as about three."""
    return sum(3 if letter >= "\u2e80" else 1 for letter in text if letter.isalpha())


def _from_tables(document: Document, cited: Sequence[Span], asked: str) -> list[FollowUp]:
    """Cells of the document's tables, those of the cited rows first: "Fjell 6: noise level?", which
    no language inflects."""
    if not any(one.kind == "table" for one in document.elements):
        return []
    whole = Chunk("", document.path, 0, len(document.text), document.text, document.title)
    known = content_words(asked)
    found: dict[str, FollowUp] = {}
    for fact in table_facts(document, [whole]):
        entity = f"{fact.noun} {fact.entity}".strip() if _is_code(fact.entity) else fact.entity
        attribute = fact.attribute.strip(" ?:")
        told = fact.value.strip().casefold() not in _UNSAID
        if told and entity and not content_words(attribute) <= known:
            question = f"{entity[:1].upper()}{entity[1:]}: {attribute}?"
            found[key(question)] = FollowUp(question, document.path, fact.span, False, "table")
    return sorted(found.values(), key=lambda one: _away(one.span, cited))


def _is_code(entity: str) -> bool:
    """Whether a row is named by a number or a code, which says little without its noun."""
    return not any(len(word) > 2 and word.isalpha() for word in words(entity))


def _touch(one: Span, other: Span) -> bool:
    return one.start < other.end and other.start < one.end


def _away(span: Span, cited: Sequence[Span]) -> int:
    """Characters from the nearest cited place; what stands before it counts double, as one reads
    on."""
    return min(
        (max(span.start - one.end, 2 * (one.start - span.end), 0) for one in cited),
        default=span.start,
    )
