"""From a thumb to a question that the next comparison asks, and a comparison from start to gate."""

import json

import pytest
from playwright.sync_api import expect

SERVED = {"engine": "openai", "base_url": "http://127.0.0.1:9/v1", "name": "scripted"}
ASKED = "When was the pump Fjell 9 tested?"


def rows_of(folder, name):
    return [json.loads(line) for line in (folder / name).read_text().splitlines()]


def fits(page):
    """Whether nothing is wider than the window."""
    return page.evaluate("document.documentElement.scrollWidth <= innerWidth")


@pytest.mark.parametrize("size", ["desktop", "phone"])
def test_a_thumb_becomes_a_question_that_the_next_comparison_asks(site, visit, ask, size, tmp_path):
    page = visit(site(model=SERVED), size)
    answer = ask(page, ASKED)
    answer.get_by_role("button", name="This is wrong").click()
    expect(page.get_by_label("What is right?")).to_be_focused()
    page.keyboard.type("2024")
    assert fits(page)
    answer.get_by_role("button", name="Send").click()
    expect(answer.get_by_role("button", name="This is wrong")).to_have_attribute(
        "aria-pressed", "true"
    )

    page.get_by_role("link", name="Questions").click()
    expect(page.locator(".room-head")).to_contain_text("1 proposed by readers")
    card = page.locator(".question-card")
    expect(card.locator("h2")).to_have_text(ASKED)
    expect(card.locator(".said")).to_contain_text("Not in the documents.")
    expect(card.locator(".evidence")).to_contain_text("It was tested in 2024.")
    assert fits(page)
    card.get_by_role("button", name="Accept").click()
    expect(page.locator(".room-head")).to_contain_text("1 of 4 questions reviewed")
    expect(page.locator(".toast").last).to_contain_text("the next comparison asks it")
    kept = rows_of(tmp_path, "questions.jsonl")[-1]
    assert (kept["question"], kept["answers"], kept["split"]) == (ASKED, ["2024"], "test")

    page.get_by_role("link", name="Comparisons").click()
    page.get_by_role("button", name="New comparison").click()
    assert fits(page)
    page.get_by_role("button", name="Start").click()
    report = page.locator(".report")
    expect(report).to_have_count(1)
    (file,) = (tmp_path / ".acclimate" / "comparisons").glob("*.json")
    asked = json.loads(file.read_text())["questions"]
    assert kept["id"] in {one["id"] for one in asked}
    assert len(asked) == 4

    page.get_by_role("button", name="Save as gate").click()
    expect(page.get_by_role("alert")).to_contain_text("4 questions are too few for a gate")
    page.get_by_role("button", name="Where they differ").click()
    expect(page.locator(".differ-said")).to_contain_text("of 4 questions scored")
    filters = page.locator(".differ-item", has_text="What does a filter cost?")
    expect(filters.locator("mark").first).to_have_text("A filter costs 12 euros.")
    assert fits(page)
    page.get_by_role("button", name="All comparisons").click()
    expect(report).to_be_visible()
