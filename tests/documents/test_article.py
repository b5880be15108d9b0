"""Of a web page only the article is read; nothing is lost where a page has no other content."""

import pytest

from acclimate.documents.parsers import parse

ARTICLE = "<h1>Opening hours</h1><p>The lighthouse is open from 9 to 16 from Tuesday to Sunday, and closed on Monday.</p>"
TEXT = "Opening hours\n\nThe lighthouse is open from 9 to 16 from Tuesday to Sunday, and closed on Monday."
MENU = "".join(
    f'<li><a href="/{name}">{name}</a></li>' for name in ("Home", "Visit", "Shop", "Jobs", "Press")
)
TEASER = '<a href="/v"><h3>Visitor centre</h3></a><p>The visitor centre opens at 11 on Sundays.</p>'
COOKIES = "<p>We use cookies to improve your visit at 11. Accept all cookies?</p>"


def read(tmp_path, body, head=""):
    file = tmp_path / "a.html"
    file.write_text(
        f"<!doctype html><html><head>{head}</head><body class='has-sidebar'>{body}</body></html>"
    )
    return parse(file, "a.html")


SURROUNDINGS = {
    "nav": f"<nav><ul>{MENU}</ul></nav>",
    "role": f'<div role="navigation"><ul>{MENU}</ul></div>',
    "german menu": f'<div id="hauptMenue" class="x"><ul>{MENU}</ul></div>',
    "french menu": f'<div class="menu-principal"><ul>{MENU}</ul></div>',
    "unnamed menu": f"<table><tr><td><ul>{MENU}</ul></td></tr></table>",
    "header": f'<header><a href="/">Lighthouse</a><ul>{MENU}</ul></header>',
    "footer": "<footer><p>The office opens at 11.</p></footer>",
    "german footer": '<div class="fusszeile">Opens at 11. <a href="/i">Impressum</a></div>',
    "french footer": '<div id="pied_de_page">Ouvre à 11 h. <a href="/m">Mentions légales</a></div>',
    "cookies": f'<div id="cookie-banner" role="dialog">{COOKIES}</div>',
    "cookies of no known name": f'<div class="site_CookieLayerXy">{COOKIES}</div>',
    "german consent": '<div class="dsgvo-hinweis">Wir verwenden Cookies ab 11 Uhr.</div>',
    "breadcrumbs": '<div class="site-breadcrumbs"><a href="/">Home</a> › 11</div>',
    "german breadcrumbs": '<div class="brotkrumen"><a href="/">Start</a> › 11</div>',
    "french breadcrumbs": '<p id="fil-d-ariane"><a href="/">Accueil</a> › 11</p>',
    "aside": f"<aside><h2>Related</h2>{TEASER}</aside>",
    "teasers": f'<div class="teaser-list">{TEASER}{TEASER}</div>',
    "german sidebar": f'<div class="Seitenleiste">{TEASER}</div>',
    "under a german heading": '<h3>Lesen Sie auch</h3><ul><li><a href="/v">Das Zentrum öffnet um 11</a></li></ul>',
    "under a french heading": '<h3>À lire aussi</h3><p><a href="/v">Le centre ouvre à 11 h</a></p>',
    "in a section of that heading": f"<section><h2>You may also like</h2>{TEASER}</section>",
    "share": '<div class="share-buttons"><a href="#">11 likes</a></div>',
    "newsletter": '<section class="newsletter-signup">News every day at 11.</section>',
    "comments": '<section id="comments"><h2>1 comment</h2><p>I heard it opens at 11!</p></section>',
    "german comments": '<div class="kommentar-liste kommentare"><p>Es öffnet um 11!</p></div>',
    "template": "<template><p>It opens at 11.</p></template>",
    "hidden": "<p hidden>It opens at 11.</p>",
    "search": '<form><input type="search">11 results</form>',
    "advertisement": '<div class="werbung">Ab 11 Euro!</div>',
}


@pytest.mark.parametrize("kind", SURROUNDINGS)
@pytest.mark.parametrize(
    "around",
    ["{0}{1}", "<main>{0}</main>{1}", "<div><div>{0}</div>{1}</div>", "{1}<article>{0}</article>"],
)
def test_what_surrounds_an_article_is_left_out(tmp_path, kind, around):
    document = read(tmp_path, around.format(ARTICLE, SURROUNDINGS[kind]))
    assert document.text == TEXT
    if kind not in ("template", "hidden"):
        assert int(document.metadata["left_out"]) > 3


@pytest.mark.parametrize(
    "kind",
    [
        kind
        for kind in SURROUNDINGS
        if kind not in ("footer", "header", "german menu", "unnamed menu")
    ],
)
def test_also_inside_a_marked_article(tmp_path, kind):
    if not kind.startswith("cookies of") and "consent" not in kind:
        assert (
            read(tmp_path, f"<main><article>{ARTICLE}{SURROUNDINGS[kind]}</article></main>").text
            == TEXT
        )


LINKS = "".join(f'<li><a href="/{n}.pdf">Manual {n}</a></li>' for n in range(12))
KEPT = {
    "a page that is all footer": (
        "<header><h1>Café Sol</h1></header><footer>Open 8 to 18.</footer>",
        "Open 8 to 18.",
    ),
    "a marked article without content": (
        "<main><h1>Café Sol</h1></main><footer>Open 8 to 18.</footer>",
        "Open 8 to 18.",
    ),
    "a page of links": (f"<h1>Downloads</h1><ul>{LINKS}</ul>", "- Manual 11"),
    "a page of links under a class": (
        f'<div class="links nav"><ul>{LINKS}</ul></div>',
        "- Manual 11",
    ),
    "definitions with links": (
        "<dl>"
        + "".join(f'<dt><a href="#{n}">Term {n}</a></dt><dd>Meaning {n}.</dd>' for n in range(9))
        + "</dl>",
        "Meaning 8.",
    ),
    "a table in an aside": (
        f"{ARTICLE}<aside><table><tr><td>Power</td><td>40 kW</td></tr></table></aside>",
        "| 40 kW |",
    ),
    "a warning in an aside": (
        f'<main>{ARTICLE}<aside class="note">Never run it dry.</aside></main>',
        "Never run it dry.",
    ),
    "the menu of a restaurant": (
        f'{ARTICLE}<div class="menu"><p>Soup 5 euro</p></div>',
        "Soup 5 euro",
    ),
    "a price in the foot of a card": (
        f'<main>{ARTICLE}<div class="card"><div class="card-footer">90 euro <a href="/b">Book</a></div></div></main>',
        "90 euro",
    ),
    "the price of a share": (f'{ARTICLE}<div class="share-price">12.50 EUR</div>', "12.50 EUR"),
    "a page about cookies": (
        '<h1>Cookies</h1><div class="cookie-policy">We keep cookies for 30 days.</div>',
        "30 days",
    ),
    "a recipe of cookies": (
        f'{ARTICLE}<div class="cookies-recipe">Bake for 12 minutes.</div>',
        "12 minutes",
    ),
    "a form that holds the page": (f"<form>{ARTICLE}<input type='text'></form>", "from 9 to 16"),
    "a heading that opens its section": (
        "<main><h3><button>How long?</button></h3><p>Nine days.</p></main>",
        "How long?",
    ),
    "a list of articles": (
        "".join(
            f"<article><a href='/{n}'>Post {n}</a><p>Summary {n}.</p></article>" for n in range(9)
        ),
        "Summary 8.",
    ),
    "an article beside a small one": (
        f"<article>Go to:</article><div>{ARTICLE * 3}</div>",
        "from 9 to 16",
    ),
    "a small main beside the text": (f"<main>Top</main><div>{ARTICLE * 9}</div>", "from 9 to 16"),
    "the author of a quotation": (
        f"<main>{ARTICLE}<blockquote>Go! <footer>Ada</footer></blockquote></main>",
        "Ada",
    ),
    "a table in a table for the layout": (
        f"<table><tr><td>{ARTICLE}<table><tr><td>Fee</td><td>30</td></tr></table></td></tr></table>",
        "| Fee | 30 |",
    ),
}


@pytest.mark.parametrize("kind", KEPT)
def test_content_is_never_taken_for_surroundings(tmp_path, kind):
    body, wanted = KEPT[kind]
    assert wanted in read(tmp_path, body).text


def test_books_keep_their_notes(tmp_path):
    from acclimate.documents.builder import TextBuilder
    from acclimate.documents.html import add_html

    builder = TextBuilder()
    add_html(
        "<nav>1 2 3</nav><p>Text.</p><aside><p>Note 1: see below.</p></aside><footer>Printed in 1998</footer>",
        builder,
    )
    assert builder.build("a", "").text == "Text.\n\nNote 1: see below.\n\nPrinted in 1998"
