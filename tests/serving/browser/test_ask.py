"""Asking in the browser: from an upload to the cited words, stopping, abstaining, two recipes at once."""

import threading

import fpdf
import pypdfium2
import pytest
from playwright.sync_api import expect

from acclimate.testing.models import ScriptedEngine
from acclimate.testing.serving import serve_project
from acclimate.testing.states import STATE_S, wait_until

QUOTE = "The valve Skog opens at 117 kg of load."
VALVE = (
    f"# Valves 🔧🔧\n\nAbout valves. {QUOTE} Each is tested.\n\n"
    + "Other matters stand here.\n\n" * 60
)


def inside(page, inner, outer):
    """Whether the middle of one element is within the other, as it stands on the screen."""
    one, other = page.locator(inner).first.bounding_box(), page.locator(outer).bounding_box()
    x, y = one["x"] + one["width"] / 2, one["y"] + one["height"] / 2
    return (
        other["x"] < x < other["x"] + other["width"]
        and other["y"] < y < other["y"] + other["height"]
    )


@pytest.mark.parametrize("size", ["desktop", "phone"])
def test_upload_ask_open_the_citation_at_its_words_and_delete(
    site, visit, size, tmp_path, ask, upload
):
    page = visit(site(), size, "documents")
    upload(page, "valve.md", VALVE.encode())
    row = page.locator("li.document.ready", has_text="valve.md")
    row.wait_for()
    page.get_by_role("link", name="Ask").click()
    answer = ask(page, "At what load does the valve Skog open?")
    expect(answer.locator(".answer-text")).to_have_text("117 kg of load")
    chip = answer.locator(".chip")
    expect(chip).to_contain_text("valve.md")
    chip.click()
    mark = page.locator(".reader mark")
    expect(mark).to_have_text(QUOTE)  # the pictographs before it count one character each
    assert inside(page, ".reader mark", ".reader-body")
    assert page.evaluate("document.activeElement.id") == "reader-title"
    page.keyboard.press("Escape")
    expect(page.locator("#reader")).to_be_hidden()
    assert "chip" in page.evaluate("document.activeElement.className")

    page.get_by_role("link", name="Documents").click()
    page.get_by_role("button", name="Delete valve.md").click()
    page.get_by_role("dialog").get_by_role("button", name="Cancel").click()
    expect(row).to_have_count(1)
    page.get_by_role("button", name="Delete valve.md").click()
    page.get_by_role("dialog").get_by_role("button", name="Delete", exact=True).click()
    expect(row).to_have_count(0)
    assert not (tmp_path / "documents" / "valve.md").exists()


def test_a_cited_pdf_opens_at_its_page_with_the_words_boxed(site, visit, ask, upload):
    page = visit(site(), room="documents")
    upload(page, "skog.pdf", make_pdf())
    page.locator("li.document.ready", has_text="skog.pdf").wait_for()
    page.get_by_role("link", name="Ask").click()
    ask(page, "At what load does the valve Skog open?").locator(".chip").click()
    page.locator(".marks rect").first.wait_for()
    expect(page.locator(".page-place")).to_have_text("Page 3 of 4")
    assert inside(page, ".marks rect", ".reader-body")
    shown = page.locator(".page[data-page='3']").bounding_box()
    box = page.locator(".marks rect").first.bounding_box()
    left, top, right, bottom = expected_box()
    for found, wanted in (
        ((box["x"] - shown["x"]) / shown["width"], left),
        ((box["y"] - shown["y"]) / shown["height"], top),
        ((box["x"] + box["width"] - shown["x"]) / shown["width"], right),
        ((box["y"] + box["height"] - shown["y"]) / shown["height"], bottom),
    ):
        assert found == pytest.approx(wanted, abs=0.012)
    page.get_by_role("button", name="Text", exact=True).click()
    expect(page.locator(".reader mark")).to_have_text(QUOTE)
    page.locator(".reader").get_by_role("button", name="Pages", exact=True).click()
    page.locator(".marks rect").first.wait_for()
    page.keyboard.press("ArrowLeft")
    expect(page.locator(".page-place")).to_have_text("Page 2 of 4")


def make_pdf():
    made = fpdf.FPDF()
    made.set_font("helvetica", size=12)
    for number in range(1, 5):
        made.add_page()
        made.ln(60)
        made.write(
            text=QUOTE if number == 3 else f"Page {number} is about other things altogether."
        )
    return bytes(made.output())


def expected_box():
    """Where the quote stands on page 3, as shares of the page, by PDFium itself."""
    page = pypdfium2.PdfDocument(make_pdf())[2]
    text = page.get_textpage()
    start, length = text.search(QUOTE).get_next()
    boxes = [text.get_rect(index) for index in range(text.count_rects(start, length))]
    width, height = page.get_size()
    left, right = min(box[0] for box in boxes), max(box[2] for box in boxes)
    return (
        left / width,
        1 - max(box[3] for box in boxes) / height,
        right / width,
        1 - min(box[1] for box in boxes) / height,
    )


def test_an_answer_comes_in_pieces_and_can_be_stopped(make_project, visit, engine, monkeypatch):
    finished, go_on = [], threading.Event()
    monkeypatch.setattr(engine, "generate", slowly(engine, finished, go_on))
    engine.prefill = ""  # its template is known, so it may stream at once
    with serve_project(make_project()) as address:
        page = visit(address)
        page.get_by_label("Question", exact=True).fill("What is the pump?")
        page.get_by_role("button", name="Send").click()
        text = page.locator(".answer-text")
        expect(text).to_contain_text("word 3")
        early = text.inner_text()
        assert "word 8" not in early
        go_on.set()
        expect(text).to_contain_text("word 8")
        assert page.locator(".answer-text[aria-busy=true]").count() == 1
        assert text.inner_text().startswith(early)
        page.get_by_role("button", name="Stop").click()
        expect(page.locator(".answer .note")).to_have_text("Stopped.")
        expect(page.get_by_role("button", name="Send")).to_be_visible()
        wait_until(lambda: finished, "the end of the answer")
        assert finished == ["cancelled"]  # the server writes no further


def slowly(engine, finished, go_on):
    """Writes some words, goes on when it may, and then waits for the reader to leave."""

    def generate(messages, options, on_text=None):
        pieces = []

        def heard(piece):
            pieces.append(piece)
            if len(pieces) == 10:
                assert go_on.wait(STATE_S)
            if len(pieces) == 40:
                wait_until(lambda: not on_text(""), "a reader that leaves")
            return on_text(piece)

        long = ScriptedEngine(
            lambda _: " ".join(f"word {number}" for number in range(120)), 100_000
        )
        made = long.generate(messages, options, heard)
        finished.append(made.finish)
        return made

    return generate


def test_abstention_is_told_plainly_with_what_was_looked_at(site, visit, ask):
    page = visit(site())
    answer = ask(page, "zzz")
    expect(answer.locator(".abstained")).to_have_count(1)
    expect(answer).to_contain_text("that the model was shown")
    expect(answer.locator(".passages[open] li")).not_to_have_count(0)
    answer.locator(".passages").get_by_role("button", name="Open passage 1").click()
    expect(page.locator(".reader mark")).not_to_have_count(0)


def test_an_empty_library_is_told_apart_from_documents_that_do_not_answer(
    site, visit, ask, make_project
):
    with make_project() as project:
        for file in (project.folder / "documents").rglob("*.md"):
            file.unlink()
        project.ingest(allow_empty=True)
    page = visit(site(empty=True))
    answer = ask(page, "What does a filter cost?")
    expect(answer.locator(".answer-text")).to_have_text("The library holds no documents.")
    expect(answer.locator(".note")).to_have_text(
        "There is nothing to search yet. Add documents in the room Documents."
    )


@pytest.mark.parametrize(("size", "apart"), [("desktop", True), ("phone", False)])
def test_two_recipes_answer_the_same_question_side_by_side(site, visit, size, apart, ask):
    page = visit(site(), size)
    page.get_by_role("button", name="Side by side").click()
    page.get_by_label("Second recipe").select_option("zero-shot")
    answer = ask(page, "What does a filter cost?")
    cards = answer.locator(".answer")
    expect(cards).to_have_count(2)
    assert [card.get_attribute("data-recipe") for card in cards.all()] == ["rag", "zero-shot"]
    expect(cards.nth(0).locator(".chip")).to_have_count(1)
    expect(cards.nth(1)).to_contain_text("it was not shown your documents")
    first, second = cards.nth(0).bounding_box(), cards.nth(1).bounding_box()
    assert (abs(first["y"] - second["y"]) < 20) is apart  # they may still be sliding in
    page.reload()
    expect(page.locator(".turn .answer")).to_have_count(2)  # kept in this tab
    page.get_by_role("button", name="New").click()
    expect(page.locator(".turn")).to_have_count(0)


def test_the_little_markdown_that_models_write_is_shown_as_such(
    site, visit, ask, engine, monkeypatch
):
    address = site()
    said = "Two **kinds**:\n- the `pump`\n- the tank\n\n```\na < b\n```\nunfinished **mark"
    monkeypatch.setattr(engine, "_script", lambda _: said)
    text = ask(visit(address), "Which kinds are there?").locator(".answer-text")
    expect(text.locator("strong")).to_have_text("kinds")
    expect(text.locator("li")).to_have_text(["the pump", "the tank"])
    expect(text.locator("pre")).to_have_text("a < b")
    expect(text.locator("p").last).to_have_text("unfinished **mark")


def test_a_question_goes_with_the_turns_before_it_until_one_starts_anew(site, visit, ask):
    page = visit(site())
    sent = []
    page.on(
        "request",
        lambda request: "chat/completions" in request.url and sent.append(request.post_data_json),
    )
    ask(page, "What does a filter cost?")
    expect(ask(page, "And how is it tested?").locator(".note").first).to_contain_text(
        "Understood as: "
    )
    page.get_by_role("button", name="New").click()
    ask(page, "zzz")
    first, second, third = ([message["content"] for message in body["messages"]] for body in sent)
    assert first == ["What does a filter cost?"]
    assert second == ["What does a filter cost?", "12 euros", "And how is it tested?"]
    assert third == ["zzz"]
