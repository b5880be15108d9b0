"""The widget in pages of other origins, under a strict policy, in a real browser."""

import threading
from contextlib import ExitStack, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import expect

from acclimate.serving.keys import Widget, keys_of
from acclimate.testing.serving import serve_project

EVIL = "<img src=x onerror='window.canary=1'><script>window.canary=1</script>"
# What the page's own style would do to the widget, and what the widget's may not do to it.
STYLE = """* { color: rgb(255, 0, 0) !important; font-size: 40px; text-transform: uppercase; }
body > * { opacity: 0.5; display: none; } main { display: block !important; } button { border: 9px solid red; }"""
HTML = """<!doctype html><html lang="{lang}"><head><meta charset="utf-8"><title>Intranet</title>
<meta name="viewport" content="width=device-width"><link rel="stylesheet" href="/page.css">
<script src="{server}/widget.js" data-key="{key}" {more} defer></script></head>
<body><main><h1>Intranet</h1><p>Welcome.</p><button>Elsewhere</button></main></body></html>"""
POLICY = (
    "default-src 'none'; script-src {server}; connect-src {server}; style-src 'self'; base-uri "
    "'none'; form-action 'none'; require-trusted-types-for 'script'"
)


@contextmanager
def other_site():
    """Another site: gives its origin, and a dictionary for what it serves and under which policy."""
    served = {"policy": ""}

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200 if self.path in served else 404)
            kind = "text/css" if self.path.endswith(".css") else "text/html; charset=utf-8"
            self.send_header("Content-Type", kind)
            self.send_header("Content-Security-Policy", served["policy"])
            self.end_headers()
            self.wfile.write(served.get(self.path, "").encode())

        def log_message(self, *_):
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as http:
        thread = threading.Thread(target=http.serve_forever, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{http.server_address[1]}", served
        http.shutdown()
        thread.join()


@pytest.fixture
def embed(chromium, make_project, tmp_path):
    """Opens a page of another site that holds a widget; its key is for that page, unless `stranger`."""
    with ExitStack() as stack:

        def open_page(project=None, *, stranger=False, more="", lang="en", style="", **options):
            origin, served = stack.enter_context(other_site())
            project = project or make_project()
            ours = "https://intranet.example" if stranger else origin
            key = keys_of(tmp_path).add_widget("intranet", Widget((ours,), 60, 60), ())
            server = stack.enter_context(serve_project(project))
            served["/"] = HTML.format(server=server, key=key, more=more, lang=lang)
            served["/page.css"] = style
            served["policy"] = POLICY.format(server=server)
            options = {"viewport": {"width": 1280, "height": 800}} | options
            context = chromium.new_context(**options)
            stack.callback(context.close)
            context.set_default_timeout(300_000)
            page = context.new_page()
            page.told, page.served = [], served
            page.on("console", lambda line: page.told.append(line.text))
            page.on("pageerror", lambda error: page.told.append(str(error)))
            page.add_init_script(
                "addEventListener('securitypolicyviolation', (e) => (window.violated ??= []).push(e.blockedURI))"
            )
            page.goto(origin)
            return page

        yield open_page


def ask(page, question="What does the pump Fjell 9 weigh?"):
    """Opens the panel, asks by keyboard, and gives the turn when it is complete."""
    if page.get_by_role("dialog").count() == 0:
        page.get_by_role("button", name="Ask", exact=True).click()
    page.get_by_label("Question", exact=True).fill(question)
    page.keyboard.press("Enter")
    turn = page.locator("article").last
    expect(page.get_by_role("button", name="Stop")).to_have_count(0)
    return turn


TOO_WIDE = """() => [...document.querySelector('acclimate-widget').shadowRoot.querySelectorAll('.root *')]
    .filter((one) => one.getClientRects().length && !one.closest('.said'))
    .filter((one) => one.getBoundingClientRect().right > innerWidth + 1 || one.getBoundingClientRect().left < -1)
    .map((one) => one.outerHTML.slice(0, 120))"""


def said(page):
    return page.locator("[role=status]").text_content()


def test_a_page_of_another_origin_asks_and_sees_the_cited_answer(embed):
    page = embed(style=STYLE, color_scheme="light")
    button = page.get_by_role("button", name="Ask", exact=True)
    expect(button).to_have_css("color", "rgb(255, 255, 255)")  # not the page's red
    expect(button).to_have_css("font-size", "15px")
    assert (
        page.evaluate("getComputedStyle(document.querySelector('acclimate-widget')).opacity") == "1"
    )
    turn = ask(page)
    expect(turn.locator(".text")).to_contain_text("117 kg")
    source = turn.get_by_role("list", name="Sources").get_by_role("listitem")
    expect(source).to_have_count(1)
    expect(source).to_contain_text("Pumps")
    expect(source.locator("blockquote")).to_have_text("The pump Fjell 9 weighs 117 kg.")
    turn.get_by_role("button", name="Sources 1: Pumps").click()
    expect(source).to_be_focused()
    assert said(page) == "117 kg1"
    expect(page.get_by_role("heading", name="Intranet")).to_have_css("font-size", "40px")
    assert page.evaluate("window.violated ?? null") is None
    assert page.told == []
    assert page.context.cookies() == []


def test_it_asks_beside_its_own_script_whatever_path_is_before_it(embed):
    """As behind a proxy that gives the server a path of its host."""
    page = embed()
    page.served["/"] = page.served["/"].replace("/widget.js", "/docs/acclimate/widget.js")

    def without_path(route):
        address = route.request.url
        route.fulfill(response=route.fetch(url=address.replace("/docs/acclimate/", "/")))

    page.route("**/docs/acclimate/**", without_path)
    page.reload()
    with page.expect_request("**/docs/acclimate/v1/widget"):
        turn = ask(page)
    expect(turn.locator(".text")).to_contain_text("117 kg")


def test_a_refusal_is_told_as_one(embed, engine, monkeypatch):
    monkeypatch.setattr(engine, "_script", lambda _: "Not in the documents.")
    page = embed()
    turn = ask(page, "Who won?")
    expect(turn).to_have_class("turn abstained")
    expect(turn.locator(".note")).to_have_text("The documents do not hold the answer.")
    expect(turn.get_by_role("list")).to_have_count(0)


def test_a_page_of_a_third_origin_is_refused(embed):
    page = embed(stranger=True)
    turn = ask(page)
    # The browser shows the page nothing of the refusal, not even that it was one.
    expect(turn.locator(".error")).to_contain_text("The server cannot be reached")
    assert "117" not in turn.inner_text()
    assert any("CORS" in line for line in page.told)


def test_nothing_of_titles_answers_quotes_or_addresses_is_run(
    embed, make_project, tmp_path, engine, monkeypatch
):
    monkeypatch.setattr(engine, "_script", lambda _: f"{EVIL} valve [1]")
    project = make_project(empty=True)
    folder = tmp_path / "documents" / "sources" / "wiki"
    folder.mkdir(parents=True)
    (folder / "valve.md").write_text(f"# {EVIL}\n\nThe valve Skog {EVIL} valve.\n")
    project.ingest()
    monkeypatch.setattr(
        type(project.origins), "address", lambda *_: "javascript:window.canary=1//http://x"
    )
    page = embed(project, more=f'data-title="{EVIL.replace("<", "&lt;")}"')
    turn = ask(page, f"Which valve? {EVIL}")
    for place in (".text", "h3", "blockquote", "bdi >> nth=0"):
        expect(turn.locator(place)).to_contain_text("<script>window.canary=1</script>")
    expect(page.locator(".head h2")).to_have_text(EVIL)
    expect(turn.get_by_role("link")).to_have_count(0)
    assert page.locator("acclimate-widget img, acclimate-widget script").count() == 0
    assert page.evaluate("window.canary ?? null") is None
    assert page.evaluate("window.violated ?? null") is None


def test_numbers_stand_after_the_sentences_that_they_are_for(
    embed, make_project, engine, monkeypatch
):
    """Places come as Python counts, which JavaScript does not where characters are pictographs."""
    said = ("The valve \U0001f600\U0001f600 Skog opens at 50 bar.", "A filter costs 12 euros.")
    monkeypatch.setattr(engine, "_script", lambda _: " ".join((*said, said[0])))
    project = make_project()
    (project.folder / "documents" / "valve.md").write_text(f"# Valves\n\n{said[0]}\n")
    project.ingest()
    model = project.settings.model.model_copy(update={"engine": "openai", "name": "big"})
    project.settings = project.settings.model_copy(update={"model": model})
    turn = ask(embed(project), "What of the valve Skog, and what does a filter cost?")
    numbers = {
        item.locator("bdi").first.inner_text(): item.locator(".number").inner_text()
        for item in turn.get_by_role("listitem").all()
    }
    valve, filter_ = (f"{number}" for number in (numbers["Valves"], numbers["Prices"]))
    wanted = f"{said[0]}{valve} {said[1]}{filter_}"
    expect(turn.locator(".text")).to_have_text(wanted)


def test_a_mirrored_page_is_linked(embed, make_project, monkeypatch):
    project = make_project()
    address = "https://wiki.example/pumps?a=1&b=2"
    monkeypatch.setattr(type(project.origins), "address", lambda *_: address)
    link = ask(embed(project)).get_by_role("link")
    expect(link).to_have_attribute("href", address)
    expect(link).to_have_attribute("rel", "noopener noreferrer")


def test_by_keyboard_alone(embed):
    page = embed()
    page.get_by_role("button", name="Elsewhere").focus()
    page.evaluate("document.addEventListener('keydown', (e) => (window.heard ??= []).push(e.key))")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    dialog = page.get_by_role("dialog", name="Ask the documents")
    expect(dialog).to_be_visible()
    field = page.get_by_label("Question", exact=True)
    expect(field).to_be_focused()
    page.keyboard.type("What does the pump")
    page.keyboard.press("Shift+Enter")
    page.keyboard.type("Fjell 9 weigh?")
    page.keyboard.press("Enter")
    expect(page.get_by_role("list", name="Sources")).to_be_visible()
    expect(field).to_be_focused()
    expect(page.locator("article h3")).to_have_text("What does the pump Fjell 9 weigh?")
    page.keyboard.press("Escape")
    expect(dialog).to_be_hidden()
    expect(page.get_by_role("button", name="Ask", exact=True)).to_be_focused()
    assert page.evaluate("window.heard") == ["Tab", "Enter"]  # not what was typed in the panel


def test_it_speaks_the_pages_language_or_the_one_that_is_chosen(embed):
    page = embed(lang="de-AT", more="data-side='left' data-theme='dark'", color_scheme="light")
    root = page.locator("acclimate-widget .root")
    expect(root).to_have_css("color-scheme", "dark")
    expect(root.get_by_role("button")).to_have_css("left", "20px")
    page.get_by_role("button", name="Fragen").click()
    expect(page.get_by_role("dialog", name="Die Dokumente fragen")).to_be_visible()
    for chosen, name in (("zh-Hans", "提问"), ("constructor", "Ask")):
        held = page.served["/"]
        page.served["/"] = held.replace(" defer", f" data-lang='{chosen}' defer")
        page.reload()
        page.served["/"] = held
        expect(page.get_by_role("button", name=name, exact=True)).to_be_visible()


def test_an_answer_can_be_stopped_and_a_lost_server_is_told(embed, engine, monkeypatch):
    go_on = threading.Event()

    def slow(_messages):
        go_on.wait(300)
        return "117 kg [1]"

    monkeypatch.setattr(engine, "_script", slow)
    page = embed()
    page.get_by_role("button", name="Ask", exact=True).click()
    page.get_by_label("Question", exact=True).fill("What does it weigh?")
    page.get_by_role("button", name="Send").click()
    stop = page.get_by_role("button", name="Stop")
    expect(page.get_by_label("Question", exact=True)).to_be_focused()
    stop.click()
    expect(page.locator("article .note")).to_have_text("Stopped.")
    go_on.set()
    page.context.set_offline(True)
    expect(ask(page).locator(".error")).to_contain_text("The server cannot be reached")


@pytest.mark.parametrize(("width", "scheme"), [(1280, "light"), (390, "dark")])
def test_axe_finds_nothing_and_nothing_is_too_wide(embed, width, scheme):
    page = embed(
        viewport={"width": width, "height": 740}, color_scheme=scheme, reduced_motion="reduce"
    )
    for place in ("closed", "open", "answered"):
        if place == "open":
            page.get_by_role("button", name="Ask", exact=True).click()
        if place == "answered":
            ask(page)
        found = Axe().run(page).response
        looked = [node["target"][0] for rule in found["passes"] for node in rule["nodes"]]
        assert any(isinstance(target, list) for target in looked)  # it sees into the shadow
        bad = [
            (rule["id"], [one["html"][:160] for one in rule["nodes"]])
            for rule in found["violations"]
        ]
        assert bad == [], place
        assert page.evaluate(TOO_WIDE) == [], place
    page.set_viewport_size({"width": 320, "height": 560})
    assert page.evaluate(TOO_WIDE) == []
