"""What the page helps with: what to ask next, finding one's way in a document, folders, commands."""

import threading

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import expect

from acclimate.testing.models import ScriptedEngine
from acclimate.testing.serving import serve_project
from acclimate.testing.states import STATE_S

SERVED = {"engine": "openai", "base_url": "http://127.0.0.1:9/v1", "name": "scripted"}
FILLER = "Nothing of this is about that, and it goes on for as long as it has to.\n\n" * 30
SETTERS = f"""# Setters

A setter finds birds. {"It sits. " * 9}

## Feeding

A grown setter eats 400 grams of dry food a day, in two meals, and has water at all times.

## Coat

The coat is long, and is brushed twice a week so that it does not mat behind the ears.

{FILLER}
### שיער

הפרווה ארוכה ונעימה.
"""
NEXT = "What does “Setters” say about “Feeding”?"


def sound(page, place):
    found = Axe().run(page).response["violations"]
    assert [(one["id"], [n["html"][:160] for n in one["nodes"]]) for one in found] == [], place
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), place


@pytest.fixture
def kennel(make_project, engine, monkeypatch, tmp_path):
    """Serves a project with one document about setters; its model writes full answers."""
    monkeypatch.setattr(engine, "_script", lambda _: "A setter finds birds [1].")
    file = tmp_path / "documents" / "dogs" / "setters.md"
    file.parent.mkdir(parents=True)
    file.write_text(SETTERS)
    with make_project(empty=True) as project:
        project.ingest()
    with serve_project(
        make_project(empty=True, model=SERVED, documents={"exclude": ["**/*.xyz"]})
    ) as address:
        yield address


def seen(page, text, inside=".reader-body"):
    """Whether the element that shows a text is on the screen, within another."""
    box = page.locator(inside).bounding_box()
    place = page.locator(f"{inside} .block", has_text=text).first.bounding_box()
    return box["y"] - 1 <= place["y"] <= box["y"] + box["height"]


@pytest.mark.parametrize(("size", "scheme"), [("desktop", "dark"), ("phone", "light")])
def test_what_comes_next_the_outline_and_the_search(kennel, visit, ask, size, scheme):
    page = visit(kennel, size, color_scheme=scheme, reduced_motion="reduce")
    sent = []
    page.on(
        "request",
        lambda one: "chat/completions" in one.url and sent.append(one.post_data_json["acclimate"]),
    )
    ask(page, "What does a setter find?")
    first = page.locator(".turn").first
    suggestions = first.get_by_role("region", name="Ask next").get_by_role("button")
    expect(suggestions.first).to_have_text(NEXT)
    sound(page, "ask next")
    suggestions.first.click()
    expect(page.locator(".turn").last.locator("h2")).to_have_text(NEXT)
    expect(first.get_by_role("region", name="Ask next")).to_have_count(0)
    expect(page.locator(".answer.writing")).to_have_count(0)
    assert sent[1]["style"] == "full"
    assert "style" not in sent[0]

    first.locator(".chip").click()
    page.locator(".reader mark").first.wait_for()
    page.keyboard.press("Tab")
    page.keyboard.press("Control+f")
    field = page.get_by_role("searchbox", name="Find in the document")
    expect(field).to_be_focused()
    page.keyboard.type("SETTER")
    said = page.locator(".find [role=status]")
    expect(said).to_have_text("1 of 3")
    expect(page.locator(".reader mark.current")).to_have_text("Setter")
    page.keyboard.press("Enter")
    expect(said).to_have_text("2 of 3")
    page.keyboard.press("Shift+Enter")
    page.keyboard.press("Shift+Enter")
    expect(said).to_have_text("3 of 3")
    assert seen(page, "Feeding")
    field.fill("הפרווה")
    expect(said).to_have_text("1 of 1")
    assert seen(page, "הפרווה")
    field.fill("nowhere")
    expect(said).to_have_text("Not found")
    page.get_by_role("button", name="Outline").click()
    headings = page.get_by_role("navigation", name="Outline").get_by_role("button")
    expect(headings).to_have_text(["Setters", "Feeding", "Coat", "שיער"])
    assert headings.last.locator("span").evaluate("(e) => getComputedStyle(e).direction") == "rtl"
    sound(page, "reader")
    headings.nth(3).click()
    expect(page.locator(".reader-body .heading", has_text="שיער")).to_be_focused()
    assert seen(page, "שיער")
    assert page.get_by_role("navigation", name="Outline").is_hidden() is (size == "phone")
    page.keyboard.press("Escape")  # the reader, as the focus is in its text
    expect(page.locator("#reader")).to_be_hidden()


def test_the_palette_goes_opens_and_changes(kennel, visit, ask):
    page = visit(kennel, room="documents", reduced_motion="reduce")
    page.locator("li.document").first.wait_for()
    option = page.locator(".palette").get_by_role("option", selected=True)

    def choose(words, name):
        page.keyboard.press("Control+k")
        page.keyboard.type(words)
        expect(option).to_have_text(name)
        page.keyboard.press("Enter")
        expect(page.get_by_role("dialog")).to_have_count(0)

    choose("full", "full: sentences, a list or steps, each with its source")
    expect(page.get_by_label("Style")).to_have_value("full")
    expect(page.get_by_label("Question", exact=True)).to_be_focused()
    choose("setters dogs", "setters.mddogs")
    expect(page.locator("#reader-title")).to_be_focused()
    page.keyboard.press("Escape")
    choose("dark", "Dark")
    assert page.evaluate("document.documentElement.dataset.theme") == "dark"
    ask(page, "What does a setter find?")
    choose("new conv", "New conversation")
    expect(page.locator(".turn")).to_have_count(0)

    page.keyboard.press("Control+k")
    page.keyboard.press("ArrowUp")  # from the first to the last
    expect(option).to_have_text("Keyboard")
    field = page.get_by_role("combobox", name="Go to, open or change")
    pointed = page.evaluate("document.activeElement.getAttribute('aria-activedescendant')")
    assert option.get_attribute("id") == pointed
    page.keyboard.press("Tab")
    page.keyboard.press("Tab")
    assert page.evaluate(
        "!!document.activeElement.closest('dialog') || document.activeElement === document.body"
    )
    field.focus()
    page.keyboard.type("zzz")
    expect(page.get_by_role("listbox")).to_contain_text("Nothing fits")
    page.keyboard.press("Enter")
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_have_count(0)
    expect(page.get_by_label("Question", exact=True)).to_be_focused()
    choose("deut", "Deutsch")
    expect(page.locator("nav [data-room=documents]")).to_have_text("Dokumente")


def drop(page, *paths):
    """Drops files and folders of this machine, as a hand would."""
    held = page.context.new_cdp_session(page)
    data = {"items": [], "files": [str(path) for path in paths], "dragOperationsMask": 1}
    for kind in ("dragEnter", "dragOver", "drop"):
        held.send("Input.dispatchDragEvent", {"type": kind, "x": 300, "y": 300, "data": data})


def test_a_dropped_folder_keeps_its_paths(kennel, visit, tmp_path, tmp_path_factory):
    page = visit(kennel, "phone", "documents", reduced_motion="reduce", color_scheme="dark")
    page.locator("li.document").first.wait_for()
    dropped = tmp_path_factory.mktemp("drop") / "ספרים"
    for name in (
        "one.md",
        "inner/two.md",
        ".git/config.md",
        "inner/picture.xyz",
        "inner/.DS_Store",
    ):
        file = dropped / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(f"# {name}\n\nA page.\n")
    taken = tmp_path / "documents" / "ספרים"
    (taken / "inner").mkdir(parents=True)
    (taken / "one.md").write_text("# Here already\n")
    drop(page, dropped)
    page.locator("li.document.ready", has_text="two.md").wait_for()
    refused = page.locator(".uploads .refused")
    expect(refused).to_contain_text("There is a document 'ספרים/one.md' already.")
    expect(page.locator(".upload-total")).to_contain_text("1 file was left out")
    row = page.locator("li.document", has_text="two.md")
    expect(row.locator(".muted")).to_contain_text("ספרים/inner")
    assert row.locator(".muted").evaluate("(e) => getComputedStyle(e).direction") == "rtl"
    sound(page, "uploads")
    refused.get_by_role("button", name="Replace it").click()
    expect(page.locator(".uploads li")).to_have_count(0)
    assert sorted(file.name for file in taken.rglob("*") if file.is_file()) == ["one.md", "two.md"]
    assert (taken / "one.md").read_text().startswith("# one.md")

    (dropped / "three.md").write_text("# Three\n\nAnother page.\n")
    page.locator("input.folder").set_input_files(dropped)
    page.locator("li.document.ready", has_text="three.md").wait_for()
    assert (taken / "three.md").is_file()


def test_a_full_answer_comes_sentence_by_sentence(make_project, visit, engine, monkeypatch):
    go_on = threading.Event()
    said = "The pump Fjell 9 weighs 117 kg [1]. It was tested in 2024 [1]. It was sold on Mars."

    def generate(messages, options, on_text=None):
        def heard(piece):
            if "2024" in piece:
                assert go_on.wait(STATE_S)
            return on_text(piece)

        return ScriptedEngine(lambda _: said, 100_000).generate(messages, options, heard)

    monkeypatch.setattr(engine, "generate", generate)
    engine.prefill = ""
    with serve_project(make_project(model=SERVED)) as address:
        page = visit(address)
        page.get_by_label("Question", exact=True).fill("What of the pump?")
        page.get_by_role("button", name="Send").click()
        text = page.locator(".answer-text")
        expect(text).to_have_text("The pump Fjell 9 weighs 117 kg.")
        expect(page.locator(".answer.writing")).to_have_count(1)
        go_on.set()
        expect(page.locator(".answer.writing")).to_have_count(0)
        expect(text).to_have_text("The pump Fjell 9 weighs 117 kg.1 It was tested in 2024.1")
