"""What documents, answers, names and reports may not do in the browser, and who may see what."""

import json

from playwright.sync_api import expect

from acclimate.serving.keys import keys_of
from acclimate.testing.serving import serve_project

EVIL = "<img src=x onerror='window.canary=1'><script>window.canary=1</script>"
EVIL_NAME = "<img src=x onerror=window.canary=1>.md"


def test_nothing_of_documents_answers_names_or_questions_is_run(
    make_project, visit, engine, tmp_path, monkeypatch, ask, keep_report
):
    said = f"{EVIL} ![x](http://elsewhere.invalid/x.png) [here](javascript:window.canary=1) [1]"
    monkeypatch.setattr(engine, "_script", lambda _: said)
    project = make_project()
    text = f"# {EVIL}\n\nThe pump {EVIL} [here](javascript:window.canary=1).\n\n| {EVIL} | b |\n|---|---|\n| 1 | 2 |\n"
    (tmp_path / "documents" / EVIL_NAME).write_text(text)
    row = {
        "id": EVIL,
        "question": EVIL,
        "answers": [EVIL],
        "evidence": EVIL,
        "document": EVIL_NAME,
        "kind": EVIL,
    }
    (tmp_path / "questions.jsonl").write_text(json.dumps(row) + "\n")
    keep_report(sentence=EVIL, name=EVIL)
    project.ingest()
    with serve_project(project) as address:
        page = visit(address)
        answer = ask(page, EVIL)
        expect(answer.locator(".answer-text")).to_contain_text("<script>window.canary=1</script>")
        answer.locator(".passages summary").click()
        for place in range(answer.locator(".passages li").count()):
            answer.get_by_role("button", name=f"Open passage {place + 1}", exact=True).click()
            page.locator(".text-page").wait_for()
        for room, selector in (
            ("documents", "li.document"),
            ("questions", ".question-card h2"),
            ("comparisons", ".report"),
        ):
            page.goto(f"{address}/#/{room}")
            page.locator(selector).first.wait_for()
            expect(page.locator("main")).to_contain_text("onerror")
        assert page.locator("main img, main script, #reader script").count() == 0
        assert page.evaluate("window.canary ?? null") is None
        assert (
            page.evaluate("window.violated ?? null") is None
        )  # it was never markup, so nothing had to be blocked


def test_the_policy_blocks_what_would_slip_through(site, visit):
    """The canary of the tests above does fall where something runs, and the policy is the second wall."""
    page = visit(site(), blocks=True)
    page.evaluate("""() => {
        const script = document.createElement('script');
        script.textContent = 'window.canary = 1';
        const image = document.createElement('img');
        image.src = 'http://elsewhere.invalid/x.png';
        image.setAttribute('onerror', 'window.canary = 1');
        document.body.append(script, image);
    }""")
    page.wait_for_function("window.violated?.length >= 3")
    assert page.evaluate("window.canary ?? null") is None


def test_reports_open_shut_in_a_frame_of_their_own(site, visit, tmp_path, keep_report):
    address = site()
    keep_report()
    page = visit(address, room="comparisons", blocks=True)
    card = page.locator(".report")
    expect(card).to_contain_text("rag is better.")
    card.click()
    frame = page.frame_locator("iframe")
    expect(frame.locator("#p")).to_have_text("drawn, shut in, mute")
    assert page.title() == "Comparisons · Acclimate"
    with page.context.expect_page() as opened:
        page.get_by_role("button", name="New tab").click()
    expect(opened.value.locator("h1")).to_have_text("Comparison")
    page.get_by_role("button", name="All comparisons").click()
    expect(card).to_be_focused()


def test_a_server_with_keys_asks_for_one_and_shows_what_it_may(site, visit, tmp_path):
    keys = keys_of(tmp_path)
    asking, managing = keys.add("reader", ("ask",), ()), keys.add("boss", ("ask", "manage"), ("*",))
    page = visit(site())
    field = page.get_by_label("API key")
    field.fill("acc_wrong")
    page.get_by_role("button", name="Continue").click()
    expect(page.get_by_role("alert")).to_contain_text("not valid")
    field.fill(asking)
    page.keyboard.press("Enter")
    expect(page.locator(".composer select").first).to_be_visible()
    expect(page.get_by_role("link", name="Questions")).to_be_hidden()
    page.get_by_role("link", name="Documents").click()
    expect(page.locator("li.document")).to_have_count(2)  # not the one with a label
    expect(page.get_by_role("button", name="Delete")).to_have_count(0)
    expect(page.locator(".drop")).to_have_count(0)
    assert page.evaluate("JSON.stringify(localStorage)").find("acc_") == -1
    page.get_by_role("button", name="Key: reader").click()
    page.get_by_role("button", name="Forget this key").click()
    page.get_by_label("API key").fill(managing)
    page.keyboard.press("Enter")
    expect(page.get_by_role("link", name="Questions")).to_be_visible()
    expect(page.locator("li.document")).to_have_count(3)
