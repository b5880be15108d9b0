"""The report in a real browser: nothing asked of anybody, nothing of documents run, readable by everyone."""

import re

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import expect
from test_compare import HOSTILE, contestant, right, wrong

from acclimate.evaluation.cache import AnswerCache
from acclimate.evaluation.compare import Ring, Setting, Unheard, compare
from acclimate.evaluation.report import render_html
from acclimate.types import Question

# Elements that reach beyond the window, other than those that scroll in themselves.
TOO_WIDE = """() => [...document.querySelectorAll('body *')].filter((one) => one.getClientRects().length)
    .filter((one) => one.getBoundingClientRect().right > innerWidth + 1)
    .filter((one) => ![...(function* (at) { for (; at; at = at.parentElement) yield at })(one.parentElement)]
        .some((at) => /auto|scroll|hidden/.test(getComputedStyle(at).overflowX)))
    .map((one) => one.outerHTML.slice(0, 120))"""


@pytest.fixture(scope="module")
def report(tmp_path_factory):
    folder = tmp_path_factory.mktemp("report")
    questions = [
        Question(f"q{n}", f"What is {n}? {HOSTILE}", (f"answer {n}",), f"{n // 2}.md", "evidence here", True, "fact")
        for n in range(20)
    ]
    cache = AnswerCache(folder / "answers.db")
    ring = Ring(questions, {"q0": (5, 18)}, cache, Unheard())
    result = compare(ring, [contestant("good", right), contestant(HOSTILE, wrong)], Setting(HOSTILE, "test"))
    cache.close()
    (folder / "report.html").write_text(render_html(result))
    return (folder / "report.html").as_uri()


@pytest.fixture
def opened(chromium, report):
    contexts = []

    def go(width, scheme):
        context = chromium.new_context(viewport={"width": width, "height": 800}, color_scheme=scheme)
        contexts.append(context)
        page = context.new_page()
        page.requests, page.faults = [], []
        page.on("request", lambda request: page.requests.append(request.url))
        page.on("pageerror", lambda error: page.faults.append(str(error)))
        page.on("dialog", lambda dialog: page.faults.append(dialog.message))
        page.on("console", lambda line: page.faults.append(line.text) if line.type == "error" else None)
        page.goto(report)
        return page

    yield go
    for context in contexts:
        context.close()


@pytest.mark.parametrize(("width", "scheme"), [(1280, "light"), (390, "dark")])
def test_it_is_whole_accessible_and_asks_nobody(opened, report, width, scheme):
    page = opened(width, scheme)
    for closed in page.locator("details:not([open])").all():
        closed.evaluate("one => one.open = true")
    expect(page.get_by_text(re.compile("100 points")).first).to_be_visible()
    expect(page.get_by_text(HOSTILE).first).to_be_visible()
    found = Axe().run(page).response["violations"]
    assert [(one["id"], [node["html"][:160] for node in one["nodes"]]) for one in found] == []
    assert page.evaluate(TOO_WIDE) == []
    assert page.requests == [report]
    assert page.faults == []
