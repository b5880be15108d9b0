"""A real browser in front of the server. In every test the page may run nothing of others and ask no other server."""

import json
from contextlib import ExitStack
from types import SimpleNamespace

import pytest
from playwright.sync_api import expect

from acclimate.testing.serving import serve_project

SIZES = {"desktop": {"width": 1280, "height": 800}, "phone": {"width": 360, "height": 740}}
REPORT = """<!doctype html><title>Report</title><h1>Comparison</h1><p id=p>still</p><script>
document.getElementById("p").textContent = "drawn";
try { parent.document.title = "taken"; } catch { document.getElementById("p").textContent += ", shut in"; }
fetch("/v1/documents").catch(() => { document.getElementById("p").textContent += ", mute"; });
</script>"""


@pytest.fixture
def visit(chromium):
    """Opens a page at an address; at the end, fails for whatever none of our pages may ever do.

    `blocks`: the test tries what the policy has to block. `others`: servers that people go to from it.
    """
    seen = []

    def open_page(address, size="desktop", room="ask", blocks=False, others=(), **options):
        context = chromium.new_context(
            viewport=SIZES[size] if isinstance(size, str) else size, **options
        )
        context.set_default_timeout(300_000)
        page = context.new_page()
        told = SimpleNamespace(page=page, context=context, blocks=blocks, origins=set(), errors=[])
        told.allowed = (address, "blob:", *others)
        page.on(
            "request",
            lambda request: told.origins.add(request.url.partition("/v1")[0].partition("/web")[0]),
        )
        page.on("pageerror", lambda error: told.errors.append(str(error)))
        page.on(
            "console",
            lambda line: "Content Security Policy" in line.text and told.errors.append(line.text),
        )
        page.add_init_script(
            "addEventListener('securitypolicyviolation', (e) => (window.violated ??= []).push(e.blockedURI))"
        )
        seen.append(told)
        page.goto(f"{address}/#/{room}")
        page.locator("main > :not(.loading):not(noscript), dialog").first.wait_for()
        return page

    yield open_page
    for told in seen:
        strange = {origin for origin in told.origins if not origin.startswith(told.allowed)}
        if not told.blocks:
            assert not strange
            assert told.errors == []
        assert told.page.evaluate("window.canary") is None
        told.context.close()


def read(messages):
    """Answers as a model would that reads well: from the first passage that holds what is asked for."""
    shown = messages[-1].content
    question = shown.rpartition("Question:")[2].casefold()
    for word, answer in {
        "valve": "117 kg of load",
        "open": "117 kg of load",
        "filter": "12 euros",
    }.items():
        number = next(
            (part.partition("]")[0] for part in f"\n{shown}".split("\n[")[1:] if answer in part), ""
        )
        if word in question and number:
            return f"{answer} [{number}]"
    return "Not in the documents." if "[1]" in shown else "It depends."


@pytest.fixture
def site(make_project, engine, monkeypatch):
    """Serves a project and gives its address; keywords are settings."""
    monkeypatch.setattr(engine, "_script", read)
    with ExitStack() as stack:
        yield lambda **settings: stack.enter_context(serve_project(make_project(**settings)))


@pytest.fixture
def ask():
    """Asks in the page, waits for the answer, and gives its turn."""

    def ask(page, question):
        page.get_by_label("Question", exact=True).fill(question)
        turns = page.locator(".turn")
        before = turns.count()
        page.keyboard.press("Enter")
        expect(turns).to_have_count(before + 1)  # the page waits for its recipes first
        answer = turns.last
        expect(answer.locator(".answer.writing")).to_have_count(0)
        return answer

    return ask


@pytest.fixture
def upload():
    """Chooses a file in the page."""

    def upload(page, name, content):
        page.locator("input[type=file]:not(.folder)").set_input_files(
            {"name": name, "mimeType": "text/plain", "buffer": content}
        )

    return upload


@pytest.fixture
def keep_report(tmp_path):
    """Keeps a comparison in the project."""

    def keep(sentence="rag is better.", name="2026-01-02T030405Z"):
        kept = tmp_path / ".acclimate" / "comparisons"
        kept.mkdir(parents=True, exist_ok=True)
        file = kept / f"{name.replace('/', '-')}.html"
        file.write_text(REPORT)
        rows = [{"recipe": "rag"}, {"recipe": "zero-shot"}]
        figures = {
            "created": "2026-01-02T03:04:05+00:00",
            "verdict": {"sentence": sentence},
            "rows": rows,
        }
        file.with_suffix(".json").write_text(json.dumps(figures))

    return keep
