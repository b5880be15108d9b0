"""The comparison with scripted recipes: what is counted, kept, resumed, judged and written."""

import html.parser
import json
import re
import signal
import subprocess
import sys
from contextlib import closing
from dataclasses import replace
from itertools import combinations, permutations
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import expect

from acclimate.errors import EngineError, SettingsError
from acclimate.evaluation.cache import AnswerCache
from acclimate.evaluation.compare import Setting, compare
from acclimate.evaluation.comparison import load, save, value
from acclimate.evaluation.comparison_run import ComparisonRun
from acclimate.evaluation.entry import Entry, NoProgress
from acclimate.evaluation.gates import parse_gate
from acclimate.evaluation.plots import scatter
from acclimate.evaluation.report import render_html, render_markdown
from acclimate.evaluation.statistics import Interval
from acclimate.types import Answer, Chunk, Citation, Hit, Message, Prompt, Question, Timings, Usage

HOSTILE = "<script>alert(1)</script> & \"quoted\" '{{7*7}}' </pre>"


def question(number, answerable=True):
    answers = (f"answer {number}",) if answerable else ()
    kind = "fact" if answerable else "unanswerable"
    return Question(
        f"q{number}",
        f"What is {number}? {HOSTILE}",
        answers,
        f"{number // 2}.md",
        "evidence here",
        answerable,
        kind,
    )


QUESTIONS = [
    *(question(n) for n in range(20)),
    *(question(n, answerable=False) for n in range(20, 24)),
]


def answer_with(text, seconds, abstained=False):
    chunk = Chunk(
        "c", "0.md", 0, 60, "Some evidence here, and " + HOSTILE[:36], HOSTILE, (HOSTILE,), 2
    )
    citation = Citation(1, "0.md", 5, 18, "evidence here", 2, (HOSTILE,), True)
    return Answer(
        "?", text, f"{text} [1]", abstained, () if abstained else (citation,),
        Prompt((Message("user", HOSTILE),), 9, (Hit(chunk, 1.0, 1),)),
        Usage(100, 10, 1), Timings(0.0, seconds / 2, seconds), "r", "m",
    )  # fmt: skip


def right(asked):
    if not asked.answerable:
        return answer_with("Not in the documents.", 0.3, abstained=True)
    return answer_with(asked.answers[0], 0.3)


def wrong(asked):
    return answer_with("nonsense", 0.1)


def entry(name, run, **more):
    return Entry(name, lambda: run, key=name, **more)


@pytest.fixture
def comparison_run(tmp_path):
    with closing(AnswerCache(tmp_path / "answers.db")) as cache:
        yield ComparisonRun(QUESTIONS, {"q0": (5, 18)}, cache, NoProgress())


def test_the_better_recipe_wins_and_the_sentence_says_by_how_much(comparison_run):
    result = compare(
        comparison_run, [entry("bad", wrong), entry("good", right)], Setting("p", "test")
    )
    assert [row.recipe for row in result.rows] == ["good", "bad"]
    assert result.verdict.recommended == "good"
    assert "better than bad: 100 points" in result.verdict.sentence
    assert value(result.row("good"), "f1") == 1.0
    assert value(result.row("good"), "abstention_f1") == 1.0
    assert result.row("good").by_kind == {"fact": (20, 1.0), "unanswerable": (4, 1.0)}
    assert (
        result.row("bad").summary.citation_recall == 1.0
    )  # of the one question whose evidence is known


def test_where_numbers_and_squad_s_match_differ_the_report_says_which_and_how(comparison_run):
    comparison_run.questions = [
        replace(QUESTIONS[n], answers=(said,)) for n, said in enumerate(("12.5", "1,500 g", "kg"))
    ]
    texts = {
        comparison_run.questions[0].question: "125",
        comparison_run.questions[1].question: "1.5 kg",
        comparison_run.questions[2].question: "kg",
    }
    recipe = entry("rag", lambda asked: answer_with(texts[asked.question], 0.1))
    result = compare(comparison_run, [recipe], Setting("p", "test", metric="number_em"))
    assert (value(result.row("rag"), "em"), value(result.row("rag"), "number_em")) == (2 / 3, 2 / 3)
    assert result.row("rag").interval.mean == pytest.approx(2 / 3)
    wrongly, missed = result.notes
    assert "counts 1 answer as right whose numbers differ" in wrongly
    assert "q0 (rag): “125” for “12.5”" in wrongly
    assert "counts 1 answer as wrong whose numbers equal" in missed
    assert "q1 (rag): “1.5 kg” for “1,500 g”" in missed
    for report in (render_html(result), render_markdown(result)):
        assert "“125” for “12.5”" in report
        assert "umber match" in report


def test_equal_recipes_have_no_measurable_difference_and_the_cheaper_is_taken(comparison_run):
    slow = entry("slow", lambda asked: answer_with(asked.answers[0] if asked.answers else "x", 3.0))
    fast = entry("fast", lambda asked: answer_with(asked.answers[0] if asked.answers else "y", 0.2))
    result = compare(comparison_run, [slow, fast], Setting("p", "test"))
    assert result.verdict.recommended == "fast"
    result = compare(comparison_run, [slow, entry("free", right), fast], Setting("p", "test"))
    assert "no measurable difference" in result.verdict.sentence


def test_equal_recipes_whose_sums_round_otherwise_by_document_are_compared(comparison_run):
    """Sums by question and by document differ in their last bit, and so did the order of rows and
    pairs."""
    comparison_run.questions = QUESTIONS[:3]

    def padded(words):
        return lambda asked: answer_with(asked.answers[0] + " word" * words[asked.id], 0.1)

    runs = [padded(dict(zip(("q0", "q1", "q2"), n, strict=True))) for n in permutations((2, 5, 7))]
    entries = [entry(name, run) for name, run in zip("abcdef", runs, strict=True)]
    result = compare(comparison_run, entries, Setting("p", "test"))
    assert len({round(row.interval.mean, 9) for row in result.rows}) == 1
    in_order = list(combinations((row.recipe for row in result.rows), 2))
    assert [(one.first, one.second) for one in result.pairs] == in_order


def test_a_recipe_that_fails_scores_nothing_and_is_tried_again_next_time(comparison_run):
    failing = iter([True] * len(QUESTIONS))

    def sometimes(asked):
        if next(failing, False):
            raise EngineError("the server is gone")
        return right(asked)

    result = compare(comparison_run, [entry("flaky", sometimes)], Setting("p", "test"))
    assert result.rows[0].errors == len(QUESTIONS) - 2  # the two probes were tried twice
    assert result.rows[0].summary.f1 == pytest.approx(2 / len(QUESTIONS))
    assert any(outcome.error == "the server is gone" for outcome in result.outcomes)
    again = compare(comparison_run, [entry("flaky", sometimes)], Setting("p", "test"))
    assert (again.rows[0].errors, again.rows[0].summary.f1) == (0, 1.0)


def test_answers_are_not_asked_for_twice(comparison_run):
    asked = []
    counting = entry("c", lambda q: asked.append(q.id) or right(q))
    compare(comparison_run, [counting], Setting("p", "test"))
    compare(comparison_run, [counting], Setting("p", "test"))
    assert sorted(asked) == sorted(q.id for q in QUESTIONS)


def test_minutes_bound_the_questions_and_all_recipes_answer_the_same(comparison_run, monkeypatch):
    monkeypatch.setattr(ComparisonRun, "_speed", lambda *_: 1.0)
    result = compare(
        comparison_run, [entry("a", right), entry("b", wrong)], Setting("p", "test", minutes=0.5)
    )
    assert (
        len(result.questions) == 15
    )  # 2 probed already; 27 s of 30 pay for 13 more by two recipes
    assert {o.question for o in result.outcomes if o.recipe == "a"} == {
        o.question for o in result.outcomes if o.recipe == "b"
    }
    assert "15 of 24 questions" in result.notes[0]
    with pytest.raises(SettingsError, match="enough for"):
        compare(comparison_run, [entry("d", right)], Setting("p", "test", minutes=0.1))


def test_prices_become_cost_per_thousand_answers(comparison_run):
    result = compare(
        comparison_run, [entry("paid", right, prices=(2.0, 10.0))], Setting("p", "test")
    )
    assert result.rows[0].cost == pytest.approx(1000 * (100 * 2 + 10 * 10) / 1e6)


def test_gates(comparison_run):
    result = compare(comparison_run, [entry("good+rag", right)], Setting("p", "test"))
    assert parse_gate("good+rag.f1>=0.6").failure(result) is None
    assert parse_gate("good+rag.em < 0.5").failure(result) == "good+rag.em < 0.5: good+rag.em is 1"
    assert "not measured" in parse_gate("good+rag.cost<1").failure(result)
    for text in ("rag", "rag.f1=1", "rag.f1>=high"):
        with pytest.raises(SettingsError, match="not a gate"):
            parse_gate(text)
    with pytest.raises(SettingsError, match="not compared"):
        parse_gate("rag.f1>0").failure(result)
    with pytest.raises(SettingsError, match="no figure"):
        parse_gate("good+rag.bleu>0").failure(result)


def test_it_survives_the_disk_and_a_file_that_is_none_is_refused(comparison_run, tmp_path):
    result = compare(
        comparison_run, [entry("good", right), entry("bad", wrong)], Setting("p", "test")
    )
    save(result, tmp_path / "c.json")
    assert load(tmp_path / "c.json") == result
    (tmp_path / "x.json").write_text("{}")
    with pytest.raises(SettingsError, match="not a comparison"):
        load(tmp_path / "x.json")


class Reader(html.parser.HTMLParser):
    def __init__(self):
        super().__init__()
        self.tags, self.links, self.text = [], [], ""

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.links += [v for k, v in attrs if k in ("src", "href", "action", "srcset")]

    def handle_data(self, data):
        self.text += data


def test_the_report_escapes_what_documents_say_and_asks_nobody(comparison_run):
    result = compare(
        comparison_run, [entry("good", right), entry("bad", wrong)], Setting(HOSTILE, "test")
    )
    page = render_html(result)
    reader = Reader()
    reader.feed(page)
    assert reader.tags.count("script") == 1  # ours
    assert reader.links == []
    assert not re.search(r"(?:https?:)?//\w", page.replace("http://www.w3.org", ""))
    assert HOSTILE in reader.text
    assert "49" not in re.findall(r"'(\d+)'", page)
    assert re.search(
        r'<mark class="cited">evidence here</mark>|<mark class="both">evidence here</mark>', page
    )
    assert "default-src &#39;none&#39;" in page or "default-src 'none'" in page
    assert "100 points over bad" in render_markdown(result)


# Elements that reach beyond the window, other than those that scroll in themselves.
TOO_WIDE = """() => [...document.querySelectorAll('body *')].filter((one) => one.getClientRects().length)
    .filter((one) => one.getBoundingClientRect().right > innerWidth + 1)
    .filter((one) => ![...(function* (at) { for (; at; at = at.parentElement) yield at })(one.parentElement)]
        .some((at) => /auto|scroll|hidden/.test(getComputedStyle(at).overflowX)))
    .map((one) => one.outerHTML.slice(0, 120))"""


@pytest.fixture(scope="module")
def report(tmp_path_factory):
    folder = tmp_path_factory.mktemp("report")
    with closing(AnswerCache(folder / "answers.db")) as cache:
        comparison_run = ComparisonRun(QUESTIONS, {"q0": (5, 18)}, cache, NoProgress())
        result = compare(
            comparison_run, [entry("good", right), entry(HOSTILE, wrong)], Setting(HOSTILE, "test")
        )
    (folder / "report.html").write_text(render_html(result))
    return (folder / "report.html").as_uri()


@pytest.fixture
def opened(chromium, report):
    contexts = []

    def go(width, scheme):
        context = chromium.new_context(
            viewport={"width": width, "height": 800}, color_scheme=scheme
        )
        contexts.append(context)
        page = context.new_page()
        page.requests, page.faults = [], []
        page.on("request", lambda request: page.requests.append(request.url))
        page.on("pageerror", lambda error: page.faults.append(str(error)))
        page.on("dialog", lambda dialog: page.faults.append(dialog.message))
        page.on(
            "console", lambda line: page.faults.append(line.text) if line.type == "error" else None
        )
        page.goto(report)
        return page

    yield go
    for context in contexts:
        context.close()


@pytest.mark.parametrize(("width", "scheme"), [(1280, "light"), (390, "dark")])
def test_it_is_whole_accessible_and_asks_nobody(opened, report, width, scheme):
    page = opened(width, scheme)
    page.locator("details").evaluate_all("all => all.forEach((one) => { one.open = true; })")
    expect(page.get_by_text(re.compile("100 points")).first).to_be_visible()
    expect(page.get_by_text(HOSTILE).first).to_be_visible()
    found = Axe().run(page).response["violations"]
    assert [(one["id"], [node["html"][:160] for node in one["nodes"]]) for one in found] == []
    assert page.evaluate(TOO_WIDE) == []
    assert page.requests == [report]
    assert page.faults == []


def test_an_earlier_comparison_is_shown_beside(comparison_run):
    before = compare(comparison_run, [entry("good", wrong)], Setting("p", "test"))
    after = compare(
        comparison_run, [entry("good2", right), entry("good", wrong)], Setting("p", "test")
    )
    assert "Before" in render_html(after, before)
    assert "| before |" in render_markdown(after, before)


KILLED = """
import os, signal, sys
from contextlib import closing
from pathlib import Path
sys.path.insert(0, sys.argv[2])
from test_compare import QUESTIONS, entry, right
from acclimate.evaluation.cache import AnswerCache
from acclimate.evaluation.compare import Setting, compare
from acclimate.evaluation.entry import NoProgress
from acclimate.evaluation.comparison_run import ComparisonRun
said = []
def run(asked):
    print(asked.id, flush=True)
    said.append(asked.id)
    if len(said) == 7:
        os.kill(os.getpid(), signal.SIGKILL)
    return right(asked)
with closing(AnswerCache(Path(sys.argv[1]) / "answers.db")) as cache:
    run_here = ComparisonRun(QUESTIONS, {}, cache, NoProgress())
    compare(run_here, [entry("k", run)], Setting("p", "test"))
"""


def test_killed_it_goes_on_without_repeating_an_answered_question(tmp_path):
    def run():
        command = [sys.executable, "-c", KILLED, str(tmp_path), str(Path(__file__).parent)]
        return subprocess.run(command, capture_output=True, text=True, check=False)

    first, said = run(), []
    assert first.returncode == -signal.SIGKILL
    said += first.stdout.split()[:-1]  # the last was killed before its answer was kept
    while (done := run()).returncode == -signal.SIGKILL:
        said += done.stdout.split()[:-1]
    assert done.returncode == 0, done.stderr
    said += done.stdout.split()
    assert sorted(said) == sorted(q.id for q in QUESTIONS)


def test_answers_kept_by_another_version_are_asked_for_again(tmp_path):
    with closing(AnswerCache(tmp_path / "answers.db")) as cache:
        cache.put("k", right(QUESTIONS[0]))
        assert cache.get("k") == right(QUESTIONS[0])
        cache._db.execute("UPDATE answers SET answer = ?", (json.dumps({"text": "x"}),))
        assert cache.get("k") is None


def test_names_in_a_plot_cover_neither_dots_nor_each_other():
    long = "few-shot@qwen2.5-coder-0.5b-instruct"
    points = [
        (name, seconds, Interval(mean, mean, mean))
        for name, seconds, mean in (
            ("zero-shot", 0.4, 0.0), ("few-shot", 0.6, 0.17), (f"zero-shot{long[8:]}", 1.2, 0.17),
            (long, 2.0, 0.08), ("rag", 1.0, 0.67), (f"rag{long[8:]}", 8.0, 0.42),
        )
    ]  # fmt: skip
    drawn = str(scatter(points, "seconds"))
    number = r"([\d.]+)"
    dots = [
        (float(x), float(y)) for x, y in re.findall(rf'<circle cx="{number}" cy="{number}"', drawn)
    ]
    known = {name for name, *_ in points}
    names = [
        (float(x), float(x) + 7 * len(name), float(y))
        for x, y, name in re.findall(rf'<text x="{number}" y="{number}">([^<]+)<', drawn)
        if name in known
    ]
    assert len(names) == len(dots) == 6
    for start, end, line in names:
        assert 0 <= start < end <= 640 + 8
        for x, y in dots:
            assert not (start < x < end and abs(y + 4 - line) < 10)
    for one, other in combinations(names, 2):
        apart = one[1] <= other[0] or other[1] <= one[0]
        assert apart or abs(one[2] - other[2]) >= 14.9
