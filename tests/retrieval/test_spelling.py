"""Misspelt words of a question are searched as the library spells them, and nothing else is."""

from contextlib import closing

import pytest
from hypothesis import given
from hypothesis import strategies as st

from acclimate.indexes.base import Change, Vocabulary
from acclimate.indexes.text import TantivyTextIndex
from acclimate.project import Project
from acclimate.retrieval.spelling import corrected, distance, nearest_word
from acclimate.settings import load_settings
from acclimate.testing.embeddings import HashEmbedder
from acclimate.types import Chunk, Span

TEXTS = (
    "Employees submit monthly invoices for accommodation. Occasionally a receipt is enough.",
    "Monthly reimbursements of travelling teammates; the deposit; insurance cards.",
    "The AX-200-B pump, made by Kowalski. Die Möglichkeit der Rückerstattung. Скидка сотрудникам.",
    "Monthly statements of the deposit; a deposid.",
)


@pytest.fixture
def words(tmp_path):
    with closing(TantivyTextIndex(tmp_path / "text")) as index:
        chunks = [(key, Chunk(str(key), "d", 0, len(t), t)) for key, t in enumerate(TEXTS)]
        index.update(Change((), [key for key, _ in chunks], 1), chunks)
        assert isinstance(index, Vocabulary)
        yield index


def unknown(word):
    return False


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("montly", "monthly"),  # a letter is missing
        ("invocies", "invoices"),  # two are swapped
        ("recceipt", "receipt"),  # one is doubled
        ("reciept", "receipt"),
        ("inzurance", "insurance"),  # another one
        ("acomodation", "accommodation"),  # two slips in a long word
        ("occassionaly", "occasionally"),  # at the end too, which stemming would have cut
        ("Montly", "monthly"),  # the beginning of a sentence
        ("möglichkiet", "möglichkeit"),
        ("сотруднкам", "сотрудникам"),
        ("kowalzki", "kowalski"),
    ],
)
def test_a_misspelt_word_is_set_right(words, typed, meant):
    assert (
        corrected(f"what about {typed}, and why?", words, unknown)
        == f"what about {meant}, and why?"
    )


@pytest.mark.parametrize(
    "question",
    [
        "monthly invoices",
        "travel reimbursement",  # other endings of words that are there
        "insurence",  # found by its stem
        "mnthy",  # two slips in a short word
        "weekly parking",  # near to nothing
        "AX200C pump",
        "MONTLY",  # an abbreviation for all that is known
        "iMontly",
        "montly-plan",
        "mail montly@example.org or www.montly.org",
        "the file 'montly'",
        'what does "montly invocies" mean?',
        "montly's",
        "どのくらいの期間ですか",
        "",
    ],
)
def test_all_else_stays_as_it_was_typed(words, question):
    assert corrected(question, words, unknown) == question


def test_words_that_the_embedder_knows_are_none_that_is_misspelt(words):
    assert corrected("insurances or insurrance", words, unknown) == "insurances or insurance"
    assert corrected("insurances or insurrance", words, {"insurrance"}.__contains__) == (
        "insurances or insurrance"
    )


def test_of_two_words_as_near_the_more_frequent_one_is_meant(words):
    assert distance("deposir", "deposit") == distance("deposir", "deposid") == 1
    assert nearest_word("deposir", words) == "deposit"


def slow_distance(one, other):
    """The recursion of the definition."""
    if not one or not other:
        return len(one) + len(other)
    ways = [
        slow_distance(one[:-1], other) + 1,
        slow_distance(one, other[:-1]) + 1,
        slow_distance(one[:-1], other[:-1]) + (one[-1] != other[-1]),
    ]
    if len(one) > 1 and len(other) > 1 and one[-2:] == other[-1] + other[-2]:
        ways.append(slow_distance(one[:-2], other[:-2]) + 1)
    return min(ways)


@given(st.text("abc", max_size=5), st.text("abc", max_size=5))
def test_the_distance_is_that_of_its_definition(one, other):
    assert distance(one, other) == slow_distance(one, other)


class Pieces(HashEmbedder):
    """Knows no word of more than four letters as a whole."""

    def token_spans(self, text: str) -> list[Span]:
        """Pieces of at most four characters."""
        return [Span(at, min(at + 4, len(text))) for at in range(0, len(text), 4)]


@pytest.mark.parametrize(("spelling", "first"), [("library", "invoices.md"), ("none", "")])
def test_a_project_searches_for_what_is_meant(tmp_path, monkeypatch, spelling, first):
    folder = tmp_path / "documents"
    folder.mkdir()
    (folder / "invoices.md").write_text("Contractors send invoices on the 20th.\n")
    (folder / "meals.md").write_text("Meals are paid up to 80 dollars.\n")
    file = tmp_path / "acclimate.toml"
    file.write_text(f'[retrieval]\nmethod = "text"\nspelling = "{spelling}"\n')
    monkeypatch.setattr(Project, "embedder", Pieces())
    with Project(tmp_path, load_settings(file)) as project:
        project.ingest()
        hits = project.retrieve("contracters invocies", 1)
    assert [hit.chunk.document for hit in hits] == [first][: bool(first)]


def test_an_index_without_spelt_words_is_built_again(tmp_path):
    index = TantivyTextIndex(tmp_path / "text")
    index.update(Change((), (1,), 1), [(1, Chunk("1", "d", 0, 7, "invoice"))])
    index.close()
    stamp = tmp_path / "text" / "stamp.json"
    stamp.write_text(stamp.read_text().replace('"form": 2, ', ""))
    with closing(TantivyTextIndex(tmp_path / "text")) as again:
        assert again.generation is None
        assert not again.holds("invoice")
        assert again.beginning("in", 5) == []
