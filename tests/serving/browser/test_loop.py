"""From a thumb to a question that the next comparison asks, and a comparison from start to gate."""

import json

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import expect

SERVED = {"engine": "openai", "base_url": "http://127.0.0.1:9/v1", "name": "scripted"}
ASKED = "When was the pump Fjell 9 tested?"


def rows_of(folder, name):
    return [json.loads(line) for line in (folder / name).read_text().splitlines()]


def fits(page):
    """Whether nothing is wider than the window."""
    return page.evaluate("document.documentElement.scrollWidth <= innerWidth")


def sound(page):
    """Nothing is wider than the window, and axe has nothing to say."""
    assert fits(page)
    found = Axe().run(page).response["violations"]
    assert [(one["id"], [node["html"][:160] for node in one["nodes"]]) for one in found] == []


def test_a_reviewer_chooses_what_a_question_is_for(site, visit, ask, tmp_path):
    page = visit(site(), "phone", reduced_motion="reduce")
    file = tmp_path / "questions.jsonl"
    about = [row for row in rows_of(tmp_path, file.name) if row["document"] != "pump.md"]
    file.write_text("".join(json.dumps(row) + "\n" for row in about))
    answer = ask(page, ASKED)
    answer.get_by_role("button", name="This is wrong").click()
    page.keyboard.type("2024")
    answer.get_by_role("button", name="Send").click()
    page.get_by_role("link", name="Questions").click()
    side = page.get_by_label("Split")
    expect(side).to_have_value("test")
    side.select_option("train")
    sound(page)
    page.locator(".question-card").get_by_role("button", name="Accept").click()
    expect(page.locator(".toast").last).to_contain_text("of the split “train” now.")
    assert rows_of(tmp_path, file.name)[-1]["split"] == "train"


@pytest.mark.parametrize("size", ["desktop", "phone"])
def test_a_thumb_becomes_a_question_that_the_next_comparison_asks(site, visit, ask, size, tmp_path):
    colours = {"phone": "dark", "desktop": "light"}[size]
    page = visit(site(model=SERVED), size, color_scheme=colours, reduced_motion="reduce")
    answer = ask(page, ASKED)
    answer.get_by_role("button", name="This is wrong").click()
    expect(page.get_by_label("What is right?")).to_be_focused()
    page.keyboard.type("2024")
    sound(page)
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
    sound(page)
    card.get_by_role("button", name="Accept").click()
    expect(page.locator(".room-head")).to_contain_text("1 of 4 questions reviewed")
    expect(page.locator(".toast").last).to_contain_text("the next comparison asks it")
    kept = rows_of(tmp_path, "questions.jsonl")[-1]
    assert (kept["question"], kept["answers"], kept["split"]) == (ASKED, ["2024"], "test")

    page.get_by_role("link", name="Comparisons").click()
    page.get_by_role("button", name="New comparison").click()
    sound(page)
    page.get_by_role("button", name="Start").click()
    report = page.locator(".report")
    expect(report).to_have_count(1)
    sound(page)
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
    sound(page)
    page.get_by_role("button", name="All comparisons").click()
    expect(report).to_be_visible()
