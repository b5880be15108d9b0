r"""Cell texts of a LaTeX tabular: enough of LaTeX to compare a parser's cells with a table's source."""

from __future__ import annotations

import re
import unicodedata

_GONE = re.compile(
    r"\\(?:toprule|midrule|bottomrule|hline|centering|small|footnotesize|scriptsize|tiny|bf|it|em|bfseries|itshape|rm|sc"
    r"|noalign|addlinespace|specialrule|specialcell|arraybackslash|raggedright|quad|qquad|displaystyle|hfill|null"
    r"|xmark|cmark|checkmark|ding)\b(?:\[[^\]]*\])?"
)
_RULES = re.compile(
    r"\\(?:cmidrule|cline|Xhline|specialrule|noalign|arrayrulecolor|rowcolor|cellcolor|columncolor|vspace\*?"
    r"|hspace\*?|rule|label|cite[pt]?|ref|color|setlength|midrule|toprule|bottomrule|addlinespace|hline)"
    r"(?:\([^)]*\))?(?:\[[^\]]*\])*(?:\{[^{}]*\})*(?:\([^)]*\))?(?:\{[^{}]*\})*"
)
_SYMBOLS = {
    "alpha": "α", "beta": "β", "gamma": "γ", "delta": "δ", "epsilon": "ϵ", "varepsilon": "ε", "lambda": "λ", "mu": "μ",
    "sigma": "σ", "tau": "τ", "theta": "θ", "phi": "ϕ", "pi": "π", "rho": "ρ", "eta": "η", "omega": "ω", "Delta": "Δ",
    "times": "×",
    "pm": "±", "uparrow": "↑", "downarrow": "↓", "rightarrow": "→", "to": "→", "le": "≤", "leq": "≤", "ge": "≥",
    "geq": "≥",
    "approx": "≈", "sim": "∼", "cdot": "⋅", "infty": "∞", "dagger": "†", "ddagger": "‡", "ldots": "…", "dots": "…",
    "checkmark": "✓", "cmark": "✓", "xmark": "✗", "%": "%", "&": "&", "_": "_", "#": "#", "$": "$", "{": "{", "}": "}",
}  # fmt: skip


def cells(source: str) -> list[str]:
    """Normalised texts of the cells of a tabular, empty ones left out."""
    body = re.sub(r"(?<!\\)%.*", "", source)
    found: list[str] = []
    # From the innermost out: a tabular in a cell of another is that cell's text.
    pattern = re.compile(
        r"\\begin\{(tabular\*?|array)\}((?:(?!\\begin\{(?:tabular|array)).)*?)\\end\{\1\}",
        re.DOTALL,
    )
    while match := pattern.search(body):
        inside = _skip_specification(match[2])
        if re.search(r"\\begin\{tabular", body[: match.start()]) and body[match.end() :].count(
            "\\end{tabular"
        ) >= body[: match.start()].count("\\begin{tabular"):
            body = (
                body[: match.start()]
                + "{"
                + inside.replace("&", " ").replace("\\\\", " ")
                + "}"
                + body[match.end() :]
            )
            continue
        found += _rows(inside)
        body = body[: match.start()] + body[match.end() :]
    return [cell for cell in found if cell]


def _skip_specification(text: str) -> str:
    """The tabular without its [t], {width} and {columns} arguments."""
    text = text.lstrip()
    while text[:1] in "[{" and text:
        end = _closing(text, 0)
        groups, text = text[:end], text[end:].lstrip()
        if groups.startswith("{") and not re.match(
            r"\{\s*(?:\\(?:text|line|column)width|[\d.]*\\?\w*(?:pt|cm|width))\s*\}", groups
        ):
            break
    return text


def _closing(text: str, start: int) -> int:
    pairs = {"{": "}", "[": "]"}
    opening, depth = text[start], 0
    for at in range(start, len(text)):
        if text[at] == "\\":
            continue
        if text[at] == opening and text[at - 1 : at] != "\\":
            depth += 1
        elif text[at] == pairs[opening] and text[at - 1 : at] != "\\":
            depth -= 1
            if not depth:
                return at + 1
    return len(text)


def _rows(text: str) -> list[str]:
    found, depth, start = [], 0, 0
    at = 0
    while at < len(text):
        letter = text[at]
        if letter == "\\" and text[at : at + 2] == "\\\\" and depth == 0:
            found.append(text[start:at])
            at += 2
            if skipped := re.match(r"\s*\[[^\]]*\]", text[at:]):
                at += skipped.end()
            start = at
            continue
        if letter == "\\":
            at += 2
            continue
        depth += (letter == "{") - (letter == "}")
        if letter == "&" and depth == 0:
            found.append(text[start:at])
            start = at + 1
        at += 1
    found.append(text[start:])
    return [normalise(plain(cell)) for cell in found]


def plain(text: str) -> str:
    """The words that LaTeX sets for `text`."""
    text = _RULES.sub(" ", text)
    for name, skip in (
        ("multicolumn", 2),
        ("multirow", 2),
        ("textcolor", 1),
        ("fontsize", 2),
        ("resizebox", 2),
        ("makebox", 0),
    ):
        while (at := text.find(f"\\{name}")) >= 0:
            end = at + len(name) + 1
            for _ in range(skip):
                end = _argument(text, end)
            while end < len(text) and text[end] in "[ *":
                end = _closing(text, end) if text[end] == "[" else end + 1
            text = text[:at] + " " + text[end:]
    text = _GONE.sub(" ", text.replace("\\\\", " ").replace("~", " "))
    text = re.sub(r"\\([A-Za-z]+|[%&_#${}])", lambda match: _SYMBOLS.get(match[1], ""), text)
    return re.sub(r"[{}$]", "", text)


def _argument(text: str, at: int) -> int:
    while at < len(text) and (text[at] in " *\n" or text[at] == "["):
        at = _closing(text, at) if text[at] == "[" else at + 1
    return _closing(text, at) if at < len(text) and text[at] == "{" else at


def normalise(text: str) -> str:
    """Letters and digits only, in lower case: a fair measure for tools that write symbols differently."""
    text = unicodedata.normalize("NFKC", text).casefold().replace("−", "-")
    return re.sub(r"[^\w.%+-]|_|(?<!\d)[.-](?!\d)", "", text)
