"""In which language a text is written, by its letters and its small words; no model is asked.

A few words tell too little: then no language is named, as a wrong one is worse than none.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter

_WORD = re.compile(r"[^\W\d_]+(?:'[^\W\d_]+)?")
_LEAST = 2  # small words that a language must have, and more than any other
_SCRIPTS = {
    "CJK": "chinese", "HIRAGANA": "japanese", "KATAKANA": "japanese", "HANGUL": "korean",
    "CYRILLIC": "cyrillic", "GREEK": "greek", "ARABIC": "arabic", "HEBREW": "hebrew",
    "THAI": "thai", "DEVANAGARI": "devanagari", "TAMIL": "tamil",
}  # fmt: skip
# Words that few other languages have; those of several are listed under each.
_SMALL = {
    "english": "the of and to is that it for was with are be this have from what which how does do "
    "you not or can when who where why your there their will would if than at by has whats",
    "german": "der die das und ist nicht ein eine einen einem den dem des mit für auf wie was wird "
    "werden sind wann wer wo warum kann muss von zu zum zur bei nach oder auch wenn ich sie es im",
    "french": "le la les des et est une un du que qui dans pour pas sur avec ce cette il elle sont "
    "quel quelle comment combien quand où au aux ne vous je par plus ou son sa",
    "spanish": "el la los las de y es una un que en por para con no se su al del lo como más cuál "
    "qué cuándo cuánto dónde quién está son o pero si hay",
    "italian": "il lo gli di e è una un che in per con non si del della dei delle al alla come "
    "quanto quando quale chi dove sono più da nel nella ma se ha",
    "portuguese": "o os as de e é uma um que em por para com não se do da dos das no na ao como "
    "quanto quando qual quem onde são mais está pelo ou mas foi",
    "dutch": "de het een en van is niet dat die in op te zijn voor met aan er wat hoe wanneer wie "
    "waar welke kan moet bij naar ook als wordt worden om hij u",
    "danish": "og det er en et den til på ikke af som med for de at hvad hvordan hvornår hvem hvor "
    "kan skal har fra eller man jeg hvilken blev",
    "norwegian": "og det er en et den til på ikke av som med for de at hva hvordan når hvem hvor "
    "kan skal har fra eller man jeg hvilken ble",
    "swedish": "och det är en ett den till på inte av som med för de att vad hur när vem var kan "
    "ska har från eller man jag vilken blev",
    "finnish": "ja on ei se että joka mitä miten milloin kuka missä kun tai myös ovat oli niin "
    "mutta voi kuin hän ole mikä kuinka",
    "polish": "i w na z się nie jest do to że jak o co po od za czy kiedy kto gdzie ile dla są lub "
    "oraz może który która",
    "turkish": "ve bir bu için ile ne nasıl kim nerede değil olarak daha çok mi mı var olan gibi "
    "kadar hangi zaman da de",
}
_KNOWN = {language: frozenset(words.split()) for language, words in _SMALL.items()}
_ALIKE = frozenset({"danish", "norwegian"})  # whose small words hardly differ


def language_of(text: str) -> str:
    """The language, or the script where that does not tell more; "" where the text does not say."""
    letters = [letter for letter in text if letter.isalpha()]
    scripts = Counter(unicodedata.name(letter, "").split(" ")[0] for letter in letters)
    if not scripts:
        return ""
    script, count = scripts.most_common(1)[0]
    if scripts["HIRAGANA"] + scripts["KATAKANA"] > len(letters) / 10:
        return "japanese"
    if count < len(letters) / 2:
        return ""
    if script in _SCRIPTS:
        return _SCRIPTS[script]
    words = [word.casefold() for word in _WORD.findall(text)]
    votes = Counter({name: sum(word in small for word in words) for name, small in _KNOWN.items()})
    (best, most), (_, next_most) = votes.most_common(2)
    if {best, votes.most_common(2)[1][0]} == _ALIKE:
        next_most = votes.most_common(3)[2][1]
    return best if most >= _LEAST and most > next_most else ""


def same_language(first: str, second: str) -> bool | None:
    """Whether two texts are in one language; None where one of them does not say."""
    names = {language_of(first), language_of(second)}
    return None if "" in names else len(names) == 1 or names == _ALIKE
