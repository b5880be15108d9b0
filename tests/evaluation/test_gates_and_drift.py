"""Gates of any score and against the last comparison; whether new questions fare worse than old ones."""

import numpy as np
import pytest

from acclimate.errors import SettingsError
from acclimate.evaluation.cache import AnswerCache
from acclimate.evaluation.compare import Setting, compare
from acclimate.evaluation.comparison_run import ComparisonRun
from acclimate.evaluation.drift import drifts, unpaired
from acclimate.evaluation.entry import Entry, NoProgress
from acclimate.evaluation.gates import gate_of, parse_gate, read_gate_file
from acclimate.evaluation.highlight import disagreements
from acclimate.types import Question

from .answered import answered


def questions(count=24):
    return [
        Question(
            f"q{number}",
            f"Question {number}?",
            ("yes",),
            document=f"d{number}.md",
            added="2026-10-01" if number >= count - 8 else "",
        )
        for number in range(count)
    ]


@pytest.fixture
def compared(tmp_path):
    """A comparison of a recipe that is right on all but the `wrong` questions, beside one that never is."""

    def make(wrong, name="rag"):
        def say(asked):
            return answered(asked, "no" if asked.id in wrong else "yes")

        cache = AnswerCache(tmp_path / f"{len(wrong)}-{hash(frozenset(wrong))}.db")
        entries = [
            Entry(name, lambda: say, "key"),
            Entry("never", lambda: lambda asked: answered(asked, "no"), "never"),
        ]
        place = ComparisonRun(questions(), {}, cache, NoProgress())
        made = compare(place, entries, Setting("p", "test"))
        cache.close()
        return made

    return make


def test_not_worse_than_last_is_by_the_same_questions(compared):
    before, same, worse = compared({"q1"}), compared({"q2"}), compared({f"q{n}" for n in range(9)})
    gate = parse_gate("rag.f1>=LAST")
    assert gate.failure(same, before) is None
    assert "rag.f1 changed by -0.333" in gate.failure(worse, before)
    assert gate.failure(before, worse) is None  # better
    assert parse_gate("rag.em >= LAST").failure(worse, before)
    strict = parse_gate("rag.f1>=LAST-0.01")  # what may be a hundredth worse does not hold
    assert strict.failure(before, before) is None
    assert "LAST-0.01" in strict.failure(same, before)
    assert parse_gate("rag.f1>=LAST-0.3").failure(same, before) is None
    other = compared(set(), name="cot")
    assert "was not compared before" in gate.failure(before, other)
    with pytest.raises(SettingsError, match="was not compared"):
        gate.failure(other, before)


@pytest.mark.parametrize(
    ("text", "holds"),
    [
        ("rag.f1>=0.95", True),
        ("rag.number_em>0.96", False),
        ("rag.complete>=0.9", True),
        ("rag.words<=1", True),
        ("rag.seconds_p95<=2", True),
        ("rag.completion_tokens<1", False),
        ("never.f1<=0", True),
    ],
)
def test_any_score_and_figure_can_be_a_gate(compared, text, holds):
    assert (parse_gate(text).failure(compared({"q1"})) is None) == holds


@pytest.mark.parametrize(
    "text", ["rag.f1>LAST", "rag.f1>=LATEST", "rag.words>=LAST", "rag.nothing>=LAST"]
)
def test_what_is_no_gate_is_refused(text):
    with pytest.raises(SettingsError):
        parse_gate(text)


def test_a_kept_gate_holds_for_what_it_was_made_of_and_brings_its_recipe(compared, tmp_path):
    before, worse = compared({"q1"}), compared({f"q{n}" for n in range(15)})
    file = tmp_path / "gates.json"
    gate_of(before, "rag").save(file)
    held = read_gate_file(file)
    assert (held.recipes, held.split, held.metric) == (("rag",), "test", "f1")
    (gate,) = map(parse_gate, held.gates)
    assert gate.failure(before) is None
    assert gate.failure(worse)
    with pytest.raises(SettingsError, match="24 questions are too few for a gate"):
        gate_of(before, "never")  # a bound of 0 holds whatever happens
    file.write_text('{"recipes": ["rag"], "gates": ["rag.f1=0.6"]}')
    with pytest.raises(SettingsError, match="is not a gate"):
        read_gate_file(file)
    file.write_text('{"recipes": ["rag"]}')
    with pytest.raises(SettingsError, match="holds no gates"):
        read_gate_file(file)


def test_the_widest_disagreements_come_first(compared):
    made = compared({"q3"})
    found = disagreements(made, "rag", "never")
    assert len(found) == 23
    assert "q3" not in {one.question.id for one in found}
    assert {(one.first.points, one.second.points) for one in found} == {(1.0, 0.0)}


def test_new_questions_that_fare_worse_are_told(compared):
    (rag, _) = drifts(compared({"q1", "q4", *(f"q{n}" for n in range(16, 23))}), "2026-09-01")
    assert (rag.new, rag.old, rag.n_new, rag.n_old) == (0.125, 0.875, 8, 16)
    assert rag.gap.high < 0
    assert "new ones fare worse" in rag.sentence
    (same, _) = drifts(compared({"q1", "q17"}), "2026-09-01")
    assert "no measurable difference" in same.sentence
    with pytest.raises(SettingsError, match="0 of 24 questions were added since 2027-01-01"):
        drifts(compared(set()), "2027-01-01")


def test_no_more_false_alarms_than_it_says(monkeypatch):
    """Documents with a level of their own, some with questions of both times, no true difference."""
    monkeypatch.setattr("acclimate.evaluation.drift._RESAMPLES", 500)
    rng, covered, alarms, told = np.random.default_rng(3), 0, 0, 0
    for _ in range(150):
        names, points, late = [], [], []
        for group in range(30):
            level, new, mixed = rng.normal(0.6, 0.15), rng.random() < 0.35, rng.random() < 0.2
            for _ in range(rng.integers(1, 6)):
                names.append(group)
                late.append(bool(rng.random() < 0.5 if mixed else new))
                points.append(float(rng.random() < level))
        gap, p = unpaired(points, names, late)
        if gap is not None:
            told += 1
            covered += gap.low <= 0 <= gap.high
            alarms += p < 0.05
    assert told > 140
    assert covered / told > 0.91  # 95 % less twice the error of 150 draws
    assert alarms / told < 0.09
    assert unpaired([1, 0, 1], ["a", "b", "c"], [True, False, True]) == (None, None)
