"""What a page of HTML does not show is left out, or kept and marked."""

import email.message

import pytest

from acclimate.documents.parsers import parse

SHEET = """
/* .shown { display: none } */
.off, div.never > p { display: none }
.off.open { display: block }
#late { visibility: hidden } p#late { visibility: visible }
.strong { display: none !important }
.pale { color: #fff } .band { background: #203040; color: white }
.x:hover { display: none }
@media print { .screen { display: none } }
@media screen { .noscreen { display: none } }
.broken[ { display: none }
"""
SHOWN = [
    '<p class="off open">in</p>',
    '<p id="late">in</p>',
    '<p class="x">in</p>',
    '<p class="screen">in</p>',
    '<p class="off" style="display: block">in</p>',
    '<p aria-hidden="true">in</p>',
    '<div class="band"><p class="pale">in</p></div>',
    '<table bgcolor="#203040"><tr><td class="pale">in</td></tr></table>',
    '<p style="color:#fff;background:url(dark.png)">in</p>',
    '<a href="#more">open</a><div id="more" style="display:none">in</div>',
    '<div role="tabpanel" hidden>in</div>',
    '<div class="accordion-body" style="display:none">in</div>',
    '<div hidden="until-found">in</div>',
    "<details><summary>More</summary><p>in</p></details>",
    '<p style="text-indent:-1em">in</p>',
    '<p style="opacity:0.5;font-size:0.8em;height:0">in</p>',
]
HIDDEN = [
    "<p hidden>in</p>",
    '<p style="display:none">in</p>',
    '<p style="DISPLAY : NONE !important">in</p>',
    '<p style="visibility:hidden">in</p>',
    '<p style="opacity:0">in</p>',
    '<p style="font-size:0px">in</p>',
    '<p style="max-height:0;overflow:hidden">in</p>',
    '<p style="position:absolute;left:-9999px">in</p>',
    '<p style="text-indent:-9999px">in</p>',
    '<p style="color:#FFFFFF">in</p>',
    '<p style="color:white;background-color:#fff">in</p>',
    '<p style="mso-hide:all">in</p>',
    '<p class="off">in</p>',
    '<div class="never"><p>in</p></div>',
    '<p class="strong" style="display:block">in</p>',
    '<p class="noscreen">in</p>',
    '<p class="pale">in</p>',
    '<p>and <span style="display:none">in</span> out</p>',
    '<table><tr><td>a</td><td style="display:none">in</td></tr></table>',
]


def page(tmp_path, body, head=""):
    file = tmp_path / "a.html"
    sheet = f"<style>{SHEET}</style>{head}"
    file.write_text(
        f"<!doctype html><html><head><title>T</title>{sheet}</head><body><p>first</p>{body}</body></html>"
    )
    return file


@pytest.mark.parametrize("body", SHOWN)
def test_what_is_shown_or_opened_by_a_click_is_read(tmp_path, body):
    document = parse(page(tmp_path, body), "a.html")
    assert "in" in document.text.split()
    assert document.hidden == {}


@pytest.mark.parametrize("body", HIDDEN)
def test_what_is_not_shown_is_left_out_or_marked(tmp_path, body):
    file = page(tmp_path, body)
    document = parse(file, "a.html")
    assert "in" not in document.text.replace("|", " ").split()
    assert document.hidden == {"element": 1}
    marked = parse(file, "a.html", hidden="mark")
    assert marked.text == document.text + "\n\nin"
    assert [one.metadata for one in marked.elements if one.metadata] == [{"hidden": "element"}]


def test_a_style_sheet_of_its_own_may_give_any_ground(tmp_path):
    linked = '<link rel="stylesheet" href="site.css">'
    assert "in" in parse(page(tmp_path, '<p class="pale">in</p>', linked), "a.html").text.split()
    said = '<div style="background:#fff"><p class="pale">in</p></div>'
    assert "in" not in parse(page(tmp_path, said, linked), "a.html").text.split()


def test_a_hidden_block_counts_once_and_an_empty_one_not(tmp_path):
    body = '<div style="display:none"><p hidden>one</p><p>two</p></div><div hidden><img src="x.png"></div>'
    assert parse(page(tmp_path, body), "a.html").hidden == {"element": 1}


def test_the_hidden_beginning_of_a_mail_is_left_out(tmp_path):
    message = email.message.EmailMessage()
    message["From"], message["To"], message["Subject"] = "a@example.org", "b@example.org", "Prices"
    body = '<div style="display:none">Preview text</div><p>The pump costs 900 euro.</p>'
    message.set_content(f"<html><body>{body}</body></html>", subtype="html")
    (tmp_path / "a.eml").write_bytes(message.as_bytes())
    document = parse(tmp_path / "a.eml", "a.eml")
    assert "900 euro" in document.text
    assert "Preview" not in document.text
    assert document.hidden == {"element": 1}
