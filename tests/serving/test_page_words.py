"""The page's own words: every one in every language, and none left in the code that is not among them."""

import json
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest

import acclimate.serving

WEB = Path(acclimate.serving.__file__).parent / "web"
LANGUAGES = ("de", "es", "fr", "zh")
TEXT = r'"((?:[^"\\]|\\.)*)"'
ONE = re.compile(rf"(?<![\w.])t\({TEXT}")
SEVERAL = re.compile(rf'(?<![\w.])tn\([^"`]*{TEXT}, {TEXT}')
COUNTED = re.compile(r'(?<![\w.])count\((?:[^"()]|\([^()]*\))*"(\w+)"\)')
# Names of keys, headers, methods, and what the server itself says in English.
NO_WORDS = frozenset(
    "GET POST PUT DELETE AbortError Enter Escape ArrowLeft ArrowRight ArrowUp Authorization Content-Type "
    "Retry-After Files Markdown JSON B MB GB A R E O Esc Tab".split()
) | {"J K", "Ctrl K", "Ctrl F", "Shift Enter", "It ", "Bearer "}  # fmt: skip
LITERAL = re.compile(
    rf"//[^\n]*|/\*.*?\*/|(?<![\w.])t\({TEXT}|(?<![\w.])tn\([^\"`]*{TEXT}, {TEXT}|class: [^,\"]*{TEXT}"
    rf"|rootMargin: {TEXT}|rel: {TEXT}|(?P<text>{TEXT})",
    re.DOTALL,
)
FILES = sorted(file for file in (WEB / "js").glob("*.js"))


def table(language):
    """The English words of a language's table, with what stands for them."""
    lines = (WEB / "js" / "words" / f"{language}.js").read_text(encoding="utf-8").splitlines()
    body = "\n".join(lines[lines.index("export default {") + 1 : lines.index("};")])
    return json.loads(f"{{{body.rstrip().rstrip(',')}}}")


def said():
    """Every text that the page asks for; the forms of those that count."""
    found = {}
    for file in FILES:
        code = file.read_text(encoding="utf-8")
        found |= {json.loads(f'"{match[1]}"'): None for match in ONE.finditer(code)}
        found |= {match[2]: (match[1], match[2]) for match in SEVERAL.finditer(code)}
        for match in COUNTED.finditer(code):
            found[f"{{n}} {match[1]}s"] = (f"{{n}} {match[1]}", f"{{n}} {match[1]}s")
    for text in re.findall(r'data-t(?:-label)?="([^"]*)"', page()):
        found.setdefault(text, None)
    return found


def page():
    return (WEB / "index.html").read_text(encoding="utf-8")


def marks(text):
    return sorted(set(re.findall(r"\{\w+\}", text)))


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_text_is_in_every_language(language):
    words, wanted = table(language), said()
    assert len(wanted) > 200
    assert sorted(wanted.keys() - words.keys()) == []
    assert sorted(words.keys() - wanted.keys()) == [], "of nobody any more"


@pytest.mark.parametrize("language", LANGUAGES)
def test_translations_keep_what_is_filled_in(language):
    for text, forms in table(language).items():
        for form in [forms] if isinstance(forms, str) else forms:
            assert form.strip(), text
            assert marks(form) == marks(text), text
        assert isinstance(forms, str) or len(forms) == 2, text


def test_no_text_is_left_in_the_code():
    left = []
    for file in FILES:
        if file.name == "words.js":  # the names of the languages, each in itself
            continue
        for match in LITERAL.finditer(file.read_text(encoding="utf-8")):
            text = (match["text"] or "").strip('"')
            spoken = re.match(r"[A-Z]", text) or re.search(r"[a-z] [a-z]", text)
            if spoken and text not in NO_WORDS and not is_code(text):
                left.append((file.name, text))
    assert left == []


def is_code(text):
    """Selectors, and the one command that is shown."""
    return text.startswith(("acclimate ", "main > ", "input, ", ".")) or "[data-" in text


def test_no_text_is_left_in_templates():
    """`${name} was deleted.` is a text too: words between what is filled in, other than paths and classes."""
    left = []
    for file in FILES:
        code = re.sub(r"//[^\n]*|/\*.*?\*/", "", file.read_text(encoding="utf-8"), flags=re.DOTALL)
        for match in re.finditer(r"`([^`\n]*)`", code):
            text = re.sub(r"\$\{[^{}]*(?:\{[^{}]*\}[^{}]*)*\}", "§", match[1])
            words = re.search(
                r"(?:^|§ )[A-Z][a-z]+|[a-z]{2,} [a-z]{2,}|§ [a-z]{2,} |[a-z]\.$", text
            )
            if words and not text.startswith(("v1/", "Bearer", "at ", "{n} ")):
                left.append((file.name, match[0]))
    assert left == []


class Texts(HTMLParser):
    """Texts and labels of index.html that no script can translate."""

    def __init__(self):
        super().__init__()
        self.open, self.left = [], []

    def handle_starttag(self, tag, attrs):
        given = dict(attrs)
        if tag not in ("meta", "link", "use", "path", "rect", "circle"):
            self.open.append((tag, given))
        if (label := given.get("aria-label")) and given.get("data-t-label") != label:
            self.left.append(label)

    def handle_endtag(self, tag):
        while tag in [name for name, _ in self.open] and self.open.pop()[0] != tag:
            pass

    def handle_data(self, data):
        tag, given = self.open[-1] if self.open else ("", {})
        names = {name for name, _ in self.open} | {one.get("class") for _, one in self.open}
        fixed = names & {"noscript", "title", "script", "brand"}
        if data.strip() and not fixed and given.get("data-t") != data.strip():
            self.left.append(f"{tag}: {data.strip()}")


def test_no_text_is_left_in_the_page():
    parser = Texts()
    parser.feed(page())
    assert parser.left == []
