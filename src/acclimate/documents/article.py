"""Which part of a web page is its article: menus, banners, teasers of other pages, comments and
footers are not.

A block goes by its tag, its role, the words of its class and id, the heading above its links, and
how much of its text is links; it never goes where it holds the article, or where nothing would be
left without it. Link density and the protection of what holds most of the text follow Kohlschütter,
Fankhauser and Nejdl, "Boilerplate Detection using Shallow Text Features", 2010.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from selectolax.lexbor import LexborHTMLParser, LexborNode

from acclimate.documents.builder import one_line

# Characters outside links and headings: with fewer, the rest is no article, and its surroundings
# are looked at.
_LEAST = 40
_LEAST_MARKED = 20  # the same where the page itself marks its article
_LITTLE = 60  # characters outside links, of a page that has hardly more than a menu
_MOST_SHARE = 0.5  # of the page's text outside links: what holds more is no surrounding
_LINKS = 0.5  # the share of link text from which a block is a list of links
_MENU = 0.8
_SHORT_LINK = 20  # characters of a menu's entry, on average
_TEASER = 300  # characters for each link, up to which a block points to other pages
_SMALL_MAIN = 0.2  # of the page's text outside links; a marked article with less is not the article
_BLOCKS = frozenset(
    "div section aside nav ul ol dl table td header footer form p details dialog figure "
    "center".split()
)
_BLOCKS |= frozenset("article blockquote fieldset menu".split())
_HEADINGS = frozenset("h1 h2 h3 h4 h5 h6".split())
_NEVER = frozenset("html body main h1 h2 h3 h4 h5 h6 pre code li tr tbody thead tfoot".split())

# Words of class and id, of English, German and French pages, with "-" for whatever parts them. What
# the first name is no part of an article, what the second name is none where it is short or points
# elsewhere, what the third name is none where it points elsewhere, and the last where it is mostly
# links.
_SURE = (
    r"breadcrumbs?|brotkrumen?|brotkruemel|fil-d?-?ariane|skip-?(?:links?|nav|to-content)|sprungmarken?|"
    r"(?:share|sharing|social)-?(?:buttons?|icons?|tools?|media|sharing|share)|addthis|sharethis|shariff|"
    r"advert(?:s|isements?|ising)?|adsense|adslot|ad-?banner|werbung|publicite|publicité|sponsored|"
    r"comments|comment-?(?:form|thread)|kommentare|commentaires|disqus(?:-thread)?|"
    r"cookie-?(?:banner|consent|notice|hinweis|popup|modal|dialog|overlay|layer|wall|law)|cookiebot|onetrust|borlabs-cookie|"
    r"tarteaucitron(?:-?root)?|didomi|usercentrics|(?:gdpr|dsgvo|rgpd)-?(?:consent|banner|notice|hinweis|popup|overlay)|"
    r"outbrain|taboola|paginations?|pager|paginierung|post-navigation|prev-next"
)
_SHORT = (
    r"share|sharing|social|teilen|partager|ads?|anzeigen?|newsletter|newsletter-?(?:signup|anmeldung)|infolettre|"
    r"pop-?up"
)
_FOOT = (
    r"(?:page|site|global|main|article|entry|post)-?(?:footer|foot|header)|footer|fusszeile|fußzeile|pied(?:-de)?-page|"
    r"bas-de-page"
)
_POINTING = (
    r"side-?bar|seitenleiste|randspalte|marginalspalte|barre-?laterale|colonne-(?:droite|gauche)|"
    r"related|related-?(?:posts?|articles?|stories|news|pages|topics)|verwandte?|verwandte-(?:artikel|themen|beitraege|beiträge)|"
    r"(?:aehnliche|ähnliche)(?:-(?:artikel|beitraege|beiträge|themen))?|weitere-(?:artikel|themen|beitraege|beiträge|meldungen)|"
    r"recommend(?:ed|ations?)|empfehlungen|empfohlen|teasers?|promos?|promotions?|(?:a-)?lire-aussi|"
    r"articles?-(?:lies|similaires|connexes)|similaires|mehr-zum-thema|read-?more|more-(?:stories|articles|news)|"
    r"popular(?:-posts)?|trending|most-read|meistgelesen|latest(?:-(?:news|posts|articles))?|recent-posts|"
    r"sidebar-widget|tag-?cloud|you-may-(?:also-)?like|language-?switch(?:er)?|sprachwahl"
)
_LINKING = (
    r"nav|navi|navigation|navbar|(?:main|top|sub|site|side|haupt|meta|foot)-?(?:nav|navi|navigation|menu|menue|menü)|"
    r"menu|menue|menü|menu-principal|toolbar|tags|widget|toc"
)
_FRAME = r"(?:-?(?:box|list|liste|block|section|container|wrapper|area|module|grid|content|links|bereich|leiste|bar|inner))?"
_BANNER = re.compile(r"cookies?|consent|gdpr|dsgvo|rgpd|privacy|datenschutz|cmp")
_BANNER_SAYS = re.compile(
    r"\bcookies?\b|\btracking\b|\btracker\b|\beinwilligung|\bconsent", re.IGNORECASE
)
_MOST_BANNER = 2000  # characters
_SHORT_TEXT = 200  # characters
_CAMEL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")


def _words(one: str) -> re.Pattern[str]:
    return re.compile(rf"(?:{one}){_FRAME}")


_SURE_WORD, _SHORT_WORD, _FOOT_WORD = map(_words, (_SURE, _SHORT, _FOOT))
_POINTING_WORD, _LINKING_WORD = map(_words, (_POINTING, _LINKING))
_ROLES_SURE = frozenset(
    ("navigation", "search", "dialog", "alertdialog", "menu", "menubar", "toolbar", "tablist")
)
_ROLES_LIKELY = frozenset(("banner", "contentinfo", "complementary"))
_TEASER_HEADING = re.compile(
    r"(?:related(?: (?:posts?|articles?|content|links|stories|news|topics|pages))?|"
    r"you (?:may|might) (?:also )?(?:like|enjoy)|"
    r"(?:more|other|latest|recent|popular|trending) (?:stories|articles|news|posts)|most "
    r"read|read (?:more|next|also)|"
    r"recommended(?: for you)?|more from .{1,40}|what to read next|"
    r"verwandte (?:artikel|themen|beiträge|inhalte)|ähnliche (?:artikel|beiträge|themen)|"
    r"weitere (?:artikel|meldungen|beiträge|nachrichten)|mehr zum thema|"
    r"das könnte (?:sie|dich) (?:auch )?interessieren|meistgelesen|lesen sie auch|auch interessant|"
    r"(?:à )?lire aussi|à lire également|articles? (?:liés|similaires|connexes|recommandés)|"
    r"sur le même (?:sujet|thème)|"
    r"vous aimerez aussi|dans la même rubrique|les plus lus)\W*",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Article:
    """Where the article stands, and how many characters of the page, white space left out, are not
    in it."""

    roots: tuple[LexborNode, ...]
    left_out: int


@dataclass(slots=True)
class _Size:
    """Characters of a node's text, white space left out: all, those in links, those in headings;
    and its links."""

    text: int = 0
    linked: int = 0
    headed: int = 0
    links: int = 0

    def add(self, other: _Size, sign: int = 1) -> None:
        self.text += sign * other.text
        self.linked += sign * other.linked
        self.headed += sign * other.headed
        self.links += sign * other.links

    @property
    def plain(self) -> int:
        return self.text - self.linked

    @property
    def density(self) -> float:
        return self.linked / self.text if self.text else 0.0


class _Page:
    """A page whose nodes know their size."""

    def __init__(self, body: LexborNode) -> None:
        self.body = body
        self.nodes = list(body.traverse(include_text=True))
        self.sizes = {node.mem_id: _Size() for node in self.nodes}
        within: dict[int, str] = {}  # "a" or "h", for what is in a link, else in a heading
        for node in self.nodes:
            size = self.sizes[node.mem_id]
            place = within.get(node.parent.mem_id, "") if node.parent is not None else ""
            if node.tag == "a" and "href" in node.attributes and place != "a":
                place, size.links = "a", 1
            elif node.tag in _HEADINGS and not place:
                place = "h"
            within[node.mem_id] = place
            if node.tag == "-text":
                size.text = len("".join((node.text_content or "").split()))
                size.linked, size.headed = size.text * (place == "a"), size.text * (place == "h")
        for node in reversed(self.nodes):
            parent = node.parent
            if node is not body and parent is not None and parent.mem_id in self.sizes:
                self.sizes[parent.mem_id].add(self.sizes[node.mem_id])

    def size(self, node: LexborNode) -> _Size:
        return self.sizes.get(node.mem_id) or _Size()


def find_article(parsed: LexborHTMLParser) -> Article:
    """The article of a page, from which what surrounds it is removed. Scripts and hidden nodes must
    be gone before."""
    body = parsed.body
    if body is None:
        return Article((), 0)
    page = _Page(body)
    whole = page.size(body)
    keep = _protected(page, whole)
    marked = [node for node in page.nodes if _surrounds(node, page, keep)]
    marked += [node for node in _announced(page) if node.mem_id not in keep]
    gone = _outermost(marked, page)
    roots = _roots(page, gone)
    left = _rest(roots, gone, page)
    if left.plain - left.headed < (_LEAST if roots == [body] else _LEAST_MARKED):
        gone = _give_back(gone, left, page)
        roots = [body]
        left = _rest(roots, gone, page)
    for node in gone:
        node.decompose()
    return Article(tuple(roots), whole.text - left.text)


def _protected(page: _Page, whole: _Size) -> set[int]:
    """Nodes that stay: those that hold the marked article, the page's only top heading, or most of
    its text."""
    kept: set[int] = set()
    headings = [node for node in page.nodes if node.tag == "h1"]
    anchors = [node for node in page.nodes if _is_main(node)] or [
        node for node in page.nodes if node.tag == "article"
    ]
    for node in [*headings[: len(headings) == 1], *(anchors if len(anchors) == 1 else [])]:
        above: LexborNode | None = node
        while above is not None and above.mem_id not in kept:
            kept.add(above.mem_id)
            above = above.parent
    for node in page.nodes:
        if page.size(node).plain > _MOST_SHARE * whole.plain:
            kept.add(node.mem_id)
    return kept


def _is_main(node: LexborNode) -> bool:
    return node.tag == "main" or node.attributes.get("role") == "main"


def _roots(page: _Page, gone: Sequence[LexborNode]) -> list[LexborNode]:
    """The marked article where there is one and it holds the page's text, else the body."""
    main = _outermost([node for node in page.nodes if _is_main(node)], page)
    articles = _outermost([node for node in page.nodes if node.tag == "article"], page)
    everything = _rest([page.body], gone, page)
    for found in (main, articles if len(articles) == 1 else []):
        left = _rest(found, gone, page)
        if found and left.text and left.plain >= min(_SMALL_MAIN * everything.plain, 5 * _LITTLE):
            return found
    return [page.body]


def _rest(roots: Sequence[LexborNode], gone: Sequence[LexborNode], page: _Page) -> _Size:
    """What is in `roots` without `gone`."""
    places = {node.mem_id for node in roots}
    left = _Size()
    for node in roots:
        left.add(page.size(node))
    for node in gone:
        above: LexborNode | None = node
        while above is not None and above.mem_id not in places:
            above = above.parent
        if above is not None:
            left.add(page.size(node), -1)
    return left


def _give_back(gone: Sequence[LexborNode], left: _Size, page: _Page) -> list[LexborNode]:
    """What still goes where nothing else is left: banners, and lists of links beside other text."""
    sure: list[LexborNode] = []
    back: list[LexborNode] = []
    for node in gone:
        if _by_name(node, _Size(), points=False):
            sure.append(node)
        elif page.size(node).density < _LINKS:
            back.append(node)
    if left.text < _LEAST and not any(page.size(node).plain for node in back):
        return sure
    given = {node.mem_id for node in back}
    return [node for node in gone if node.mem_id not in given]


def _outermost(nodes: Sequence[LexborNode], page: _Page) -> list[LexborNode]:
    """The nodes, in the order of the page, that are in no other of them."""
    inside: set[int] = set()
    wanted = {node.mem_id for node in nodes}
    found = []
    for node in page.nodes if wanted else []:
        parent = node.parent
        if parent is not None and parent.mem_id in inside:
            inside.add(node.mem_id)
        elif node.mem_id in wanted:
            inside.add(node.mem_id)
            found.append(node)
    return found


def _surrounds(node: LexborNode, page: _Page, keep: set[int]) -> bool:
    """Whether a block is no part of an article."""
    tag = node.tag or ""
    if node.mem_id in keep or tag in _NEVER or tag.startswith(("-", "_", "!")):
        return False
    size = page.size(node)
    role = (node.attributes.get("role") or "").casefold()
    if tag in ("nav", "dialog") or role in _ROLES_SURE or _is_form(node, size):
        return True
    if not size.text or (tag not in _BLOCKS and "-" not in tag):
        return False
    points = bool(size.links) and size.text / size.links < _TEASER
    if _by_name(node, size, points) or (
        points and _announces(node.css_first("h2, h3, h4, h5, h6, strong"))
    ):
        return True
    if tag in ("aside", "footer") or role in _ROLES_LIKELY:
        return points or (tag != "aside" and not _inside_article(node))
    if tag == "header":
        return size.plain < _LITTLE and not _inside_article(node)
    menu = size.links >= 4 and size.density >= _MENU and size.linked / size.links < _SHORT_LINK
    return (
        menu and page.size(page.body).plain > max(size.text, _LITTLE) and not _inside_article(node)
    )


def _is_form(node: LexborNode, size: _Size) -> bool:
    if node.tag != "form":
        return False
    return (
        size.text < _LITTLE
        or node.css_first("input[type=password], input[type=search]") is not None
    )


def _by_name(node: LexborNode, size: _Size, points: bool) -> bool:
    names = _names(node)
    tails = {name.partition("-")[2] for name in names} - {""}

    def named(words: re.Pattern[str], among: set[str]) -> bool:
        return any(words.fullmatch(name) for name in among)

    if named(_SURE_WORD, names | tails) or (
        named(_SHORT_WORD, names) and (points or size.text < _SHORT_TEXT)
    ):
        return True
    if points and (named(_FOOT_WORD, names) or named(_POINTING_WORD, names | tails)):
        return True
    if size.density >= _LINKS and named(_LINKING_WORD, names | tails):
        return True
    banner = size.text < _MOST_BANNER and any(
        _BANNER.fullmatch(part) for name in names for part in name.split("-")
    )
    return (
        banner
        and not _inside_article(node)
        and _BANNER_SAYS.search(node.text(separator=" ")) is not None
    )


def _names(node: LexborNode) -> set[str]:
    """Classes and the id as words with "-" between them."""
    names = f"{node.attributes.get('class') or ''} {node.attributes.get('id') or ''}".split()
    return {re.sub("[-_]+", "-", _CAMEL.sub("-", name)).casefold().strip("-") for name in names}


def _announces(heading: LexborNode | None) -> bool:
    """Whether a heading says that links to other pages follow."""
    return heading is not None and _TEASER_HEADING.fullmatch(one_line(heading.text())) is not None


def _announced(page: _Page) -> list[LexborNode]:
    """Headings that announce other pages with the blocks under them that are links."""
    found = []
    for heading in page.nodes:
        if heading.tag not in _HEADINGS or not _announces(heading):
            continue
        under = []
        node = heading.next
        while node is not None and node.tag not in _HEADINGS:
            size = page.size(node)
            if size.text and not (size.links and size.text / size.links < _TEASER):
                break
            under.append(node)
            node = node.next
        if any(page.size(node).links for node in under):
            found += [heading, *under]
    return found


def _inside_article(node: LexborNode) -> bool:
    above = node.parent
    while above is not None:
        if above.tag == "article" or _is_main(above):
            return True
        above = above.parent
    return False
