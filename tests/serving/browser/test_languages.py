"""The page in the language of whoever looks at it, and text that runs from right to left."""

from playwright.sync_api import expect

RUNS = "(element) => getComputedStyle(element).direction"


def test_the_page_speaks_the_browsers_language_until_another_is_chosen(site, visit, ask):
    page = visit(site(), locale="de-AT")
    assert page.evaluate("[document.documentElement.lang, document.documentElement.dir]") == [
        "de",
        "ltr",
    ]
    expect(page.locator("nav [data-room=documents]")).to_have_text("Dokumente")
    expect(page.get_by_label("Sprache")).to_have_value("de")
    page.get_by_label("Frage", exact=True).fill("ما هو موعد الدفع؟")
    page.keyboard.press("Enter")
    turn = page.locator(".turn").last
    expect(turn.locator(".answer.writing")).to_have_count(0)
    assert turn.locator("h2").evaluate(RUNS) == "rtl"
    assert turn.locator(".answer-text").evaluate(RUNS) == "rtl"
    expect(turn.locator(".answer-text")).to_have_text("غير موجود في المستندات.")
    expect(turn.locator(".note")).to_contain_text("Die Antwort steht nicht in")
    page.get_by_label("Sprache").select_option("zh")
    expect(page.locator("nav [data-room=documents]")).to_have_text("文档")
    assert page.evaluate("document.documentElement.lang") == "zh"
    page.reload()
    expect(page.get_by_label("语言")).to_have_value("zh")
