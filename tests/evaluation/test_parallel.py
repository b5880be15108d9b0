"""Several answers at once, patience with a busy server, and what its headers say."""

import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from itertools import pairwise

import pytest

from acclimate.errors import EngineError
from acclimate.evaluation.cache import AnswerCache
from acclimate.evaluation.compare import Setting, compare
from acclimate.evaluation.comparison_run import ComparisonRun, shuffled
from acclimate.evaluation.entry import Entry, NoProgress
from acclimate.evaluation.parallel import Patience, in_parallel
from acclimate.evaluation.report import render_html, render_markdown
from acclimate.models.http import HTTPEngine
from acclimate.models.rate_limits import Gate, used_up, wait_of
from acclimate.retrieval.remembered import Searches
from acclimate.testing.models import ScriptedEngine
from acclimate.testing.openai_server import serve_chat
from acclimate.types import Generation, Message, Question

from .answered import answered

QUESTIONS = [Question(f"q{n}", f"What is {n}?", (f"answer {n}",)) for n in range(24)]


class Together:
    """Answers when as many questions wait as it wants; one after another they would wait forever."""

    def __init__(self, wanted):
        self.barrier = threading.Barrier(wanted)

    def __call__(self, asked):
        self.barrier.wait(timeout=300)
        return answered(asked, asked.answers[0] if int(asked.id[1:]) % 2 else "no")


def run(tmp_path, entry):
    with closing(AnswerCache(tmp_path / f"{entry.parallel}.db")) as cache:
        return compare(
            ComparisonRun(QUESTIONS, {}, cache, NoProgress()), [entry], Setting("p", "test")
        )


def test_answers_given_together_score_as_those_given_one_by_one(tmp_path):
    alone = run(tmp_path, Entry("r", lambda: Together(1), "r"))
    # Two probes, then 22 in two rounds of eleven.
    both = [Together(2), Together(11)]
    together = run(tmp_path, Entry("r", lambda: both.pop(0), "r", parallel=11))
    assert [one.question for one in together.outcomes] == [one.question for one in alone.outcomes]
    assert [one.score for one in together.outcomes] == [one.score for one in alone.outcomes]
    assert (alone.rows[0].parallel, together.rows[0].parallel) == (1, 11)
    again = run(tmp_path, Entry("r", lambda: pytest.fail("kept"), "r", parallel=11))
    assert again.rows[0].parallel == 11  # as they were measured
    assert "timed under load: up to 11 answers" in render_html(together)
    assert "timed under load" not in render_html(alone)
    assert "under load, 11 answers at once" in render_markdown(together)


def test_what_has_not_begun_is_not_done_when_the_caller_stops(monkeypatch):
    released, done = threading.Event(), []

    class Pool(ThreadPoolExecutor):
        def shutdown(self, wait=True, *, cancel_futures=False):
            super().shutdown(wait=False, cancel_futures=cancel_futures)
            released.set()  # what is under way ends only now
            super().shutdown(wait=wait)

    monkeypatch.setattr("acclimate.evaluation.parallel.ThreadPoolExecutor", Pool)

    def work(item):
        if item:
            released.wait(timeout=300)
        done.append(item)

    results = in_parallel(work, range(1000), 2)
    assert next(results) == [(0, None)]
    results.close()
    assert 1 <= len(done) <= 3


def test_a_row_names_what_gave_most_of_its_answers(tmp_path):
    def mixed(one):
        given = answered(one, one.answers[0])
        return replace(given, model="rules for tables") if int(one.id[1:]) % 3 == 0 else given

    with closing(AnswerCache(tmp_path / "a.db")) as cache:
        run = ComparisonRun(QUESTIONS, {}, cache, NoProgress())
        result = compare(run, [Entry("rag", lambda: mixed, "rag")], Setting("p", "test"))
    assert result.rows[0].model == "m"


def failing(times, **error):
    left = [EngineError("busy", retryable=True, **error) for _ in range(times)]

    def call():
        if left:
            raise left.pop()
        return "done"

    return call


def test_a_busy_server_is_asked_again_each_time_after_longer():
    waited = []
    assert Patience(pause=waited.append)(failing(3)) == "done"
    assert [1 <= waited[0] <= 1.5, 2 <= waited[1] <= 3, 4 <= waited[2] <= 6] == [True] * 3


def test_what_the_server_says_is_waited_by_all_callers():
    waited = []
    patience = Patience(pause=waited.append)
    assert patience(failing(1, wait_s=20.0)) == "done"
    assert patience(failing(0)) == "done"
    assert len(waited) == 2
    assert all(19 < one <= 20 for one in waited)


def test_nobody_waits_for_an_hour_or_for_a_server_that_is_gone():
    waited = []
    patience = Patience(tries=3, pause=waited.append)
    with pytest.raises(EngineError):
        patience(failing(1, wait_s=3600.0))
    assert waited == []
    with pytest.raises(EngineError):
        patience(failing(3))
    before = len(waited)
    with pytest.raises(EngineError):
        patience(failing(1))
    assert len(waited) == before
    assert patience(failing(0)) == "done"
    assert patience(failing(1)) == "done"  # it is there again

    def wrong():
        raise EngineError("no such model")

    with pytest.raises(EngineError):
        patience(wrong)
    assert len(waited) == before + 1


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"retry-after": "7"}, 7),
        ({"retry-after-ms": "1500", "retry-after": "9"}, 1.5),
        ({"x-ratelimit-remaining-requests": "0", "x-ratelimit-reset-requests": "6m0s"}, 360),
        ({"x-ratelimit-remaining-tokens": "0", "x-ratelimit-reset-tokens": "20ms"}, 0.02),
        ({"x-ratelimit-remaining-requests": "0", "x-ratelimit-reset-requests": "1h2m3.5s"}, 3723.5),
        ({"x-ratelimit-remaining-requests": "3", "x-ratelimit-reset-requests": "1s"}, None),
        ({"retry-after": "soon"}, None),
        ({}, None),
    ],
)
def test_waits_are_read_from_headers(headers, seconds):
    assert wait_of(headers) == (None if seconds is None else pytest.approx(seconds))


def test_a_wait_until_a_date_is_read():
    date = format_datetime(datetime.now(UTC) + timedelta(seconds=100), usegmt=True)
    assert 90 < wait_of({"retry-after": date}) <= 100
    past = format_datetime(datetime.now(UTC) - timedelta(seconds=100), usegmt=True)
    assert wait_of({"retry-after": past}) == 0


def test_a_call_waits_where_the_server_said_that_nothing_is_left():
    waited = []
    gate = Gate(waited.append)
    gate.note({"x-ratelimit-remaining-requests": "5", "x-ratelimit-reset-requests": "9s"})
    gate.wait()
    assert waited == []
    headers = {"x-ratelimit-remaining-requests": "0", "x-ratelimit-reset-requests": "9s"}
    assert used_up(headers) == 9
    gate.note(headers)
    gate.wait()
    assert 8 < waited[0] <= 9


def test_a_refusal_tells_how_long_to_wait():
    engine = ScriptedEngine(lambda _: "yes")
    with serve_chat(engine) as server:
        client = HTTPEngine("m", base_url=server.url, retries=0)
        server.refusals = [{"Retry-After": "7"}]
        with pytest.raises(EngineError) as caught:
            client.generate([Message("user", "?")], Generation(max_tokens=8))
        assert (caught.value.retryable, caught.value.wait_s) == (True, 7)
        assert client.generate([Message("user", "?")], Generation(max_tokens=8)).text == "yes"
        client.close()


class Counting:
    def __init__(self):
        self.asked, self.fails = [], False

    def retrieve(self, query, k):
        if self.fails:
            raise EngineError("away")
        self.asked.append((query, k))
        return []


def test_equal_searches_are_made_once_and_their_time_is_told():
    searches, inner = Searches(), Counting()
    first, second = searches.sharing(inner, "a"), searches.sharing(inner, "a")
    for retriever in (first, second, searches.sharing(inner, "b")):
        retriever.retrieve("x", 4)
    second.retrieve("x", 8)
    assert inner.asked == [("x", 4), ("x", 4), ("x", 8)]
    assert first.spared() == 0
    inner.fails = True
    for _ in range(2):  # a search that failed is made again
        with pytest.raises(EngineError):
            first.retrieve("y", 4)
    inner.fails = False
    assert first.retrieve("y", 4) == []


def test_questions_of_a_document_are_asked_one_after_the_other(tmp_path):
    questions = [
        Question(f"q{n}", f"What is {n}?", (str(n),), f"{n % 3}.md", None, True, "fact", "test")
        for n in range(24)
    ]
    asked = []

    def answer(question):
        asked.append(question.document)
        return answered(question, "x")

    with closing(AnswerCache(tmp_path / "answers.db")) as cache:
        run = ComparisonRun(questions, {}, cache, NoProgress())
        outcomes = run.run([Entry("rag", lambda: answer, "k")])
    rest = asked[2:]  # after the probes
    changes = sum(one != other for one, other in pairwise(rest))
    assert changes == 2
    # What is reported, and cut off where time is short, keeps its shuffled order.
    assert [one.question for one in outcomes] == [one.id for one in shuffled(questions)]
