"""Contestants that were trained with several seeds: their luck is in intervals and tests."""

from contextlib import closing
from dataclasses import replace

import numpy as np
import pytest
import scipy.stats

from acclimate.evaluation import statistics
from acclimate.evaluation.cache import AnswerCache
from acclimate.evaluation.compare import Setting, compare
from acclimate.evaluation.comparison import load, save
from acclimate.evaluation.comparison_run import ComparisonRun
from acclimate.evaluation.entry import Entry, NoProgress
from acclimate.evaluation.luck import Luck, luck_of
from acclimate.evaluation.report import render_html, render_markdown
from acclimate.evaluation.sequential import look
from acclimate.evaluation.statistics import difference, family_p, mean_interval, needed
from acclimate.types import Question

from .answered import answered


def simulate(rng, documents, seeds, luck):
    """A contestant's runs and one that was not trained, on documents of one to five questions; no
    true difference."""
    sizes = rng.integers(1, 6, documents)
    places = np.repeat(np.arange(documents), sizes)
    levels = rng.normal(0, 0.2, documents)
    suits = rng.normal(0, 0.1, (seeds + 1, documents))
    luck_of_each = np.append(rng.normal(0, luck, seeds), 0.0)
    chance = np.clip(0.5 + (levels + suits)[:, places] + luck_of_each[:, None], 0, 1)
    scores = (rng.random(chance.shape) < chance).astype(float)
    return scores[:-1], scores[-1], places.tolist()


def test_intervals_cover_the_truth_and_few_differences_are_false(monkeypatch):
    monkeypatch.setattr(statistics, "RESAMPLES", 1000)
    rng, covered, ignored, single, family = np.random.default_rng(5), 0, 0, 0, 0
    for _ in range(300):
        runs, plain, clusters = simulate(rng, 25, 4, 0.12)
        luck, mean = luck_of(runs, clusters), runs.mean(axis=0)
        gap = difference(mean, plain, clusters, luck=[luck])
        covered += gap.interval.low <= 0 <= gap.interval.high
        single += gap.p < 0.05
        without = difference(mean, plain, clusters).interval
        ignored += without.low <= 0 <= without.high
        third = rng.permutation(plain)
        every = [luck, None, None]
        family += family_p([mean, plain, third], clusters, luck=every).min() < 0.05
    assert 275 <= covered <= 295  # 285 expected, standard deviation 3.8
    assert ignored < 270  # the documents alone are not enough
    assert single <= 26  # 15 expected
    assert family <= 26


def test_the_luck_is_the_component_of_variance_that_anova_finds():
    """Balanced: (mean square of seeds - mean square of the interaction) / documents."""
    rng = np.random.default_rng(0)
    table = rng.normal(0, 1, (5, 30)) + rng.normal(0, 2, (5, 1)) + rng.normal(0, 1, (1, 30))
    found = luck_of(table, list(range(30)))
    rows, columns = table.mean(axis=1, keepdims=True), table.mean(axis=0, keepdims=True)
    seeds = 30 * ((rows - table.mean()) ** 2).sum() / 4
    interaction = ((table - rows - columns + table.mean()) ** 2).sum() / (4 * 29)
    assert found.error**2 == pytest.approx((seeds - interaction) / 30 / 5, rel=1e-9)


def test_where_only_seeds_differ_the_interval_is_students_t_of_their_means():
    means = [0.4, 0.5, 0.55, 0.6]
    runs = [[mean] * 40 for mean in means]
    clusters = list(range(40))
    interval = mean_interval(np.mean(runs, axis=0), clusters, luck=[luck_of(runs, clusters)])
    low, high = scipy.stats.t.interval(0.95, 3, np.mean(means), scipy.stats.sem(means))
    assert (interval.low, interval.high) == pytest.approx((low, high), abs=0.01)


def test_runs_that_differ_by_questions_only_are_no_luck_unless_they_are_two():
    rng = np.random.default_rng(1)
    runs = [rng.permutation([1.0] * 20 + [0.0] * 20) for _ in range(3)]  # equal means
    assert luck_of(runs, list(range(40))) == Luck(3, 0.0)
    assert luck_of(runs[:1], list(range(40))) is None
    two = luck_of([[1.0] * 9 + [0.0], [1.0] * 10], list(range(10)))
    assert two.error == pytest.approx(np.std([0.9, 1.0], ddof=1) / np.sqrt(2))


def test_no_number_of_questions_shows_what_seeds_hide():
    gaps, clusters = [0.1, 0.2, 0.0, 0.1] * 5, list(range(20))
    assert needed(gaps, clusters, luck=[Luck(3, 0.001)]) >= needed(gaps, clusters)
    assert needed(gaps, clusters, luck=[Luck(3, 0.2)]) is None


def test_a_look_knows_of_seeds_too():
    rng = np.random.default_rng(2)
    better = [0.9 + 0.1 * rng.random(40), 0.2 + 0.1 * rng.random(40)]
    clusters = list(range(40))
    assert look(better, clusters, (40,), 80).apart[0, 1]
    assert not look(better, clusters, (40,), 80, [Luck(3, 0.5), None]).apart[0, 1]


QUESTIONS = [
    Question(f"q{n}", f"What is {n}?", (f"w{n}",), f"{n // 2}.md", None, True, "fact", "test")
    for n in range(24)
]


def right_until(last):
    return lambda asked: answered(asked, asked.answers[0] if int(asked.id[1:]) < last else "no")


@pytest.fixture
def run(tmp_path):
    with closing(AnswerCache(tmp_path / "answers.db")) as cache:
        yield ComparisonRun(QUESTIONS, {}, cache, NoProgress())


def entries(*lasts):
    first = Entry("lora", lambda: right_until(lasts[0]), f"run of {lasts[0]}", seed=7)
    others = [
        Entry(
            f"lora, seed {n}",
            lambda last=last: right_until(last),
            f"run of {last}",
            seed=n,
            of="lora",
        )
        for n, last in enumerate(lasts[1:])
    ]
    return [first, *others, Entry("rag", lambda: right_until(12), "rag")]


def order(comparison):
    return [int(one.id[1:]) for one in comparison.questions]


def test_a_comparison_has_one_row_for_all_seeds_and_tells_of_them(run, tmp_path):
    result = compare(run, entries(20, 16, 12), Setting("p", "test"))
    assert [row.recipe for row in result.rows] == ["lora", "rag"]
    row = result.row("lora")
    assert row.interval.mean == pytest.approx(16 / 24)
    assert row.seeds == pytest.approx({7: 20 / 24, 0: 16 / 24, 1: 12 / 24})
    assert row.summary.em == pytest.approx(16 / 24)
    assert {one.seed for one in result.repeats} == {0, 1}
    assert len(result.repeats) == 48
    assert len([one for one in result.outcomes if one.recipe == "lora"]) == 24
    (note,) = [one for one in result.notes if "seeds" in one]
    assert "3 seeds (f1 83, 67, 50)" in note
    assert "seed 7" in note
    alone = compare(run, entries(16), Setting("p", "test"))
    width = row.interval.high - row.interval.low
    assert width > alone.row("lora").interval.high - alone.row("lora").interval.low
    means = [(n < 12) + (12 <= n < 16) * 2 / 3 + (16 <= n < 20) / 3 for n in order(result)]
    plain = [float(n < 12) for n in order(result)]
    without = difference(means, plain, [f"{n // 2}.md" for n in order(result)])
    assert result.pairs[0].difference.p > without.p
    measured = {one.name: one for one in result.measures}["em"]
    assert measured.intervals["lora"].mean == pytest.approx(16 / 24)
    assert "3 seeds" in render_html(result)
    assert "3 seeds" in render_markdown(result)
    save(result, tmp_path / "kept.json")
    assert load(tmp_path / "kept.json") == result


def test_two_seeds_are_said_to_tell_little(run):
    result = compare(run, entries(20, 16), Setting("p", "test"))
    assert any("train 3 or more" in one for one in result.notes)


def test_the_runs_of_a_recipe_that_was_left_out_go_with_it(run):
    slow = [replace(one, required=one.recipe == "rag") for one in entries(20, 16, 12)]
    run._seconds["lora"] = [100.0]
    result = compare(run, slow, Setting("p", "test", minutes=2.0))
    assert [row.recipe for row in result.rows] == ["rag"]
    assert result.repeats == ()


def test_stopping_early_counts_a_contestant_of_several_seeds_once(run):
    run.questions = [replace(one, document=f"{one.id}.md") for one in QUESTIONS] + [
        Question(f"q{n}", f"What is {n}?", (f"w{n}",), f"q{n}.md", None, True, "fact", "test")
        for n in range(24, 120)
    ]
    always, never = right_until(1000), lambda asked: answered(asked, "no")
    lora = [
        Entry("lora", lambda: always, "a", seed=0),
        Entry("lora, seed 1", lambda: always, "b", seed=1, of="lora"),
        Entry("lora, seed 2", lambda: always, "c", seed=2, of="lora"),
    ]
    result = compare(
        run, [*lora, Entry("rag", lambda: never, "d")], Setting("p", "test", stop_early=True)
    )
    assert len(result.questions) < 120
    assert result.verdict.best == "lora"
