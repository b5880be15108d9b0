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
# The blocks of those scripts that are told apart where whole documents are looked through.
_BLOCKS = {
    "chinese": "\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003134f",
    "japanese": "\u3041-\u30ff\u31f0-\u31ff\uff66-\uff9f",
    "korean": "\uac00-\ud7a3\u1100-\u11ff\u3131-\u318e",
    "cyrillic": "\u0400-\u052f",
    "greek": "\u0370-\u03ff\u1f00-\u1fff",
    "arabic": "\u0620-\u064a\u066e-\u06d3\u0750-\u077f\ufb50-\ufdff\ufe70-\ufefc",
    "hebrew": "\u05d0-\u05ea",
    "thai": "\u0e01-\u0e30\u0e40-\u0e46",
    "devanagari": "\u0904-\u0939",
    "tamil": "\u0b85-\u0bb9",
}
_LETTERS = {name: re.compile(f"[{inside}]") for name, inside in _BLOCKS.items()}
_FOREIGN = re.compile(f"[{''.join(_BLOCKS.values())}]")
_LETTER = re.compile(r"[^\W\d_]")
_SAMPLE = 20_000  # characters of a document that tell its language
_SURE = 5  # small words that a whole document must have,
_SHARE = 0.1  # and of all its words; prose of each of these languages has 0.2 or more
# Words that few other languages have; those of several are listed under each.
_SMALL = {
    "english": "the of and to is that it for was with are be this have from what which how does do "
    "you not or can when who where why your there their will would if than at by has whats "
    "in on as an we were had but also between during many did his her its",
    "german": "der die das und ist nicht ein eine einen einem den dem des mit für auf wie was wird "
    "werden sind wann wer wo warum kann muss von zu zum zur bei nach oder auch wenn ich sie es im "
    "in an am vom aus hat hatte wurde wurden dass welche welcher welches welchem viele durch als",
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
    "romanian": "și este care din pentru nu mai sau sunt în pe ce cum unde când cine fi fost al ale",
    "hungarian": "és az hogy nem egy van vagy mely ki meg ez azt mint kell lehet milyen hol mikor",
}
# Of one script, so that they are told from each other only.
_CYRILLIC = {
    "russian": "и в не на что с по как это к из у за от так для если или какой какая когда где кто "
    "сколько был была было может при его её их же бы он она они мы вы",
    "ukrainian": "і в не на що з до та як це від за для якщо або який коли де хто скільки був є "
    "може при його їх він вона вони ми ви",
    "bulgarian": "и в не на че с по как това към от за са се или какъв кога къде кой колко беше е "
    "може при него ги той тя те ние вие да",
}
_CYRILLIC_WORDS = {name: frozenset(words.split()) for name, words in _CYRILLIC.items()}
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
        return _cyrillic(text) if script == "CYRILLIC" else _SCRIPTS[script]
    return _by_small_words(text, _LEAST)


# How questions begin; one such word tells the language where too few others do.
_QUESTIONS = {
    "german": "was wie wer wann wo warum wieso weshalb wohin woher welche welcher welches welchen",
    "spanish": "qué cuál cuáles cuándo cuánto cuántos cuántas dónde quién quiénes cómo",
    "french": "quel quelle quels quelles combien comment pourquoi quand où qui est-ce",
    "italian": "quanto quanti quante quando quale quali perché dove chi cosa",
    "portuguese": "quanto quantos quantas quando qual quais onde quem porquê",
    "dutch": "hoe wanneer waar waarom welke hoeveel",
    "english": "what how who when where why which whose whom",
}
_BEGINS: dict[str, set[str]] = {}
for _language, _words in _QUESTIONS.items():
    for _one in _words.split():
        _BEGINS.setdefault(_one, set()).add(_language)


def question_language(text: str) -> str:
    """`language_of` a question, which may be short: its first word may tell it too."""
    found = language_of(text)
    if found:
        return found
    first = _WORD.search(text)
    languages = _BEGINS.get(first[0].casefold(), set()) if first else set()
    if "¿" in text:
        return "spanish"
    return next(iter(languages)) if len(languages) == 1 else ""


def language_of_document(text: str) -> str:
    """`language_of` a whole document, by its beginning, where it is beyond doubt."""
    sample = text[:_SAMPLE]
    if (script := script_of(sample)) != "":
        return _cyrillic(sample) if script == "cyrillic" else script
    words = len(_WORD.findall(sample))
    return _by_small_words(sample, max(_SURE, int(_SHARE * words)))


def script_of(text: str) -> str:
    """The script of most letters, where it is none of Latin ones, by the name that `language_of`
    has for it; else ""."""
    foreign = len(_FOREIGN.findall(text))
    if not foreign or 2 * foreign <= len(_LETTER.findall(text)):
        return ""
    counts = {name: len(letters.findall(text)) for name, letters in _LETTERS.items()}
    if 10 * counts["japanese"] > foreign:
        return "japanese"
    return max(counts, key=lambda name: counts[name])


def scripts_in(text: str, least: int) -> set[str]:
    """The scripts of which a text has so many letters, whatever else it has."""
    if len(_FOREIGN.findall(text)) < least:
        return set()
    return {name for name, letters in _LETTERS.items() if len(letters.findall(text)) >= least}


def same_language(first: str, second: str) -> bool | None:
    """Whether two texts are in one language; None where one of them does not say."""
    names = {language_of(first), language_of(second)}
    if "" in names or ("cyrillic" in names and names & _CYRILLIC.keys()):
        return None
    return len(names) == 1 or names == _ALIKE


def _by_small_words(text: str, least: int) -> str:
    words = [word.casefold() for word in _WORD.findall(text)]
    votes = Counter({name: sum(word in small for word in words) for name, small in _KNOWN.items()})
    (best, most), (_, next_most) = votes.most_common(2)
    if {best, votes.most_common(2)[1][0]} == _ALIKE:
        next_most = votes.most_common(3)[2][1]
    return best if most >= least and most > next_most else ""


def _cyrillic(text: str) -> str:
    words = [word.casefold() for word in _WORD.findall(text)]
    counts = {name: sum(word in small for word in words) for name, small in _CYRILLIC_WORDS.items()}
    (best, most), (_, next_most) = Counter(counts).most_common(2)
    return best if most >= _LEAST and most > next_most else "cyrillic"
