"""The text index in many languages: each document read in its own, and a question in those of the library."""

from contextlib import closing

import numpy as np
import pytest

from acclimate.indexes.base import Change, FileState
from acclimate.indexes.bm25 import analyse, query_words
from acclimate.indexes.compounds import parts
from acclimate.indexes.library import Library
from acclimate.indexes.text import TantivyTextIndex
from acclimate.indexes.words import Words, languages_read, stamp_of
from acclimate.text.embedded import embedded_hash
from acclimate.types import Chunk, Document

GERMAN = (
    "Die Kündigungsfrist beträgt vier Wochen zum Ende des Monats. Sie gilt für alle Mitarbeiter."
)
ENGLISH = "The notice period is four weeks to the end of the month. It is the same for all."
CHINESE = "公司每年提供十五天带薪休假，员工应提前申请。"
ARABIC = "مدة الإشعار أربعة أسابيع قبل نهاية الشهر، ويجب أن تكون مكتوبة."
HEBREW = "תקופת ההודעה היא ארבעה שבועות לפני סוף החודש, והיא חלה על כל העובדים."
SPANISH = "La información sobre las vacaciones está en el manual, y es la misma para los empleados de la empresa."
TEXTS = (GERMAN, ENGLISH, CHINESE, ARABIC, HEBREW, SPANISH)


@pytest.fixture
def library(tmp_path):
    """A library of documents whose vectors do not matter, by language; more may be put into it."""
    with closing(Library(tmp_path, language="auto")) as opened:
        put(opened, {f"{number}.txt": text for number, text in enumerate(TEXTS)})
        yield opened


def put(library, texts):
    record = library.record
    with record.transaction():
        for path, text in texts.items():
            chunk = Chunk(path, path, 0, len(text), text)
            row = {embedded_hash(chunk): np.ones(4, np.float32) / 2}
            record.put(Document(path, text), FileState(path, "0", 1, 1, "c"), [chunk], row, "e")
        record.set_embedder("e")
    library.catch_up()


def found(library, question):
    """The documents that a question finds by its words, best first."""
    keys = [match.key for match in library.texts.search(question, 10)]
    return [chunk.document for chunk in library.fetch(keys)]


@pytest.mark.parametrize(
    ("question", "path"),
    [
        ("Wie lange ist die Frist?", "0.txt"),  # a part of a compound
        ("Kündigungsfristen", "0.txt"),
        ("Kuendigung", "0.txt"),
        ("How long are notice periods?", "1.txt"),
        ("带薪休假有几天？", "2.txt"),
        ("申请", "2.txt"),
        ("天", "2.txt"),
        ("ما هي مدة الاشعار؟", "3.txt"),  # another alef than in the document
        ("הודעה", "4.txt"),  # without the article before it
        ("informacion", "5.txt"),  # typed without its accent
        ("vacación", "5.txt"),
    ],
)
def test_each_document_is_found_in_its_language(library, question, path):
    assert found(library, question) == [path]


def test_stop_words_are_those_of_the_question(library):
    """ "in" and "alle" are none of an English document's, though English has the one too."""
    assert found(library, "Was ist in den vier Wochen für alle?") == ["0.txt"]
    assert found(library, "die month") == ["1.txt"]  # no language for sure, and "die" is German


def test_a_word_and_its_forms_weigh_as_one(tmp_path):
    """A form that stands in one document only does not outrank a word that all have."""
    english = [
        f"National rules of the year {n} are in the handbook, and the rules are of it."
        for n in range(9)
    ]
    french = "La règle nationale est dans le manuel, et la loi est la même pour les employés."
    with closing(Library(tmp_path, language="auto")) as library:
        put(library, {f"{n}.txt": text for n, text in enumerate([*english, french])})
        assert library.record.spoken.languages == ["english", "french"]
        matches = library.texts.search("national handbook rules of 2", 10)
        first = library.fetch([matches[0].key])[0].document
        assert first == "2.txt"
        index = library.texts
        (group,) = [one for one in index._words.asked("national") if len(one) > 1]
        rows = len(english) + 1
        weights = index._shares("text", [group])
        assert all(0 < weights[word] <= 1 for word in weights)
        assert rows == len(index.keys())


def test_english_alone_is_read_to_the_byte_as_before(tmp_path):
    """One language in the library: the same words, weights and scores as if it had been set."""
    texts = {f"{n}.txt": f"{ENGLISH} Valve AX-20{n}-B opens in May at {n}.5 bar." for n in range(5)}
    questions = [
        "When does valve AX203B open?",
        "what happened in may",
        "Notice periods",
        "die Frist",
    ]
    with closing(Library(tmp_path / "auto", language="auto")) as library:
        put(library, texts)
        assert library.record.spoken.languages == ["english"]
        plain = TantivyTextIndex(tmp_path / "plain")
        chunks = list(zip(library.record.keys(), library.fetch(library.record.keys()), strict=True))
        plain.update(Change((), [key for key, _ in chunks], 1), chunks)
        for question in questions:
            words = [word for group in library.texts._words.asked(question) for word in group]
            assert words == query_words(question)
            assert library.texts.search(question, 9) == plain.search(question, 9)
        for _, chunk in chunks:
            assert library.texts._words.analyse(chunk.shown, chunk) == analyse(
                chunk.shown, "english"
            )


def test_an_english_library_from_before_is_not_built_again_and_another_is(tmp_path):
    for name, text, same in (("en", ENGLISH, True), ("de", GERMAN, False)):
        with closing(Library(tmp_path / name)) as library:
            put(library, {"a.txt": text})
            generation, words = library.record.generation, library.record.words
            assert words == stamp_of("english")
        with closing(Library(tmp_path / name, language="auto")) as library:
            assert library.record.words == stamp_of("auto")
            assert (library.record.generation == generation) is same
            assert library.check() == []
            put(library, {"b.txt": GERMAN.replace("Wochen", "Jahre")})
            assert found(library, "Die Frist der Jahre")[0] == "b.txt"


def test_a_document_that_changes_its_language_is_read_anew(library):
    put(
        library,
        {"0.txt": "The deadline for all of the houses is in the month of May, and it is fixed."},
    )
    assert found(library, "house") == ["0.txt"]
    put(library, {"0.txt": "Die Häuser sind alle für den Monat Mai fest und nicht für das Jahr."})
    assert found(library, "ein Haus für das Jahr") == ["0.txt"]


def test_other_scripts_within_a_document_are_read_too():
    assert languages_read(ENGLISH * 3 + CHINESE * 2) == ["english", "cjk"]
    assert languages_read(ENGLISH) == ["english"]
    assert languages_read("") == ["english"]
    chunk = Chunk("1", "d", 0, len(CHINESE), CHINESE)
    assert Words("auto").of(chunk) == "cjk"


@pytest.mark.parametrize(
    ("word", "found"),
    [
        ("kündigungsfrist", ("kündigung", "frist")),
        ("urlaubsantragsformular", ("urlaub", "antrags", "formular")),
        ("reisekostenabrechnung", ("reise", "kosten", "abrechnung")),
        ("krankenversicherungsbeitrag", ("kranken", "versicherung", "beitrag")),
        ("geschwindigkeitsbegrenzung", ("geschwindigkeit", "begrenzung")),
        ("verantwortung", ()),
        ("beantragung", ()),
        ("bundesministerium", ()),
        ("vertrag", ()),
    ],
)
def test_compounds_have_their_parts(word, found):
    assert parts(word) == found
