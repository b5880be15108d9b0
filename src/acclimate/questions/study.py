"""Questions by rule about everything that a passage says, for a model that is to learn it by heart.

Each number, date, name and end of a sentence is an answer; its sentence is asked for it in several
forms: with a question word in the answer's place, with the words in the order of a question, and by
some of its words only. Forms matter more than their beauty: a fact that was learnt from one wording
is found again by that wording alone (Allen-Zhu and Li, "Physics of Language Models: Part 3.1",
arXiv 2309.14316, sections 4 and 5).
"""

from __future__ import annotations

import random
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from acclimate.questions.candidates import content_words, key, words
from acclimate.questions.tables import Fact, ask, hash_order
from acclimate.types import Chunk

RULE = "rule: study"
_MONTHS = "January|February|March|April|May|June|July|August|September|October|November|December"
_DAYS = "Monday|Tuesday|Wednesday|Thursday|Friday|Saturday|Sunday"
_COUNT = "one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|half"
_NO_UNIT = (
    "and|or|to|of|in|for|from|with|on|at|by|the|a|an|is|are|was|were|must|may|can|will|has|have|"
    "came|which|who|that|as|than|but|per|after|before|since|until|if|when|each|every|not|be|it|"
    "does|do|did|had|should|would|could|into|out|up|about|over|under|between|within|during|then"
)
_UNIT = (
    r"(?:\s?(?:%|°C|°F|€|\$|£)"
    r"|\s(?:(?:million|billion|thousand|working|calendar|square|half)\s)?"
    rf"(?!(?:{_NO_UNIT})\b)[A-Za-z][\w-]*)"
)
_SPANS = (
    ("when", rf"(?:\d{{1,2}} )?(?:{_MONTHS})(?: \d{{1,2}}, \d{{4}}| \d{{4}})?|\b(?:18|19|20)\d\d\b"),
    ("when", rf"\b\d{{1,2}}:\d\d(?: (?:to|and|until) \d{{1,2}}:\d\d)?|\b(?:{_DAYS})\b"),
    ("how often", r"\b(?:once|twice|three times|four times) (?:a|every|per) (?:\w+ )?\w+|"
                  r"\b(?:every|each) (?:\w+ )?(?:days?|weeks?|months?|quarters?|years?)\b"),
    ("name", r"^[A-Z][\w'’-]+(?: (?:[A-Z][\w'’-]*|\d+\b(?![,.:]\d)))+"),
    ("name", r"(?<=[a-z,;:(] )[A-Z][\w'’-]*(?: (?:[A-Z][\w'’-]*|\d+\b(?![,.:]\d)|of(?= [A-Z])))*"),
    ("name", r"“[^”]{2,60}”|\"[^\"]{2,60}\"|\b[\w.+-]+@[\w.-]+\w"),
    ("how many", rf"(?<![\w.,-])[-−]?(?:[€$£]\s?)?\d[\d,.]*(?:\d|\b)(?!:\d){_UNIT}?"),
    ("how many", rf"\b(?:{_COUNT}){_UNIT}"),
)  # fmt: skip
_FOUND = [(kind, re.compile(pattern)) for kind, pattern in _SPANS]
_AUXILIARY = re.compile(
    r" (is|are|was|were|must|may|can|will|should|has to|have to|has|have|had|does|do|did|cannot|"
    r"shall|could|might|would)\b "
)
_MONEY = frozenset(
    "nok eur usd sek dkk gbp chf dollars dollar euros euro pounds kroner € $ £".split()
)
_SENTENCE = re.compile(r"(?<=[.!?;])(?<!\b[A-Z]\.)[\"'”’)]*\s+(?=[A-Z\d“\"(-])")
_MARKUP = re.compile(r"^[\s>*+-]*(?:\d+[.)]\s+)?|[*_`]{1,3}(?=\S)|(?<=\S)[*_`]{1,3}")
_ITEM = re.compile(r"\s*(?:[*+•-]|\d+[.)])\s+\S")
_LABEL = re.compile(r"^([A-Z][^.:?!|]{1,40}): (?=\S)")
_PREPOSITION = re.compile(
    r"(?:^| )(within|after|before|until|by|on|in|at|for|from|to|with|up to|at least|at most|about|"
    r"of|every|between|than|under|over|as)$",
    re.I,
)
# “eight room” of “eight room sensors” is half an answer.
_COUNTED = re.compile(r" [a-z]{2,}s\b")
_UNCOUNTED = re.compile(r" (?!percent\b|degrees\b)[a-z]*[a-rt-z]$")
_BEGINNINGS = frozenset(
    "the a an all each every no if when while where from in on at for with to by of after before "
    "this that these those only both some most what who it its".split()
)
_LONGEST = 12  # words of an answer that is the end of a sentence
_SHOWN = 0.65  # share of a sentence's words that a question by some of them has


@dataclass(frozen=True, slots=True)
class Asked:
    """A question by rule with its answer. `form` says how it asks; `line` is the sentence or row
    that it is about."""

    question: str
    answer: str
    form: str
    line: str


@dataclass(frozen=True, slots=True)
class _Line:
    """A sentence without its markup, below its headings."""

    text: str
    about: str


def study(chunk: Chunk, facts: Sequence[Fact] = (), bags: int = 3) -> list[Asked]:
    """Questions about every sentence of a chunk and about the cells in `facts`, none twice.

    `bags` are the questions by some of the words for each answer. Equal chunks give equal
    questions.
    """
    found: list[Asked] = []
    for line in _lines(chunk):
        for kind, start, end in _answers(line.text):
            found += _about_span(line, kind, start, end, bags)
        found += _about_end(line, bags)
    for fact in facts:
        found += _about_cell(fact, facts)
    unique = {(key(one.question), key(one.answer)): one for one in found if words(one.answer)}
    return [one for one in unique.values() if _asks(one)]


def _asks(one: Asked) -> bool:
    return len(content_words(one.question)) >= 2 and key(one.answer) not in key(one.question)


def _lines(chunk: Chunk) -> Iterator[_Line]:
    """The sentences of a chunk; lines of tables are left out, headings go to what follows them."""
    heading = chunk.headings[-1] if chunk.headings else ""
    for block in _blocks(chunk.text):
        if block.startswith("#") or _is_heading(block):
            heading = block.lstrip("# ").strip()
            continue
        label = ""
        for sentence in _SENTENCE.split(_MARKUP.sub("", block)):
            text = sentence.strip()
            if (match := _LABEL.match(text)) is not None and len(text) > match.end() + 8:
                label, text = match[1], text[match.end() :]
            if len(text.split()) >= 3:
                about = " ".join(filter(None, (chunk.title, heading, label)))
                yield _Line(text.rstrip(".;! "), about)


def _blocks(text: str) -> Iterator[str]:
    """Paragraphs, list items and headings, each as one line; rows of tables are left out."""
    block = ""
    for row in text.split("\n"):
        bare = row.strip()
        table = bare.startswith("|") or bare.count("|") > 1
        if block and (not bare or table or bare.startswith("#") or _ITEM.match(row)):
            yield block
            block = ""
        if not bare or table:
            continue
        block = f"{block} {bare}".strip()
        if bare.startswith("#"):
            yield block
            block = ""
    if block:
        yield block


def _is_heading(row: str) -> bool:
    """A short line that does not end as a sentence does."""
    return len(row.split()) <= 8 and row[-1] not in ".!?:;,)" and row[:1].isupper()


def _answers(text: str) -> list[tuple[str, int, int]]:
    """Kind and place of what may be asked for; of places that overlap, the first kind's."""
    found: list[tuple[str, int, int]] = []
    for kind, pattern in _FOUND:
        for match in pattern.finditer(text):
            start, end = match.span()
            while end > start and text[end - 1] in ",.;:":
                end -= 1
            if kind == "name" and not _is_name(text[start:end]):
                continue
            if kind == "how many" and (more := _COUNTED.match(text, end)) is not None:
                end = more.end() if _UNCOUNTED.search(text[start:end]) else end
            if all(end <= first or start >= last for _, first, last in found) and end > start:
                found.append((kind, start, end))
    return sorted(found, key=lambda one: one[1])


def _is_name(text: str) -> bool:
    """Whether capitals name something: no currency, no sentence that begins with “The”."""
    parts = words(text)
    return len(text) > 2 and not set(parts) <= _MONEY and parts[0] not in _BEGINNINGS


def _asking(kind: str, answer: str) -> list[str]:
    """Question words for an answer, the plainest first."""
    if kind in ("when", "how often"):
        return [kind, "at what time" if ":" in answer else "on what date"][
            : 2 if kind == "when" else 1
        ]
    if kind == "name":
        person = len(answer.split()) == 2 and all(part.isalpha() for part in answer.split())
        return ["who", "what"] if person else ["what", "which one"]
    unit = re.sub(rf"^[-−€$£]?\s?(?:\d[\d,.]*|{_COUNT})", "", answer, flags=re.I).strip()
    if set(words(unit)) & _MONEY or any(mark in answer for mark in "€$£"):
        return ["how much", "what amount"]
    if unit in ("percent", "%"):
        return ["what percentage", "how much", "how many percent"]
    if key(unit).split(" ")[-1:] and key(unit).split(" ")[-1] in _LASTING:
        return ["how long", f"how many {unit}"]
    return [f"how many {unit}", "how many", "how much"] if unit else ["how many", "what number"]


_LASTING = frozenset(
    "second seconds minute minutes hour hours day days week weeks month months year years".split()
)


def _about_span(line: _Line, kind: str, start: int, end: int, bags: int) -> list[Asked]:
    answer, rng = line.text[start:end].strip('“”" '), _random(f"{line.text}{start}")
    before, after = line.text[:start].rstrip(), line.text[end:].strip()
    asking = _asking(kind, answer)
    made = [(f"{before} {asking[0]} {after}", "in place")]
    turned = _turned(before, asking[-1], after)
    made += [(turned, "turned")] if turned else []
    made += [(text, "words") for text in _bags(line, f"{before} {after}", asking, bags, rng)]
    return [Asked(_as_question(text), answer, form, line.text) for text, form in made]


def _turned(before: str, asking: str, after: str) -> str:
    """The words in the order of a question: “Within how many days may buyers return …”; "" where
    no auxiliary verb stands before the answer."""
    match = _AUXILIARY.search(f"{before} ")
    if match is None:
        return ""
    subject, rest = before[: match.start()], before[match.end() :].strip()
    preposition = _PREPOSITION.search(f" {rest}" if rest else "")
    lead = asking
    if preposition is not None:
        rest = rest[: len(rest) - len(preposition[1])].rstrip()
        lead = f"{preposition[1]} {asking}"
    return f"{lead} {match[1]} {_small(subject)} {rest} {after}"


def _about_end(line: _Line, bags: int) -> list[Asked]:
    """What a sentence says of its subject, and of what it says that."""
    match = _AUXILIARY.search(line.text)
    if match is None:
        return []
    subject, rest = line.text[: match.start()].strip(), line.text[match.end() :].strip()
    rng, made = _random(line.text), []
    if 0 < len(rest.split()) <= _LONGEST and len(content_words(subject)) > 0:
        about = f" ({line.about})" if len(content_words(subject)) < 2 else ""
        lead = "what happens with" if match[1] in ("is", "are", "was", "were") else "what"
        asked = (
            f"{lead} {_small(subject)}"
            if lead != "what"
            else f"what {match[1]} {_small(subject)} do"
        )
        made += [Asked(_as_question(asked + about), rest, "end", line.text)]
        made += [
            Asked(_as_question(text), rest, "words", line.text)
            for text in _bags(line, subject, ["what about", "what happens to"], min(bags, 2), rng)
        ]
    if 0 < len(subject.split()) <= 6 and len(content_words(rest)) > 1:
        who = "who" if re.fullmatch(r"[A-Z]\w+ [A-Z]\w+", subject) else "what"
        made.append(Asked(_as_question(f"{who} {match[1]} {rest}"), subject, "subject", line.text))
    return made


def _bags(
    line: _Line, rest: str, asking: Sequence[str], count: int, rng: random.Random
) -> Iterator[str]:
    """Question words and some of a sentence's words, now and then with some of its headings'."""
    inside = [word for word in re.findall(r"[\w'’.,-]*\w", rest) if content_words(word)]
    above = [word for word in re.findall(r"[\w'’-]*\w", line.about) if content_words(word)]
    for number in range(count):
        kept = [word for word in inside if rng.random() < _SHOWN] or inside
        heads = [word for word in above if rng.random() < _SHOWN / 2]
        parts = [*kept, *heads] if rng.random() < 0.5 else [*heads, *kept]
        if len(parts) >= 2:
            yield " ".join([asking[number % len(asking)], *parts])


def _about_cell(fact: Fact, facts: Sequence[Fact]) -> list[Asked]:
    """A cell, asked for by its row and column in several ways; and its row, where only that one has
    the cell's value."""
    noun = f"{fact.noun} " if fact.noun and not fact.entity.lower().startswith(fact.noun) else ""
    attribute = fact.attribute[:1].lower() + fact.attribute[1:]
    kind = next((kind for kind, start, end in _answers(fact.value) if start == 0), "")
    asking = _asking(kind, fact.value)[0] if kind else "what"
    made = [
        ask(fact),
        f"{noun}{fact.entity}: {attribute}",
        f"what {attribute} does {fact.entity} have",
        f"{asking} {attribute} {noun}{fact.entity}",
        f"{asking} {fact.entity} {attribute} {fact.title}",
        f"what {attribute} goes with {noun}{fact.entity}",
    ]
    line = f"{fact.entity} | {fact.attribute} | {fact.value}"
    found = [Asked(_as_question(text), fact.value, "cell", line) for text in made]
    same = [
        one
        for one in facts
        if key(one.attribute) == key(fact.attribute) and key(one.value) == key(fact.value)
    ]
    if len({key(one.entity) for one in same}) == 1 and key(fact.value) not in ("yes", "no"):
        asked = f"which {fact.noun or 'one'} has the {attribute} {fact.value}"
        found.append(Asked(_as_question(asked), fact.entity, "row", line))
    return found


def _small(text: str) -> str:
    """A sentence's beginning as it stands inside one; names stay."""
    first = text.split(" ")[0]
    plain = first[1:].islower() and first.lower() in _SMALL
    return text[:1].lower() + text[1:] if plain else text


_SMALL = frozenset(
    "the a an all each every only this these those returned employees claims who it they if when "
    "expenses passwords laptops disks orders goods parcels requests prices courses gifts".split()
)


def _as_question(text: str) -> str:
    plain = re.sub(r"\s+", " ", re.sub(r"\s+([,.;:])", r"\1", text)).strip(" ,;:.?")
    return f"{plain[:1].upper()}{plain[1:]}?"


def _random(text: str) -> random.Random:
    return random.Random(hash_order(text))  # noqa: S311 -- draws variants, guards nothing
