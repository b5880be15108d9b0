"""Questions that sound as if the documents answered them, and are checked to have no answer there.

Made by rule from questions and table cells that do have one: the name in them changes place with
another name of the same form. Whether the documents speak of the new pair is looked up, not
assumed. Source of the idea: the antonym and entity swaps of Rajpurkar et al., "Know What You Don't
Know", arXiv 1806.03822, table 2.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence

from acclimate.questions.candidates import Candidate, content_words, key, words
from acclimate.questions.tables import Fact, ask, hash_order
from acclimate.types import Chunk, Hit

UNANSWERABLE_WRITER = "rule: another name"
Retrieve = Callable[[str, int], Sequence[Hit]]
_EACH = 3  # questions about one name
_LOOKED_AT = 20  # passages in which the pair must not stand together
# Names inside a sentence: two capitalised words or more, or one with a number or code.
_NAME = re.compile(
    r"(?<=[a-z,] )(?:[A-Z][\w-]+(?: [A-Z][\w-]+)+|[A-Z][\w-]+ \d+|[A-Z]{1,4}-?\d+)\b"
)


def unanswerable_from_tables(facts: Sequence[Fact], retrieve: Retrieve) -> Iterator[Candidate]:
    """An attribute that others have, asked of one of their kind that has it nowhere: some table
    lists both."""
    known = {(key(fact.entity), key(fact.attribute)) for fact in facts}
    listed: dict[tuple[str, str], dict[str, Fact]] = defaultdict(dict)
    for fact in facts:
        listed[fact.chunk.document, key(fact.attribute)].setdefault(key(fact.entity), fact)
    kin: dict[str, dict[str, Fact]] = defaultdict(dict)
    for some in listed.values():
        for name in some:
            kin[name] |= some
    used: Counter[str] = Counter()
    for fact in sorted(facts, key=lambda fact: hash_order(fact.attribute + fact.entity)):
        for name, other in sorted(
            kin[key(fact.entity)].items(), key=lambda item: (used[item[0]], hash_order(item[0]))
        ):
            if (
                (name, key(fact.attribute)) in known
                or used[name] >= _EACH
                or not _is_named(other.entity)
            ):
                continue
            if told_together(other.entity, fact.attribute, retrieve):
                continue
            used[name] += 1
            # Asked without a title: it would name a table that is not about this one.
            text = ask(
                Fact(
                    other.entity,
                    other.noun,
                    fact.attribute,
                    "",
                    other.entity,
                    other.chunk,
                    other.span,
                )
            )
            known.add((name, key(fact.attribute)))
            yield Candidate(text, "", "unanswerable", UNANSWERABLE_WRITER, (other.chunk,))
            break


def unanswerable_from_questions(
    asked: Sequence[tuple[str, Chunk]], chunks: Sequence[Chunk], retrieve: Retrieve
) -> Iterator[Candidate]:
    """Answerable questions, each with the chunk that answers it, asked of another name of the
    library."""
    names: dict[str, dict[str, Chunk]] = defaultdict(dict)
    for chunk in chunks:
        for name in _NAME.findall(chunk.text):
            names[_form(name)].setdefault(name, chunk)
    for question, source in asked:
        name = next(
            (found for found in _NAME.findall(question) if key(found) in key(source.text)), None
        )
        if name is None:
            continue
        rest, own = question.replace(name, " "), set(words(name))
        alike = [item for item in names[_form(name)].items() if own & set(words(item[0]))]
        others = sorted(alike, key=lambda item: hash_order(item[0] + question))
        for other, chunk in others[:_LOOKED_AT]:
            if key(other) in key(source.text) or told_together(other, rest, retrieve):
                continue
            yield Candidate(
                question.replace(name, other), "", "unanswerable", UNANSWERABLE_WRITER, (chunk,)
            )
            break


def told_together(name: str, rest: str, retrieve: Retrieve) -> bool:
    """Whether a passage near the question has half of the name and half of the other words: then it
    may be answered."""
    wanted, others = set(words(name)), content_words(rest) - set(words(name))
    for hit in retrieve(f"{name} {rest}", _LOOKED_AT):
        said = set(words(f"{hit.chunk.heading_path} {hit.chunk.shown}"))
        if 2 * len(wanted & said) >= len(wanted) and 2 * len(others & said) >= len(others):
            return True
    return False


def _is_named(entity: str) -> bool:
    """Whether its name has a word in it: what has only a code may go by another name elsewhere."""
    return entity[0].isupper() and any(len(word) > 2 and word.isalpha() for word in words(entity))


def _form(name: str) -> str:
    """Names of one form may stand for each other: as many words, numbers in the same places."""
    return " ".join(
        "0" if any(letter.isdigit() for letter in word) else "a" for word in words(name)
    )
