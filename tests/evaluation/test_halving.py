"""Successive halving: who wins, what it costs, what a stop loses."""

import json
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from acclimate.errors import SettingsError
from acclimate.evaluation.halving import KEEP, LEAST, Budget, Trace, halve, plan_rounds

NAMES = [f"c{number}" for number in range(12)]
ITEMS = [f"q{number}" for number in range(60)]


def noisy(candidate, item):
    """A coin that falls right more often the higher the candidate's number is; the same each time."""
    return float(random.Random(f"{candidate} {item}").random() < int(candidate[1:]) / 12)


def test_the_best_wins_for_far_fewer_calls_than_asking_all():
    found = halve(NAMES, ITEMS, noisy, Budget(), Trace())
    assert found.winner in NAMES[-3:]
    assert found.calls == sum(map(len, found.scores.values())) < len(NAMES) * len(ITEMS) / 2
    assert [len(row.means) for row in found.rounds] == [12, 5, 3]
    assert found.rounds[-1].items == len(ITEMS)
    for one in found.rounds:
        worst = min(one.means[name] for name in one.kept if name != "c0")
        assert all(
            mean <= worst
            for name, mean in one.means.items()
            if name not in one.kept and name != "c0"
        )


def test_the_baseline_stays_to_the_end_and_wins_ties():
    found = halve(NAMES, ITEMS, lambda *_: 0.5, Budget(), Trace())
    assert found.winner == "c0"
    worse = halve(NAMES, ITEMS, noisy, Budget(), Trace())
    shared, best, base = worse.paired(worse.winner, "c0")
    assert len(shared) == len(ITEMS)
    assert sum(base) == 0 < sum(best)


@given(st.integers(2, 60), st.integers(LEAST, 300), st.one_of(st.none(), st.integers(1, 5000)))
def test_a_plan_keeps_the_budget(candidates, items, calls):
    try:
        plan = plan_rounds(candidates, items, calls)
    except SettingsError as error:
        needed = int(error.hint.split()[1])
        assert calls < needed
        assert sum(stage.calls for stage in plan_rounds(candidates, items, needed)) <= needed
        return
    assert calls is None or sum(stage.calls for stage in plan) <= calls
    counts = [stage.items for stage in plan]
    assert counts == sorted(counts)
    assert counts[0] >= LEAST
    assert counts[-1] <= items
    assert plan[-1].kept == 0
    assert all(stage.kept >= 1 for stage in plan[:-1])
    size, total = candidates, 0
    for before, stage in zip([0, *counts], plan, strict=False):
        total += size * (stage.items - before)
        size = stage.kept + 1
    assert total == sum(stage.calls for stage in plan)
    assert size == 1
    assert len(plan) == 1 or candidates > KEEP + 1


def test_calls_bound_the_search():
    asked = []
    found = halve(
        NAMES, ITEMS, lambda *pair: asked.append(pair) or noisy(*pair), Budget(calls=100), Trace()
    )
    assert len(asked) == len(set(asked)) == found.calls <= 100


def test_minutes_bound_the_search(monkeypatch):
    now = [0.0]
    monkeypatch.setattr("acclimate.evaluation.halving.time.perf_counter", lambda: now[0])

    def slow(*pair):
        now[0] += 1.0
        return noisy(*pair)

    found = halve(NAMES, ITEMS, slow, Budget(minutes=2), Trace())
    assert 100 < found.seconds <= 120 + len(NAMES)
    assert len(found.rounds) == 3
    with pytest.raises(SettingsError, match="4 are the least"):
        halve(NAMES, ITEMS, slow, Budget(minutes=0.5), Trace())


def test_a_stopped_search_ends_as_it_would_have_and_repeats_nothing(tmp_path):
    whole = halve(NAMES, ITEMS, noisy, Budget(calls=200), Trace())
    file, asked = tmp_path / "a" / "trace.jsonl", []

    def stopping(*pair):
        asked.append(pair)
        if len(asked) == 77:
            raise KeyboardInterrupt
        return noisy(*pair)

    with pytest.raises(KeyboardInterrupt), Trace(file) as trace:
        halve(NAMES, ITEMS, stopping, Budget(calls=200), trace)
    with file.open("ab") as out:
        out.write(b'{"candidate": "c1", "it')  # as a hard stop leaves it
    with Trace(file) as trace:
        again = halve(NAMES, ITEMS, stopping, Budget(calls=200), trace)
    assert (again.winner, again.scores, again.calls) == (whole.winner, whole.scores, whole.calls)
    assert len(asked) == whole.calls + 1
    rows = [json.loads(line) for line in file.read_text().splitlines()]
    assert len([row for row in rows if "item" in row]) == whole.calls
    with Trace(file) as trace:
        halve(NAMES, ITEMS, stopping, Budget(calls=200), trace)
    assert file.read_text().splitlines() == [json.dumps(row) for row in rows]
    assert [tuple(row["kept"]) for row in rows if "kept" in row] == [
        one.kept for one in whole.rounds
    ]


@pytest.mark.parametrize("names", [[], ["a"], ["a", "a"]])
def test_what_is_no_choice_is_refused(names):
    with pytest.raises(SettingsError, match="two or more"):
        halve(names, ITEMS, noisy, Budget(), Trace())


def test_too_few_questions_are_refused():
    with pytest.raises(SettingsError, match="too few"):
        halve(NAMES, ITEMS[:3], noisy, Budget(), Trace())
