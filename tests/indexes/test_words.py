"""Words of the text index: names spelt like stop words, codes, Unicode forms."""

import unicodedata
from contextlib import closing

import pytest

from acclimate.indexes.base import Change, FileState
from acclimate.indexes.bm25 import ANALYSIS, query_words
from acclimate.indexes.library import Library
from acclimate.indexes.text import TantivyTextIndex
from acclimate.indexes.words import Words
from acclimate.types import Chunk, Document


def found(tmp_path, texts, question, language="english"):
    """The texts that a question finds, best first."""
    index = TantivyTextIndex(tmp_path / "index", Words(language))
    chunks = [(key, Chunk(str(key), "d", 0, len(text), text)) for key, text in enumerate(texts, 1)]
    index.update(Change((), [key for key, _ in chunks], 1), chunks)
    return [texts[match.key - 1] for match in index.search(question, 10)]


@pytest.mark.parametrize(
    ("question", "word"),
    [
        ("What happened in May?", "may"),
        ("what happened in may?", "may"),
        ("When does May end?", "may"),
        ("Report of May 2026", "may"),
        ("Who runs the IT department?", "it"),
        ("phone of the it department", "it"),
        ("WHO guidelines on salt", "who"),
        ("What are the US tariffs?", "us"),
        ("When did Will sign the lease?", "will"),
        ("How much is a can of paint?", "can"),
        ("Where is the will of the founder?", "will"),
        ("How much vitamin A do carrots have?", "a"),
        ("Which songs are by The Who?", "who"),
        ('Who wrote "It"?', "it"),
    ],
)
def test_a_name_that_is_spelt_like_a_stop_word_is_searched_for(question, word):
    assert word in query_words(question)


@pytest.mark.parametrize(
    ("question", "words"),
    [
        ("May I return it?", ["return"]),
        ("What may happen then?", ["happen"]),
        ("Can we do it?", ["can", "we", "do", "it"]),
        ("What Is The Refund Period?", ["refund", "period"]),
        ("WHAT IS THE REFUND PERIOD?", ["refund", "period"]),
        ("What is NOT covered?", ["cover"]),
        ("Do I need the battery that can be replaced?", ["need", "batteri", "replac"]),
        ("will", ["will"]),
        ("What is it?", ["what", "is", "it"]),
    ],
)
def test_in_their_function_stop_words_are_left_out_unless_nothing_else_is_left(question, words):
    assert query_words(question) == words


@pytest.mark.parametrize(
    ("language", "question", "kept", "gone"),
    [
        ("german", "Was steht im Brief von Der Bahn, und was wollen Sie?", "der", "sie"),
        ("french", "Quel train va vers l'Est de la France ?", "est", "la"),
        ("spanish", "¿Qué ciudad está al Este de la provincia?", "este", "la"),
    ],
)
def test_capitals_tell_names_in_other_languages(language, question, kept, gone):
    words = query_words(question, language)
    assert kept in words
    assert gone not in words


def test_the_month_is_found_and_not_the_verb(tmp_path):
    texts = [
        "You may call, you may write, you may visit.",
        "The pump was exchanged in May.",
        "It may rain. It may not.",
    ]
    assert found(tmp_path, texts, "What happened in May?")[0] == texts[1]


@pytest.mark.parametrize(
    "question", ["AX-200-B", "AX200B", "ax 200 b", "ax200b", "AX/200/B", "AX_200.B", "ax-200 b"]
)
@pytest.mark.parametrize("written", ["AX-200-{}", "AX200{}", "AX 200 {}", "AX/200/{}", "AX_200.{}"])
def test_a_part_number_ranks_its_own_line_first_however_it_is_written(tmp_path, question, written):
    lines = [
        f"The valve {written.format(letter)} has a thread of {14 + 4 * at} mm."
        for at, letter in enumerate("ABCD")
    ]
    assert found(tmp_path, lines, f"What thread has the valve {question}?")[0] == lines[1]


@pytest.mark.parametrize(
    ("question", "siblings", "right"),
    [
        ("programs in C++", ["C programs", "C++ programs", "C# programs"], 1),
        ("programs in C", ["C++ programs", "C programs", "C# programs"], 1),
        ("programs in C#", ["C programs", "C++ programs", "C# programs"], 2),
        ("F# or .NET", ["net income", "the .NET runtime", "nets"], 1),
        ("error E1042", ["E-1041 filter", "E-1042 fuse", "E-1024 lid"], 1),
        ("§5(2)", ["§ 5 (1) fees", "§ 5 (2) terms", "§ 2 (5) law"], 1),
        ("section 3.2.1", ["section 3.1.2 a", "section 1.2.3 a", "section 3.2.1 a"], 2),
        ("ISO 9001:2015", ["ISO 9001:2008 norm", "ISO 9001-2015 norm", "ISO 14001:2015 norm"], 1),
        ("10W40 oil", ["5W-40 oil", "10W-30 oil", "10W-40 oil"], 2),
        ("M8 x 20 screw", ["M8x25 screw", "M6x20 screw", "M8×20 screw"], 2),
        ('1/2" hose', ['1/4" hose', "½″ hose", '1 1/2" hose'], 1),
        ("call 030 123456", ["030-654321 sales", "030/123456 help", "031-123456 desk"], 1),
        ("max.m@example.com", ["max.k@example.com", "m.max@example.com", "max.m@example.com"], 2),
        ("host 192.168.1.10", ["192.168.10.1", "192.168.1.10", "192.168.1.100"], 1),
        ("v1.2.3-rc1", ["v1.2.3-rc2", "v1.2.31", "v1.2.3 rc1 and v1.2.3-rc1"], 2),
        ("12500 litres", ["12,050 litres", "12 500 litres", "1,250 litres"], 1),
    ],
)
def test_codes_and_measures_find_their_own_line_first(tmp_path, question, siblings, right):
    assert found(tmp_path, siblings, question)[0] == siblings[right]


@pytest.mark.parametrize(
    ("language", "written", "asked"),
    [
        ("english", unicodedata.normalize("NFD", "Kühlmittelbehälter"), "Kühlmittelbehälter"),
        ("english", "Kühlmittelbehälter", unicodedata.normalize("NFD", "kühlmittelbehälter")),
        ("english", "Der Kuehlmittelbehaelter", "Kühlmittelbehälter"),
        ("german", "Der Kühlmittelbehälter", "Kuehlmittelbehaelter"),
        ("english", "naïve café", "naive"),
        ("english", "the oﬃce", "office"),
        ("english", "heat ex\u00adchan\u00adger", "exchanger"),
        ("english", "zero\u200bwidth", "zerowidth"),
        ("english", "ＡＸ７７１０", "AX7710"),
        ("german", "Die Straße", "STRASSE"),
        ("turkish", "İSTANBUL", "istanbul"),
        ("turkish", "IŞIK", "ışık"),
        ("english", "IŞIK", "ışık"),
        ("arabic", "مُحَمَّد", "محمد"),
        ("none", "שָׁלוֹם", "שלום"),
        ("english", "٢٠٢٦", "2026"),
        ("tamil", "தமிழ் மொழி", "தமிழ்"),
        ("cjk", "ｶﾞｽ 料金", "ガス"),
        ("russian", "Ёлка", "елка"),
    ],
)
def test_unicode_forms_find_each_other(tmp_path, language, written, asked):
    assert found(tmp_path, [written, "something else"], asked, language)[:1] == [written]


def test_an_index_of_other_words_is_built_again_without_embedding_anew(tmp_path):
    text = "The valve AX-200-B"
    with closing(Library(tmp_path)) as library:
        record = library.record
        with record.transaction():
            chunk = Chunk("1", "a.txt", 0, len(text), text)
            state = FileState("a.txt", "0", 1, 1, "c")
            import numpy as np

            from acclimate.text.embedded import embedded_hash

            row = {embedded_hash(chunk): np.ones(4, np.float32) / 2}
            record.put(Document("a.txt", text), state, [chunk], row, "e")
            record.set_embedder("e")
        library.catch_up()
        assert record.words == f"english {ANALYSIS}"
        with record.transaction():  # as an older version left it
            record.database.set_meta("language", "english")
        old = TantivyTextIndex(library.folder / "indexes" / record.id / "text")
        old.clear()
        old.update(Change((), [1], record.generation), [(1, Chunk("1", "a.txt", 0, 3, "old"))])
    with closing(Library(tmp_path)) as library:
        assert [match.key for match in library.texts.search("ax200b", 3)] == [1]
        assert library.texts.search("old", 3) == []
        assert library.record.words == f"english {ANALYSIS}"
        assert library.check() == []
