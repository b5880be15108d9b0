"""Successive halving: the best of many candidates by scores on questions, for a budget of calls or
minutes.

All candidates answer a few questions, the better part of them goes on to more, until few have
answered many. Source: Jamieson and Talwalkar, "Non-stochastic Best Arm Identification and
Hyperparameter Optimization", arXiv 1502.07943; the questions of earlier rounds count on, as in Li
et al., "Hyperband", arXiv 1603.06560. This file knows neither recipes nor prompts: a candidate is a
name, and a callback scores it.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

from acclimate.errors import SettingsError
from acclimate.files import jsonlines
from acclimate.system.closing import Closing

KEEP = 3
"""One of so many candidates goes on to the next round."""
LEAST = 4
"""Fewest questions that candidates are compared by."""

Scorer = Callable[[str, str], float]
"""The score of a candidate on an item, higher is better; asked item by item, so keep loaded what a
candidate needs."""


@dataclass(frozen=True, slots=True)
class Budget:
    """What a search may use: calls of the scorer, minutes that they take, money that they cost, or
    several of these; None: no such bound."""

    calls: int | None = None
    minutes: float | None = None
    money: float | None = None


@dataclass(frozen=True, slots=True)
class Trial:
    """One call: `score` of `candidate` on `item`, the seconds it took, and the money it cost."""

    candidate: str
    item: str
    score: float
    seconds: float
    cost: float = 0.0


@dataclass(frozen=True, slots=True)
class Round:
    """What a round ended with: the mean score of each candidate over the same `items` (a count),
    and who went on."""

    number: int
    items: int
    means: Mapping[str, float]
    kept: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Found:
    """The winner, the rounds, and the scores by candidate and item; calls, seconds and `cost` count
    those of resumed runs."""

    winner: str
    rounds: tuple[Round, ...]
    scores: Mapping[str, Mapping[str, float]]
    calls: int
    seconds: float
    cost: float = 0.0

    def paired(self, first: str, second: str) -> tuple[list[str], list[float], list[float]]:
        """The items that both candidates answered, and the scores of each."""
        shared = [item for item in self.scores[first] if item in self.scores[second]]
        return (
            shared,
            [self.scores[first][item] for item in shared],
            [self.scores[second][item] for item in shared],
        )


class Trace(Closing):
    """Trials in a file of JSON lines, each on the disk before the next begins; `None`: kept in
    memory only."""

    def __init__(self, file: Path | None = None) -> None:
        self.trials: dict[tuple[str, str], Trial] = {}
        self._rounds: list[dict[str, object]] = []
        self._out = None
        if file is None:
            return
        file.parent.mkdir(parents=True, exist_ok=True)
        jsonlines.drop_torn(file)
        for _, row in jsonlines.read_rows(file):
            if "item" in row:
                self.trials[row["candidate"], row["item"]] = Trial(**row)
            else:
                self._rounds.append(row)
        self._out = file.open("ab")

    def add(self, entry: Trial | Round) -> None:
        """Keep a trial, or note how a round ended."""
        line = jsonlines.dump(asdict(entry))
        if isinstance(entry, Trial):
            self.trials[entry.candidate, entry.item] = entry
        elif (row := jsonlines.parse(line)) in self._rounds:  # of the run that is resumed
            return
        else:
            self._rounds.append(row)
        if self._out is not None:
            self._out.write(line.encode() + b"\n")
            self._out.flush()

    def close(self) -> None:
        """Close the file, if there is one."""
        if self._out is not None:
            self._out.close()


def halve(
    candidates: Sequence[str],
    items: Sequence[str],
    scorer: Scorer,
    budget: Budget,
    trace: Trace,
    on_trial: Callable[[Trial, int], None] | None = None,
    price: Callable[[], float] | None = None,
    announce: Callable[[Mapping[str, Sequence[str]]], None] | None = None,
) -> Found:
    """The best of `candidates` on `items`, which are taken in the order given: shuffle them before.

    The first candidate is the baseline: it stays to the end, so that the winner's gain over it is
    measured on the same items; ties go to the earlier candidate. What the trace holds is not scored
    again, but counts: a search that was stopped ends as it would have. An error of the scorer ends
    the search, and the trace keeps what was scored before. `on_trial` hears of each new trial, and
    how many calls are planned at most. `price` tells what the scorer's last call cost. `announce`
    hears at the beginning of a round what will be scored in it, items by candidate, so that it may
    be scored meanwhile.

    Raises SettingsError for fewer than two candidates, for names that come twice, and where the
    budget is not enough for `LEAST` items in the first round.
    """
    if len(set(candidates)) != len(candidates) or len(candidates) < 2:
        raise SettingsError(
            f"a search needs two or more different candidates, not {len(candidates)}."
        )
    search = _Search(scorer, trace, budget, on_trial, price, announce)
    plan = plan_rounds(len(candidates), len(items), budget.calls)
    search.planned = sum(stage.calls for stage in plan)
    left, rounds, seen, until = list(candidates), [], 0, 0
    for number, stage in enumerate(plan, start=1):
        until += stage.calls
        seen = search.ask(left, items[:seen], items[seen : stage.items], until / search.planned)
        means = {name: search.mean(name, items[:seen]) for name in left}
        best = sorted(left[1:], key=lambda name: (-means[name], candidates.index(name)))[
            : stage.kept
        ]
        kept = [left[0], *best]
        if number == len(plan):
            kept = [min(left, key=lambda name: (-means[name], candidates.index(name)))]
        rounds.append(Round(number, seen, means, tuple(kept)))
        trace.add(rounds[-1])
        left = kept
    return Found(left[0], tuple(rounds), search.scores, search.calls, search.seconds, search.cost)


@dataclass(frozen=True, slots=True)
class Stage:
    """A round as planned: the items that its candidates will have answered at its end, the calls
    that it takes, and how many go on beside the baseline."""

    items: int
    calls: int
    kept: int


def plan_rounds(candidates: int, items: int, calls: int | None) -> list[Stage]:
    """Rounds in which the candidates fall to about a third and the items grow threefold, within
    `calls`.

    The last round has as many of the items as the calls allow. Raises SettingsError where that is
    fewer than `LEAST` in the first round, or where there are fewer items.
    """
    if items < LEAST:
        raise SettingsError(f"{items} questions are too few to choose by; {LEAST} are the least.")
    sizes = [candidates]
    while sizes[-1] > KEEP + 1:
        sizes.append(1 + max(1, math.ceil((sizes[-1] - 1) / KEEP)))

    def lay(last: int) -> list[Stage]:
        stages, before = [], 0
        for place, size in enumerate(sizes):
            asked = min(
                last, max(LEAST, before, math.ceil(last / KEEP ** (len(sizes) - 1 - place)))
            )
            goes_on = sizes[place + 1] - 1 if place + 1 < len(sizes) else 0
            stages.append(Stage(asked, size * (asked - before), goes_on))
            before = asked
        return stages

    for last in range(items, LEAST - 1, -1):
        stages = lay(last)
        if calls is None or sum(stage.calls for stage in stages) <= calls:
            return stages
    least = sum(stage.calls for stage in lay(LEAST))
    raise SettingsError(
        f"{calls} calls are too few for {candidates} candidates; {least} are the least.",
        hint=f"Give {least} calls or more, or fewer candidates.",
    )


@dataclass(slots=True)
class _Search:
    scorer: Scorer
    trace: Trace
    budget: Budget
    on_trial: Callable[[Trial, int], None] | None
    price: Callable[[], float] | None = None
    announce: Callable[[Mapping[str, Sequence[str]]], None] | None = None
    planned: int = 0
    calls: int = 0
    seconds: float = 0.0
    cost: float = 0.0
    scores: dict[str, dict[str, float]] = field(default_factory=dict)

    def ask(
        self, left: Sequence[str], seen: Sequence[str], new: Sequence[str], share: float
    ) -> int:
        """Score the candidates item by item, all on one before the next, until this share of the
        budget is used; how many items they have then."""
        done = len(seen)
        if self.announce is not None:
            missing = {name: self._missing(name, new) for name in left}
            self.announce({name: items for name, items in missing.items() if items})
        for item in new:
            if self._used() >= share:
                break
            for name in left:
                self._try(name, item)
            done += 1
        if done < LEAST:
            minutes, money = self.budget.minutes, self.budget.money
            bounds = [f"{minutes:g} minutes"] if minutes is not None else []
            bounds += [f"{money:g} of money"] if money is not None else []
            raise SettingsError(
                f"{' and '.join(bounds)} were enough for {done} questions with "
                f"{len(left)} candidates; {LEAST} are the least.",
                hint="Give more: what is done is kept. Or give fewer candidates.",
            )
        return done

    def _used(self) -> float:
        """The share of the minutes or of the money that is used, whichever is more."""
        minutes, money = self.budget.minutes, self.budget.money
        time_used = 0.0 if minutes is None else self.seconds / (minutes * 60)
        return max(time_used, 0.0 if money is None else self.cost / money)

    def _missing(self, name: str, items: Sequence[str]) -> list[str]:
        return [item for item in items if (name, item) not in self.trace.trials]

    def mean(self, name: str, items: Sequence[str]) -> float:
        """Of a candidate's scores on these items."""
        return sum(self.scores[name][item] for item in items) / len(items)

    def _try(self, name: str, item: str) -> None:
        trial = self.trace.trials.get((name, item))
        if trial is None:
            started = time.perf_counter()
            score = self.scorer(name, item)
            took = time.perf_counter() - started
            trial = Trial(name, item, score, took, self.price() if self.price else 0.0)
            self.trace.add(trial)
            if self.on_trial:
                self.on_trial(trial, self.planned)
        self.calls += 1
        self.seconds += trial.seconds
        self.cost += trial.cost
        self.scores.setdefault(name, {})[item] = trial.score
