"""Scores of answers in full sentences: key facts, completeness, language and length."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Callable, Sequence

from acclimate.evaluation.quantities import Token, read_tokens
from acclimate.types import Answer, Question

_WORDS = re.compile(r"[^\W_]+")
_PLAIN = str.maketrans(
    {
        **dict.fromkeys("‘’‚", "'"),
        **dict.fromkeys("“”„", '"'),
        **dict.fromkeys("–—‑−‐", "-"),
        **dict.fromkeys("*`\u200b", None),
    }
)
_LONG = 4  # letters of a word that says something by itself


def facts_found(text: str, facts: Sequence[Sequence[str]]) -> float:
    """The share of the key facts of which one alternative is found in the text, 0 to 1. Raises
    ValueError for none.

    Patterns are searched for without regard to case in the text as people type it: compatibility
    forms (NFKC), straight quotes, plain hyphens, single spaces, no emphasis marks.
    """
    if not facts:
        raise ValueError("there are no facts")
    return sum(_any(text, fact) for fact in facts) / len(facts)


def wrong_found(text: str, wrong: Sequence[str]) -> bool:
    """Whether the text says something that is listed as wrong."""
    return _any(text, wrong)


def _any(text: str, patterns: Sequence[str]) -> bool:
    plain = _as_typed(text)
    return any(re.search(pattern, plain, re.IGNORECASE) for pattern in patterns)


def _as_typed(text: str) -> str:
    plain = unicodedata.normalize("NFKC", text).translate(_PLAIN)
    return re.sub(r"\s+", " ", plain).strip().lower()


def score_facts(question: Question, answer: Answer) -> tuple[float | None, float | None]:
    """The share of key facts, and whether something wrong is said (1 or 0); None where the question
    lists neither. An answer that abstains says nothing."""
    silent = answer.abstained
    facts = facts_found(answer.text, question.facts) if question.facts else None
    wrong = float(wrong_found(answer.text, question.wrong)) if question.wrong else None
    if wrong is None and question.facts:
        wrong = 0.0
    if silent:
        return (None if facts is None else 0.0), (None if wrong is None else 0.0)
    return facts, wrong


def completeness(
    text: str, references: Sequence[str], normalise: Callable[[str], str]
) -> float | None:
    """The share of a reference's content that the text has, of the reference that it covers best;
    None without references.

    Content is words of four letters or more, and numbers as numbers with their units, each as often
    as the reference has it; where a reference has no such words, all its words.
    """
    said = Counter(read_tokens(text, normalise))
    shares = []
    for reference in references:
        wanted = _content(read_tokens(reference, normalise))
        if wanted:
            shares.append(sum((said & wanted).values()) / sum(wanted.values()))
    return max(shares, default=None)


def _content(tokens: Sequence[Token]) -> Counter[Token]:
    kept = [one for one in tokens if not isinstance(one, str) or len(one) >= _LONG]
    return Counter(kept or tokens)


def words(text: str) -> int:
    """How many words a text has."""
    return len(_WORDS.findall(text))
