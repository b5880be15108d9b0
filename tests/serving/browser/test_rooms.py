"""The rooms of documents and questions in the browser."""

import json

from playwright.sync_api import expect

DROP = """(text) => {
    const data = new DataTransfer();
    data.items.add(new File([text], 'dropped.md', { type: 'text/markdown' }));
    for (const type of ['dragover', 'drop']) {
        document.body.dispatchEvent(new DragEvent(type, { dataTransfer: data, bubbles: true, cancelable: true }));
    }
}"""


def test_refusals_and_files_that_cannot_be_read_are_told(site, visit, upload):
    page = visit(site(), room="documents")
    page.locator("li.document").first.wait_for()
    upload(page, "pump.md", b"# Pumps\n\nAnother pump.\n")
    page.locator("li.document.ready", has_text="pump.md").first.wait_for()
    refused = page.locator(".uploads .refused")
    upload(page, "pump.md", b"# New")
    expect(refused.first).to_contain_text("There is a document 'pump.md' already.")
    refused.first.get_by_role("button", name="Replace it").click()
    upload(page, "broken.pdf", b"%PDF-1.7\n1 0 obj\n<< /Type /Catalog\n")
    failed = page.locator("li.document.failed")
    expect(failed).to_contain_text("damaged")
    expect(page.locator(".room-head")).to_contain_text("1 could not be read")
    page.get_by_label("Search documents").fill("hr pay")
    expect(page.locator("li.document")).to_have_count(1)
    expect(page.locator("li.document .tag")).to_have_text("hr")
    page.get_by_label("Search documents").fill("nowhere")
    expect(page.locator(".empty")).to_contain_text("Nothing fits")


def test_dropped_files_are_taken_and_an_empty_project_says_what_to_do(site, visit, ask):
    page = visit(site(empty=True))
    expect(page.locator(".empty")).to_contain_text("There are no documents yet")
    page.get_by_role("link", name="Add documents").click()
    expect(page.locator(".empty")).to_contain_text("Drop files anywhere")
    page.evaluate(DROP, "# Valves\n\nThe valve Skog opens at 117 kg of load.\n")
    page.locator("li.document.ready", has_text="dropped.md").wait_for()
    page.get_by_role("button", name="Ask about dropped.md").click()
    expect(page.locator(".within-chip")).to_contain_text("dropped.md")
    expect(ask(page, "At what load does it open?").locator(".within")).to_have_text(
        "Only in dropped.md"
    )


def test_review_by_keyboard_is_kept_in_the_file(site, visit, tmp_path):
    address = site()
    page = visit(address, room="questions")
    page.locator(".question-card h2").wait_for()
    page.get_by_role("button", name="Next question").focus()
    page.keyboard.press("a")
    expect(page.locator(".room-head")).to_contain_text("1 of 3 questions reviewed")
    expect(page.locator(".question-card h2")).to_have_text("What does a filter cost?")
    page.keyboard.press("e")
    expect(page.locator("#edit-question")).to_be_focused()
    page.get_by_label("Answers that count as right").fill("")
    page.get_by_role("button", name="Keep and accept").click()
    assert (
        page.evaluate("document.querySelector('#edit-answers').validationMessage")
        == "Write at least one answer."
    )
    page.get_by_label("Answers that count as right").fill("12 euros\n€12")
    page.get_by_role("button", name="Keep and accept").click()
    expect(page.locator(".room-head")).to_contain_text("2 of 3 questions reviewed")
    first, second, _ = rows_of(tmp_path)
    assert (first["status"], second["status"], second["answers"]) == (
        "accepted",
        "accepted",
        ["12 euros", "€12"],
    )

    page.get_by_role("button", name="All 3").click()
    page.locator(".question-list button").first.click()
    page.keyboard.press("r")
    expect(page.get_by_role("button", name="Rejected 1")).to_be_visible()
    assert rows_of(tmp_path)[0]["status"] == "rejected"
    page.keyboard.press("k")
    page.keyboard.press("j")
    expect(page.locator(".question-card h2")).to_have_text("What does a filter cost?")

    (tmp_path / "questions.jsonl").write_text(
        json.dumps(second | {"answers": ["changed meanwhile"]}) + "\n"
    )
    page.keyboard.press("r")
    expect(page.get_by_role("alert")).to_contain_text("changed in the meantime; load it again")
    expect(page.locator(".reference")).to_contain_text("changed meanwhile")


def rows_of(folder):
    return [json.loads(line) for line in (folder / "questions.jsonl").read_text().splitlines()]


def test_evidence_opens_at_its_words(site, visit, tmp_path):
    address = site()
    row = rows_of(tmp_path)[1] | {"evidence": "A filter costs 12 euros."}
    (tmp_path / "questions.jsonl").write_text(json.dumps(row) + "\n")
    page = visit(address, room="questions")
    page.locator(".evidence").get_by_role("button").click()
    expect(page.locator(".reader mark")).to_have_text("A filter costs 12 euros.")
