"""Questions about what the documents name that they do not answer, for a model that is to know what
it does not know.

Each asks one of their names for something that others have and it has not, or that documents like
to say of anything: its colour, its founder. That no passage says both is looked up, as in
`questions.unanswerable`, by words alone: hundreds are looked up, and a search by meaning takes a
hundred times as long.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence

from acclimate.questions.candidates import content_words, key
from acclimate.questions.tables import Fact, hash_order
from acclimate.questions.unanswerable import (
    Retrieve,
    told_together,
    unanswerable_from_questions,
    unanswerable_from_tables,
)
from acclimate.types import Chunk, Hit

_NAME = re.compile(r"(?<=[a-z,] )(?:[A-Z][\w-]+(?: (?:[A-Z][\w-]+|\d+))*)\b")
_ASKED = (
    "What colour is {}?", "Who founded {}?", "When was {} founded?", "What is the address of {}?",
    "How old is {}?", "What is the serial number of {}?", "Who invented {}?", "How wide is {}?",
    "What does {} weigh?", "What does {} cost?", "How much does {} cost?", "How high is {}?",
    "What is the phone number of {}?", "Who is the owner of {}?", "What material is {} made of?",
    "How long does {} take?", "When does {} end?", "When did {} begin?", "How many people use {}?",
    "Does {} work without power?", "Is {} insured?", "What is the profit of {}?",
    "Which credit card does {} take?", "How do I cancel {}?", "What is the password of {}?",
    "Which language is {} in?", "What is the postal code of {}?", "Who was before {}?",
    "How loud is {}?", "Which insurance covers {}?", "What is the nickname of {}?",
    "What is the budget of {}?", "How do I reset {}?", "What does error code {} mean?",
    "How far away is {}?", "Who checks {}?", "What is the temperature of {}?",
    "Which award did {} win?", "How many doors does {} have?", "Where was {} born?",
)  # fmt: skip


def unsaid(
    asked: Sequence[tuple[str, Chunk]],
    facts: Sequence[Fact],
    chunks: Sequence[Chunk],
    most: int,
) -> list[str]:
    """Up to `most` questions without an answer in `chunks`: of every sort in turn, none twice.

    `asked` are questions that have one, each with its chunk.
    """
    retrieve = _by_words(chunks)
    sources = (
        (one.question for one in unanswerable_from_tables(facts, retrieve)),
        _strange(facts, chunks, retrieve),
        (one.question for one in unanswerable_from_questions(asked, chunks, retrieve)),
    )
    found: dict[str, str] = {}
    open_ = list(sources)
    while open_ and len(found) < most:
        for source in list(open_):
            question = next(source, None)
            if question is None:
                open_.remove(source)
            elif len(found) < most:
                found.setdefault(key(question), question)
    return list(found.values())


def _by_words(chunks: Sequence[Chunk]) -> Retrieve:
    """Finds the chunks that share most content words with a query."""
    holding: dict[str, list[int]] = defaultdict(list)
    for at, chunk in enumerate(chunks):
        for word in content_words(f"{chunk.heading_path} {chunk.shown}"):
            holding[word].append(at)

    def retrieve(query: str, k: int) -> list[Hit]:
        shared = Counter(at for word in content_words(query) for at in holding.get(word, ()))
        best = shared.most_common(k)
        return [Hit(chunks[at], float(n), rank) for rank, (at, n) in enumerate(best, start=1)]

    return retrieve


def _strange(facts: Sequence[Fact], chunks: Sequence[Chunk], retrieve: Retrieve) -> Iterator[str]:
    """Names of the documents with what nobody says of them, each question word in turn."""
    names = {key(fact.entity): fact.entity for fact in facts if fact.entity[:1].isupper()}
    for chunk in chunks:
        names |= {key(name): name for name in _NAME.findall(chunk.text)}
    pairs = [(name, form) for name in names.values() for form in _ASKED]
    for name, form in sorted(pairs, key=lambda pair: hash_order(pair[0] + pair[1])):
        if not told_together(name, form.format(""), retrieve):
            yield form.format(name)
