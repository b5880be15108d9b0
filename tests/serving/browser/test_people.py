"""Logging in and out, and what people keep and share, in the page."""

import json

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import expect

from acclimate.testing.login import CLIENT, SECRET, serve_provider

HEADER = {
    "engine": "header",
    "trusted_proxies": ["127.0.0.1"],
    "scopes": ["staff = ask"],
    "labels": ["hr = hr"],
}
TOO_WIDE = """() => [...document.querySelectorAll('body, main, main *, dialog, dialog *')]
    .filter((one) => one.getClientRects().length && one.getBoundingClientRect().right > innerWidth + 1)
    .map((one) => one.outerHTML.slice(0, 120))"""


def check(page, place):
    """Nothing for axe to find, and nothing wider than the page."""
    # colours that are still changing to those of the other scheme are no colours to judge
    page.evaluate(
        "Promise.allSettled(document.getAnimations().map((one) => one.finished)).then(() => null)"
    )
    found = Axe().run(page).response["violations"]
    assert [(one["id"], [node["html"][:160] for node in one["nodes"]]) for one in found] == [], (
        place
    )
    assert page.evaluate(TOO_WIDE) == [], place


@pytest.fixture
def provider():
    with serve_provider() as provider:
        provider.who = {"sub": "ann", "preferred_username": "Ann", "groups": ["staff"]}
        yield provider


@pytest.fixture
def own_login(provider, free_port, monkeypatch):
    """Settings of a server at which people log in."""
    monkeypatch.setenv("OIDC_CLIENT_SECRET", SECRET)
    port = free_port()
    login = {
        "engine": "oidc",
        "issuer": provider.issuer,
        "client_id": CLIENT,
        "address": f"http://127.0.0.1:{port}",
        "scopes": ["staff = ask"],
    }
    return {"serve": {"port": port}, "login": login}


def test_people_log_in_and_out_and_a_key_does_as_well(
    site, visit, provider, own_login, ask, add_key
):
    token = add_key("app")["Authorization"].removeprefix("Bearer ")
    address = site(**own_login)
    options = {"others": (provider.issuer,), "reduced_motion": "reduce"}
    provider.who = {"sub": "eve", "groups": ["guests"]}
    page = visit(address, **options)
    dialog = page.get_by_role("dialog", name="Log in")
    check(page, "login")
    expect(dialog.get_by_role("button", name="Log in")).to_be_focused()
    dialog.get_by_role("button", name="Log in").click()
    expect(dialog.get_by_role("alert")).to_contain_text("none of your groups")
    provider.who = {"sub": "ann", "preferred_username": "Ann", "groups": ["staff"]}
    page.goto(f"{address}/#/documents")
    page.reload()
    dialog.get_by_role("button", name="Log in").click()
    expect(page.locator("li.document")).to_have_count(2)
    assert page.url == f"{address}/#/documents"
    assert page.evaluate("document.cookie") == ""
    page.goto(f"{address}/#/ask")
    answer = ask(page, "What does a filter cost?")
    expect(answer.locator(".answer-text")).to_have_text("12 euros")
    page.get_by_role("button", name="Logged in: Ann").click()
    page.get_by_role("dialog").get_by_role("button", name="Log out").click()
    expect(dialog).to_be_visible()
    expect(page.locator(".turn")).to_have_count(0)
    dialog.get_by_role("button", name="Use an API key").click()
    page.get_by_label("API key").fill(token)
    page.get_by_role("button", name="Continue").click()
    expect(page.get_by_role("button", name="Key: app")).to_be_visible()


@pytest.fixture
def team(site, visit):
    """Gives pages of people who came by a proxy."""
    address = site(serve={"conversations": "kept"}, login=HEADER)

    def start(name, groups="staff", size="desktop", room="ask", **options):
        headers = {"X-Forwarded-User": name, "X-Forwarded-Groups": groups}
        return visit(address, size, room, extra_http_headers=headers, **options)

    start.address = address
    return start


def test_conversations_are_kept_shared_and_deleted(team, ask):
    look = {"reduced_motion": "reduce"}
    ann = team("ann", **look)
    ask(ann, "What does a filter cost?")
    ask(ann, "What does the valve hold?")
    place = ann.url
    assert "/#/ask/" in place
    ann.reload()
    expect(ann.locator(".turn h2")).to_have_text(
        ["What does a filter cost?", "What does the valve hold?"]
    )
    expect(ann.locator(".answer-text").first).to_have_text("12 euros")
    assert ann.evaluate("JSON.stringify(sessionStorage)") == "{}"
    ann.get_by_role("button", name="New").click()
    ask(ann, "And what is it?")

    ann.goto(f"{team.address}/#/history")
    rows = ann.locator("li.conversation")
    expect(rows).to_have_count(2)
    check(ann, "history")
    ann.set_viewport_size({"width": 360, "height": 740})
    ann.emulate_media(color_scheme="dark", reduced_motion="reduce")
    check(ann, "history on a phone")
    ann.get_by_role("button", name="Rename What does a filter cost?").click()
    ann.get_by_label("Title").fill("Prices of filters")
    ann.keyboard.press("Enter")
    expect(ann.get_by_role("link", name="Prices of filters")).to_be_focused()

    ann.get_by_role("button", name="Share Prices of filters").click()
    check(ann, "share")
    link = ann.get_by_label("Link").input_value()
    ann.keyboard.press("Escape")
    expect(rows.filter(has_text="Prices of filters").locator(".tag")).to_have_text("Shared")
    bob = team("bob", room=link.partition("#/")[2], **look)
    expect(bob.get_by_role("heading", name="Prices of filters")).to_be_visible()
    expect(bob.locator(".answer-text").first).to_have_text("12 euros")
    expect(bob.locator(".thumb")).to_have_count(0)
    check(bob, "shared")
    ann.get_by_role("button", name="Share Prices of filters").click()
    ann.get_by_role("button", name="Stop sharing").click()
    expect(rows.locator(".tag")).to_have_count(0)
    bob.reload()
    expect(bob.get_by_role("alert")).to_contain_text("opens nothing")

    ann.get_by_role("button", name="Export Prices of filters").click()
    with ann.expect_download() as saved:
        ann.get_by_role("button", name="JSON").click()
    assert saved.value.suggested_filename == "Prices-of-filters.json"
    assert len(json.loads(saved.value.path().read_text())["turns"]) == 2

    ann.get_by_role("link", name="Prices of filters").click()
    expect(ann.locator(".turn")).to_have_count(2)
    assert ann.url == place
    ann.goto(f"{team.address}/#/history")
    ann.get_by_role("button", name="Delete Prices of filters").click()
    ann.get_by_role("dialog").get_by_role("button", name="Delete").click()
    expect(rows).to_have_count(1)
    ann.goto(f"{team.address}/#/ask")
    expect(ann.locator(".turn")).to_have_count(0)  # what is deleted is not shown either
    ann.goto(f"{team.address}/#/history")
    ann.get_by_role("button", name="Delete all").click()
    ann.get_by_role("dialog").get_by_role("button", name="Delete").click()
    expect(rows).to_have_count(0)


def test_without_the_label_the_page_says_that_something_is_missing(team, ask):
    ann = team("ann", "staff,hr")
    ask(ann, "What does a filter cost?")
    place = ann.url.partition("#/")[2]
    later = team("ann", "staff", room=place)
    expect(later.locator(".turn")).to_contain_text("Not shown")
    expect(later.locator(".answer")).to_have_count(0)


def test_where_nothing_is_kept_a_tab_keeps_nothing(site, visit, ask):
    page = visit(site(serve={"conversations": "off"}))
    ask(page, "What does a filter cost?")
    page.reload()
    expect(page.locator(".composer select").first).to_be_visible()
    expect(page.locator(".turn")).to_have_count(0)
    expect(page.get_by_role("link", name="History")).to_have_count(0)
