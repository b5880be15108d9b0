"""Links in an answer. A document may plant one, and a page that shows it may send data there: so it
must be earned.

A link stays where the question asked for a place on the net, a cited sentence holds it word for
word, and that sentence does not speak to the assistant; an e-mail address, where the question asked
whom to turn to. Everything else is taken out before anybody sees it, also from what is streamed;
images and HTML that load something never stay.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Sequence

REMOVED = "[link removed]"
_IMAGE = re.compile(r"!\[[^\]]*\](?:\([^)]*\)?|\[[^\]]*\])?")
_LABELLED = re.compile(r"\[([^\]\n]*)\]\(([^)\n]*)\)?")
_TAG = re.compile(
    r"<\s*/?\s*\w+[^<>]*\b(?:src|srcset|href|action|data|style|on\w+)\s*=[^<>]*>?", re.IGNORECASE
)
_INVISIBLE = re.compile(
    "[\u00ad\u200b\u200e\u200f\u202a-\u202e\u2060-\u2064\u2066-\u2069\ufeff\U000e0000-\U000e007f]"
)
_TOPS = (
    "com net org io dev app ai co info biz xyz top site online link click live shop cloud page "
    "tech space store ru cn "
    "tk edu gov mil int eu uk de fr nl se dk fi pl es ch jp kr br invalid test example localhost "
    "onion zip mov"
)
_LINK = re.compile(
    rf"""(?:[a-z][a-z0-9+.-]*)?:?//[^\s/]                # https://x, //x
        |\b(?:javascript|data|vbscript|mailto|tel|sms|file):\S
        |\bwww\.\w
        |(?:[\w-]+\.)+(?:{"|".join(_TOPS.split())})\b(?![\w@-])
        |(?:[\w-]+\.)+[a-z]{{2,}}[/?\#:]\w
        |\w\s?(?:\[\.\]|\(\.\)|\[dot\]|\(dot\))\s?\w      # evil[.]example
        |\b\d{{1,3}}(?:\.\d{{1,3}}){{3}}\b(?=[:/])        # 10.0.0.1/x
    """,
    re.IGNORECASE | re.VERBOSE,
)
_MARKS = frozenset(".:/@[(")  # a link has one of them
_LONGEST = 4096  # characters of a link
_OPENS = re.compile(r"<(?!\s|\d)|\[(?!\d)|\(\.|\(dot")
_MAIL = re.compile(r"[\w.+-]+@[\w-]+(?:\.[\w-]+)+")
_ASKS = re.compile(
    r"\b(?:links?|urls?|uris?|web|www|websites?|sites?|pages?|portals?|online|address(?:es)?|domains?|downloads?|homepage"
    r"|endpoints?|repositor(?:y|ies))\b",
    re.IGNORECASE,
)
_ASKS_WHOM = re.compile(
    r"\b(?:e-?mails?|mail|contact|write|reach|report|address(?:es)?|who|whom|send)\b", re.IGNORECASE
)
_TO_THE_ASSISTANT = re.compile(
    r"\b(?:assistant|chatbot|language model|LLM|AI (?:model|system|agent)|system prompt|developer "
    r"mode)\b"
    r"|\b(?:ignore|disregard|forget|override|bypass)\b[^.\n]*\b(?:instructions?|prompts?|rules|above|previous|prior|passages?)\b"
    r"|\b(?:reply|respond|answer)\s+(?:only\s+)?(?:with|by)\b|\b(?:append|embed|always "
    r"(?:say|include|answer|cite))\b",
    re.IGNORECASE,
)


def visible(text: str) -> str:
    """`text` without characters that nobody sees and a model reads: tags, zero widths, changes of
    direction."""
    return _INVISIBLE.sub("", text)


def without_links(text: str, question: str, quotes: Sequence[str]) -> tuple[str, int]:
    """`text` less the links that are not earned by `question` and the cited `quotes`, and how many
    those were."""
    removed = 0

    def judge(match: re.Match[str]) -> str:
        nonlocal removed
        word = match[0]
        plain = unicodedata.normalize("NFKC", visible(word))
        if not _MARKS.intersection(plain):
            return word
        if len(plain) > _LONGEST:  # looking closer would take long
            removed += 1
            return REMOVED
        if _MAIL.fullmatch(bare := plain.strip("<>()[]{}\"'“”‘’«».,;:!?")) and not _LINK.search(
            _MAIL.sub("", plain)
        ):
            earned = bool(_ASKS_WHOM.search(question)) and any(
                bare in quote and not _TO_THE_ASSISTANT.search(quote) for quote in quotes
            )
        elif _LINK.search(plain):
            earned = bool(_ASKS.search(question)) and any(
                bare in unicodedata.normalize("NFKC", quote) and not _TO_THE_ASSISTANT.search(quote)
                for quote in quotes
            )
        else:
            return word
        removed += not earned
        return word if earned else REMOVED

    def drop(match: re.Match[str]) -> str:
        nonlocal removed
        removed += 1
        return REMOVED

    plain = _TAG.sub(drop, _IMAGE.sub(drop, visible(text)))
    plain = _LABELLED.sub(
        lambda match: f"{match[1]} {match[2]}" if _LINK.search(match[2]) else match[0], plain
    )
    plain = re.sub(r"\S+(?:[ ](?:\[\.\]|\(\.\)|\[dot\]|\(dot\))[ ]?\S+)*", judge, plain)
    return re.sub(rf"{re.escape(REMOVED)}(?:\s*{re.escape(REMOVED)})+", REMOVED, plain), removed


class LinkGuard:
    """An `OnText` that passes text on word by word up to where a link may begin; `finish` sends the
    rest."""

    def __init__(self, on_text: Callable[[str], bool]) -> None:
        self._on_text = on_text
        self._held, self._sent, self._stopped = "", "", False

    def __call__(self, piece: str) -> bool:
        """Take the next piece."""
        self._held += piece
        ready = self._held[: max(self._held.rfind(" "), self._held.rfind("\n"), 0)]
        if self._stopped or not ready:
            return self._on_text("")  # whether anybody still listens
        # A label or a tag may go on over several words, so nothing follows where one opens.
        self._stopped = _OPENS.search(ready) is not None or without_links(ready, "", ())[0] != ready
        if self._stopped:
            return self._on_text("")
        self._held, self._sent = self._held[len(ready) :], self._sent + ready
        return self._on_text(ready)

    def finish(self, shown: str) -> None:
        """Send what is left of `shown`: the whole text as it may be seen."""
        if shown.startswith(self._sent) and (rest := shown[len(self._sent) :]):
            self._on_text(rest)
