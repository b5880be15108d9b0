"""For everyone: by keyboard alone, in every width, in both colours, by axe's rules."""

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import expect


def test_the_keyboard_alone_is_enough(site, visit):
    page = visit(site())
    expect(page.get_by_label("Question", exact=True)).to_be_focused()
    page.keyboard.type("What does a filter cost?")
    page.keyboard.press("Enter")
    expect(page.locator(".chip")).to_have_count(1)
    expect(page.locator("#said")).to_contain_text("12 euros")
    page.keyboard.press("Shift+Tab")
    for _ in range(8):
        if "chip" in page.evaluate("document.activeElement.className"):
            break
        page.keyboard.press("Shift+Tab")
    page.keyboard.press("Enter")
    expect(page.locator(".reader mark")).to_have_text("A filter costs 12 euros.")
    page.keyboard.press("Escape")
    page.keyboard.press("Control+k")
    expect(page.get_by_role("combobox", name="Go to, open or change")).to_be_focused()
    page.keyboard.press("Enter")  # the first command
    expect(page.get_by_label("Question", exact=True)).to_be_focused()
    page.keyboard.press("ArrowUp")
    expect(page.get_by_label("Question", exact=True)).to_have_value("What does a filter cost?")
    page.get_by_role("button", name="Keyboard").focus()
    page.keyboard.press("Enter")
    expect(page.get_by_role("dialog")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_have_count(0)
    expect(page.get_by_role("button", name="Keyboard")).to_be_focused()
    page.get_by_role("link", name="Skip to the content").focus()
    page.keyboard.press("Enter")
    expect(page.locator("main")).to_be_focused()


def test_colours_follow_the_system_or_the_choice(site, visit):
    page = visit(site(), color_scheme="dark")
    paper = "getComputedStyle(document.body).backgroundColor"
    dark = page.evaluate(paper)
    page.get_by_role("button", name="Colours: System").click()
    light = page.evaluate(paper)
    assert sum(map(int, light[4:-1].split(","))) > 600 > 150 > sum(map(int, dark[4:-1].split(",")))
    page.reload()
    assert page.evaluate(paper) == light
    page.get_by_role("button", name="Colours: Light").click()
    page.emulate_media(color_scheme="light")
    assert page.evaluate(paper) == dark


@pytest.fixture
def tour(ask, keep_report):
    """Goes through everything that there is to see: the name of each place, when it is shown."""

    def go(page, address):
        keep_report()
        ask(page, "What does a filter cost?")
        yield "ask"
        page.locator(".chip").first.click()
        page.locator(".reader mark").wait_for()
        page.get_by_role("button", name="Outline").click()
        page.locator(".outline li button").first.wait_for()
        page.get_by_role("button", name="Find in the document").click()
        page.keyboard.type("a")
        page.locator("mark.current").wait_for()
        yield "reader"
        page.keyboard.press("Escape")
        page.keyboard.press("Escape")
        page.keyboard.press("Control+k")
        page.keyboard.type("pump")
        page.get_by_role("option", name="pump.md").wait_for()
        yield "palette"
        page.keyboard.press("Escape")
        for room, selector in {
            "documents": "li.document",
            "comparisons": ".report",
            "questions": "h2",
        }.items():
            page.goto(f"{address}/#/{room}")
            page.locator(f"main {selector}").first.wait_for()
            yield room
        page.locator(".question-card").get_by_role("button", name="Edit").click()
        yield "edit"
        page.goto(f"{address}/#/documents")
        page.get_by_role("button", name="Delete pump.md").click()
        yield "dialog"

    return go


# Elements that reach beyond the window, other than those that scroll in themselves.
TOO_WIDE = """() => [...document.querySelectorAll('body, main, main *, .reader, .reader *, dialog, dialog *')]
    .filter((one) => one.getClientRects().length && one.getBoundingClientRect().right > innerWidth + 1)
    .filter((one) => !one.closest('.segments, .table, .pages, .hidden'))
    .map((one) => one.outerHTML.slice(0, 120))"""


@pytest.mark.parametrize("width", [360, 768, 1280])
def test_nothing_is_wider_than_the_page(site, visit, tour, width):
    address = site()
    page = visit(address, {"width": width, "height": 740}, reduced_motion="reduce")
    for place in tour(page, address):
        assert page.evaluate(TOO_WIDE) == [], place


@pytest.mark.parametrize(("size", "scheme"), [("desktop", "light"), ("phone", "dark")])
def test_axe_finds_nothing(site, visit, tour, scheme, size):
    address = site()
    page = visit(address, size, color_scheme=scheme, reduced_motion="reduce")
    page.get_by_role("button", name="Side by side").click()
    for place in tour(page, address):
        found = Axe().run(page).response["violations"]
        assert [
            (one["id"], [node["html"][:160] for node in one["nodes"]]) for one in found
        ] == [], place
