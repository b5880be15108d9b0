"""Two projects of one server in the browser: every address below its own path, and a tab that keeps them apart."""

import shutil
from contextlib import ExitStack

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import expect

from acclimate.serving.keys import keys_of
from acclimate.serving.several import open_site
from acclimate.testing.serving import serve_project

from .conftest import read


@pytest.fixture
def projects(make_project, engine, monkeypatch, tmp_path, tmp_path_factory, open_project):
    """The address of a server of "handbook", which has keys, and "prices", which is open; and a key."""
    monkeypatch.setattr(engine, "_script", read)
    make_project().close()
    top = tmp_path_factory.mktemp("projects")
    folders = {name: top / name for name in ("handbook", "prices")}
    for folder in folders.values():
        shutil.copytree(tmp_path, folder)
    token = keys_of(folders["handbook"]).add("ann", ["ask", "manage"], ["*"])
    with ExitStack() as stack:
        told = {}
        site = open_site(
            folders, told.__setitem__, lambda name, folder, shelf: open_project(folder)
        )
        yield stack.enter_context(serve_project(site)), token
        assert told == {}


def test_a_tab_keeps_projects_apart_and_every_address_has_its_path(projects, visit, ask):
    address, token = projects
    page = visit(address, room="")
    expect(page.get_by_role("heading", name="Projects")).to_be_visible()
    expect(page.locator("main li")).to_have_text(["prices"])
    assert Axe().run(page).response["violations"] == []
    page.get_by_role("link", name="prices").click()
    expect(page.locator(".brand")).to_contain_text("prices")
    answer = ask(page, "What does a filter cost?")
    expect(answer.locator(".answer-text")).to_have_text("12 euros")
    answer.locator(".chip").click()
    expect(page.locator(".reader mark")).to_contain_text("12 euros")
    page.goto(f"{address}/p/prices/#/documents")
    expect(page.locator("li.document").first).to_be_visible()

    page.goto(f"{address}/p/handbook")
    page.get_by_label("API key").fill(token)
    page.get_by_role("button", name="Continue").click()
    expect(page.get_by_role("button", name="Key: ann")).to_be_visible()
    assert page.url.startswith(f"{address}/p/handbook/")
    expect(page.locator(".turn")).to_have_count(0)  # what was asked there is not shown here
    expect(page).to_have_title("Ask · handbook · Acclimate")
    held = page.evaluate("Object.entries(sessionStorage)")
    assert ["acclimate.key/p/handbook/", token] in held
    assert "acclimate.thread/p/prices/" in dict(held)

    sent = []
    page.on(
        "request", lambda request: sent.append((request.url, request.headers.get("authorization")))
    )
    page.goto(f"{address}/p/prices/#/ask")
    expect(page.locator(".turn")).to_have_count(1)
    assert [url for url, key in sent if key] == []
    assert all(url.startswith(f"{address}/p/prices/") for url, _ in sent)
