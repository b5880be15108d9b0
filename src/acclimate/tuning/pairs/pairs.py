"""A user's own pairs of prompt and answer: read whole, each fault with its line, before anything is
trained.

bytes → rows with their lines (acclimate.files.rows) → one form for all rows, never guessed
(pair_formats) → pairs
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from acclimate.errors import DataError, SettingsError
from acclimate.files.rows import Place, Problem, Row, read_rows
from acclimate.tuning.pairs.conversations import READ, Lesson, Unfit
from acclimate.tuning.pairs.formats import FORMATS, Format
from acclimate.types import Message, Question, Turn

_TOLD = 8  # problems that an error spells out
_HELD = 20  # one pair of so many is watched, at most _MOST_HELD
_MOST_HELD = 100


@dataclass(frozen=True, slots=True)
class PairSource:
    """A file of pairs. `format` None: told by its keys. `leave_out`: go on without the lines that
    are refused."""

    file: Path
    format: str | None = None
    leave_out: bool = False


@dataclass(frozen=True, slots=True)
class Pair:
    """A prompt, the answer to learn, and where they stand in the file. `split` is "train" or "dev";
    `fields` are those of an answer that calls tools."""

    place: Place
    messages: tuple[Message, ...]
    answer: str
    question: Question | None = None
    split: str = "train"
    fields: str = ""

    @property
    def asked(self) -> str:
        """What the user says last."""
        return next(
            message.content for message in reversed(self.messages) if message.role == "user"
        )

    @property
    def text(self) -> str:
        """All that is shown or learnt."""
        evidence = (self.question.evidence or "") if self.question else ""
        shown = [message.content for message in self.messages]
        shown += [message.fields for message in self.messages if isinstance(message, Turn)]
        return "\n".join([*shown, self.answer, self.fields, evidence])


@dataclass(frozen=True, slots=True)
class Pairs:
    """What a file of pairs holds.

    `layout` and `format` say how it was read. `rows` counts all rows, `unused` the keys that nobody
    reads; `passed` counts what is not for training by its own `split`, `status` or `label`, and
    what of a row is not. `problems` are in the order of lines.
    """

    file: Path
    layout: str
    format: str
    rows: int
    pairs: tuple[Pair, ...]
    problems: tuple[Problem, ...]
    passed: dict[str, int]
    unused: tuple[str, ...]


def read_pairs(source: PairSource) -> Pairs:
    """Read a file of pairs; what is wrong with single lines is in `problems`.

    Raises DataError where the file as a whole cannot be read, and where its format is not certain.
    """
    read = read_rows(source.file)
    chosen = find_format(source, read.rows, read.problems)
    pairs: list[Pair] = []
    problems, passed = list(read.problems), Counter[str]()
    for row in read.rows:
        split, status = (
            str(row.values.get(name) or "").strip().casefold() for name in ("split", "status")
        )
        if split == "test" or status == "rejected":
            passed["of its split 'test'" if split == "test" else "rejected by a reviewer"] += 1
            continue
        try:
            lessons = _lessons(chosen, row)
            passed.update({lesson.passed for lesson in lessons if lesson.passed})
            pairs += [
                Pair(
                    row.place, one.messages, one.answer, one.question, split or "train", one.fields
                )
                for one in lessons
                if one.messages
            ]
        except Unfit as unfit:
            problems.append(Problem(row.place, unfit.reason, unfit.remedy))
    keys = {name for row in read.rows for name in row.values} | _unread_of_turns(read.rows)
    known = {name for group in chosen.needed for name in group} | set(chosen.known)
    ordered = tuple(sorted(problems, key=lambda problem: problem.place))
    rows = len(read.rows) + len(read.problems)
    return Pairs(
        source.file,
        read.layout,
        chosen.name,
        rows,
        tuple(pairs),
        ordered,
        dict(passed),
        tuple(sorted(keys - known)),
    )


def _unread_of_turns(rows: Sequence[Row]) -> set[str]:
    """Keys of turns that say something and are not read, as `messages[].audio`."""
    return {
        f"{name}[].{key}"
        for row in rows
        for name, turns in row.values.items()
        if isinstance(turns, list) and name not in ("tools", "answers", "documents")
        for turn in turns
        if isinstance(turn, dict)
        for key, value in turn.items()
        if key not in READ and value not in (None, "", [], {}, False)
    }


def _lessons(chosen: Format, row: Row) -> list[Lesson]:
    for group in chosen.needed:
        if not any(name in row.values for name in group):
            raise Unfit(
                f"has no key '{' or '.join(group)}'",
                f"The format '{chosen.name}' needs {chosen.keys}.",
            )
    split = str(row.values.get("split") or "train").strip().casefold()
    if split not in ("train", "dev"):
        raise Unfit(f"has the split '{split}'", "Splits are train, dev and test.")
    return chosen.read(row.values, str(row.place))


def find_format(source: PairSource, rows: Sequence[Row], problems: Sequence[Problem]) -> Format:
    """The one form that the rows have."""
    known = "; ".join(f"{one.name} ({one.keys})" for one in FORMATS.values())
    if source.format is not None:
        if source.format not in FORMATS:
            raise SettingsError(f"there is no format '{source.format}'.", hint=f"Formats: {known}.")
        return FORMATS[source.format]
    if not rows:
        raise refused(source.file, problems, len(problems))
    first: dict[str, Place] = {}
    for row in rows:
        for one in FORMATS.values():
            if one.name not in first and one.fits(row.values):
                first[one.name] = row.place
    if not first:
        if all("text" in row.values for row in rows):
            raise DataError(
                f"{source.file}, {rows[0].place}: its keys (text) are of no known format: one "
                f"text for prompt and "
                "answer does not say what is to be learnt.",
                hint=f"Give both as keys, like prompt and completion. Texts to read, not to "
                f"answer: put them into "
                f"the documents folder and run acclimate tune pretrain. Known: {known}.",
            )
        keys = ", ".join(rows[0].values) or "no keys"
        raise DataError(
            f"{source.file}, {rows[0].place}: its keys ({keys}) are of no known format.",
            hint=f"Known: {known}.",
        )
    if len(first) > 1:
        found = ", ".join(
            f"'{name}' ({FORMATS[name].keys}; {place})" for name, place in first.items()
        )
        raise DataError(
            f"{source.file} has the keys of {len(first)} formats: {found}.",
            hint=f"Say which is meant: --format {next(iter(first))}",
        )
    return FORMATS[next(iter(first))]


def refused(file: Path, problems: Sequence[Problem], rows: int) -> DataError:
    """The error that names each line, its reason and its remedy."""
    told = [f"  {one.place} {one.reason}. {one.remedy}" for one in problems[:_TOLD]]
    if len(problems) > _TOLD:
        told.append(f"  and {len(problems) - _TOLD} more; --inspect lists all")
    count = len({problem.place for problem in problems})
    return DataError(
        "\n".join([f"{file}: {count} of {rows} rows cannot be learnt from:", *told]),
        hint="Correct them, or train without them: --leave-out",
    )


def hold_out(pairs: Sequence[Pair]) -> tuple[list[Pair], list[Pair], str]:
    """Pairs to learn, pairs to watch, and how they were chosen; the same file is always divided
    alike.

    Those of split "dev" are watched; where there are none, a twentieth, pairs of one document or
    one question together. With fewer than ten pairs those that are learnt are watched.
    """
    dev = [pair for pair in pairs if pair.split == "dev"]
    learnt = [pair for pair in pairs if pair.split != "dev"]
    if dev:
        return learnt, dev, "of its split 'dev'"
    groups: dict[str, list[Pair]] = {}
    for pair in pairs:
        document = pair.question.document if pair.question else None
        first = next(message.content for message in pair.messages if message.role == "user")
        groups.setdefault(document or first, []).append(pair)
    if len(groups) < 10:
        return list(pairs), list(pairs), "too few to hold any out: those that are learnt"
    wanted = min(_MOST_HELD, max(1, len(pairs) // _HELD))
    held: set[str] = set()
    for name in sorted(groups, key=lambda name: hashlib.sha256(name.encode()).digest()):
        if sum(len(groups[one]) for one in held) >= wanted:
            break
        held.add(name)
    watched = {pair.place for name in held for pair in groups[name]}
    kept = [pair for pair in pairs if pair.place not in watched]
    return kept, [pair for pair in pairs if pair.place in watched], "held out"
