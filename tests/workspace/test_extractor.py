import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from acclimate.embeddings.extractor import Marked, readings, windows
from acclimate.errors import EngineError, ModelError, SettingsError
from acclimate.project import Project
from acclimate.prompting.citations import resolve
from acclimate.prompting.passages import REFUSAL
from acclimate.prompting.recipes import find_recipe
from acclimate.settings_file import set_key
from acclimate.testing.rerank import check_cross_encoder
from acclimate.types import Chunk, Generation, Hit, Span
from acclimate.workspace.extractor import ExtractiveReader, Limits

TEXTS = [
    "Oil is due in May. Filters in June.",
    "| Part | Due |\n| --- | --- |\n| Oil | May |",
    "Nothing.",
]
HITS = [
    Hit(Chunk(str(n), f"{n}.md", 100, 100 + len(t), t), 1 / n, n)
    for n, t in enumerate(TEXTS, start=1)
]


@dataclass
class Scripted:
    """Marks what it was told; `same` is where an answer stands."""

    marked: list[Marked]
    same: list[Marked]

    def best_spans(self, question: str, chunks: Sequence[Chunk]) -> list[Marked]:
        return self.marked

    def best_and_matching_spans(
        self, question: str, chunks: Sequence[Chunk], answer: str
    ) -> tuple[list[Marked], list[Marked]]:
        return self.marked, self.same if answer else []


def extracting(
    *marked: Marked, same: Sequence[Marked] = (), threshold: float = 0.2, discount: float = 0.5
) -> ExtractiveReader:
    limits = Limits(threshold=threshold, discount=discount)
    return ExtractiveReader(Scripted(list(marked), list(same)), limits)  # type: ignore[arg-type]


def test_the_answer_is_cited_where_it_was_marked() -> None:
    at = TEXTS[1].index("May")
    found = extracting(Marked(1, Span(at - 1, at + 5), 0.9)).extract("?", HITS)
    assert (found.text, found.marked, found.abstained) == ("May", "May [2]", False)
    (citation,) = found.citations
    assert (citation.document, citation.verbatim) == ("2.md", True)
    assert TEXTS[1][citation.start - 100 : citation.end - 100] == citation.quote == "| Oil | May |"


def test_later_passages_must_be_surer() -> None:
    first, second = Marked(0, Span(14, 17), 0.5), Marked(1, Span(2, 6), 0.9)
    assert extracting(second, first).extract("?", HITS).text == "May"
    assert extracting(second, first, discount=0.9).extract("?", HITS).text == "Part"


@pytest.mark.parametrize(
    "marked", [[], [Marked(0, Span(0, 3), 0.19)], [Marked(1, Span(0, 2), 0.9)]]
)
def test_it_abstains_where_nothing_is_sure_enough_or_no_word_is_marked(
    marked: list[Marked],
) -> None:
    found = extracting(*marked).extract("?", HITS)
    assert (found.text, found.abstained, found.citations) == (REFUSAL, True, ())


MAY, JUNE = Span(14, 17), Span(30, 34)


@pytest.mark.parametrize(
    ("mine", "others", "said", "answered"),
    [
        (0.9, 0.2, "June", "June"),  # not five times as sure
        (0.9, 0.1, "June", "May"),
        (0.9, None, "never", "May"),  # what stands in no passage
        (0.01, 0.01, "June", REFUSAL),  # neither is likely
        (0.45, None, REFUSAL, "May"),
        (0.35, None, REFUSAL, REFUSAL),
    ],
)
def test_the_surer_of_two_readers_answers(
    mine: float, others: float | None, said: str, answered: str
) -> None:
    same = [] if others is None else [Marked(0, JUNE, others)]
    model = resolve(said, HITS)
    found = extracting(Marked(0, MAY, mine), same=same).second_opinion("?", HITS, model)
    assert (found.text, found.abstained) == (answered, answered == REFUSAL)
    if answered == said:
        assert found is model
    elif model.abstained:
        assert found.decision == f"the model abstained, the extractor gives {mine:.2f} to its place"
    else:
        assert (
            found.decision
            == f"the extractor gives {mine:.2f} to its own place and {others or 0:.2f} to the model's"
        )
    assert [citation.quote for citation in found.citations] == {
        "May": ["Oil is due in May."],
        "June": ["Filters in June."],
    }.get(answered, [])


def test_what_stands_in_no_passage_is_kept_where_the_model_has_words_of_its_own() -> None:
    sure, said = extracting(Marked(0, MAY, 0.9)), resolve("yes", HITS)
    assert sure.second_opinion("?", HITS, said, own_words=True) is said
    assert sure.second_opinion("?", HITS, said).text == "May"


def test_a_models_answer_counts_by_the_best_rank_at_which_it_stands() -> None:
    said = resolve("May [2]", HITS)
    same = [Marked(1, Span(39, 42), 0.24), Marked(0, MAY, 0.2)]
    assert (
        extracting(Marked(0, JUNE, 0.9), same=same).second_opinion("?", HITS, said) is said
    )  # 0.2, not half of 0.24
    assert (
        extracting(Marked(0, JUNE, 0.9), same=same[:1]).second_opinion("?", HITS, said).text
        == "June"
    )


def test_it_writes_nothing() -> None:
    with pytest.raises(EngineError, match="writes nothing"):
        extracting().generate([], Generation())


def test_windows_are_whole_sentences_and_tables_stay_whole() -> None:
    text = " ".join(f"Sentence {n} has some words in it." for n in range(40))
    spans = windows(text, 90)
    assert spans[0].start == 0
    assert all(a.end == b.start for a, b in itertools.pairwise(spans))
    assert spans[-1].end == len(text)
    assert all(len(text[span.start : span.end].split()) <= 90 for span in spans)
    table = f"{text}\n| a | b |\n| --- | --- |\n| 1 | 2 |"
    assert windows(table, 90) == [Span(0, len(table))]
    assert windows(" \n ", 90) == []
    assert readings("Some words. Some more.", (90, 130)) == [Span(0, 22)], (
        "where both cuts are the same it is read once"
    )


def test_how_sure_it_is_of_a_place_is_the_mean_over_both_cuts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = " ".join(
        f"The pump of house {n} was built in {1900 + n} by people from the town." for n in range(14)
    )
    chunk, found = Chunk("1", "a.md", 0, len(text), text), {}
    (tmp_path / "documents").mkdir()
    with Project.create(tmp_path, Path("documents")) as project:
        extractor = project.extractor.extractor
    for words in ((90,), (130,), (90, 130)):
        monkeypatch.setattr(extractor, "_words", words)
        best, same = extractor.best_and_matching_spans(
            "When was the pump of house 3 built?", [chunk], "1903"
        )
        assert best == sorted(best, key=lambda one: -one.confidence)
        found[words] = {one.span: one.confidence for one in [*best, *same]}
    place = Span(text.index("1903"), text.index("1903") + 4)
    one, other = found[90,][place], found[130,][place]
    assert one != other
    assert found[90, 130][place] == pytest.approx(
        (one * other) ** 0.5, rel=0.05
    )  # batches round differently
    assert found[90,].keys() | found[130,].keys() == found[90, 130].keys()


def test_the_recipe_stands_alone() -> None:
    recipe = find_recipe("extract")
    assert recipe.extracts
    assert recipe.reads
    for name in ("extract+rag", "few-shot+extract"):
        with pytest.raises(SettingsError, match="can only be combined"):
            find_recipe(name)
    with pytest.raises(SettingsError, match="schema"):
        recipe.check_json()


def test_a_misspelt_reranker_is_told_which_there_is(tmp_path: Path) -> None:
    (tmp_path / "documents").mkdir()
    with Project.create(tmp_path, Path("documents")) as project:
        set_key(project.file, "retrieval", "rerank", "minilm-extracter")
    with (
        Project.open(tmp_path) as project,
        pytest.raises(ModelError, match="no model 'minilm-extracter'") as caught,
    ):
        _ = project.cross_encoder
    assert "minilm-extractor" in caught.value.hint


def test_the_extractor_ranks_passages_too(tmp_path: Path) -> None:
    (tmp_path / "documents").mkdir()
    for name, text in (
        ("oil", "The oil filter is changed every May."),
        ("pump", "The pump is painted a dark blue."),
    ):
        (tmp_path / "documents" / f"{name}.txt").write_text(text)
    with Project.create(tmp_path, Path("documents")) as project:
        project.ingest()
        found = project.retrieve("When does one change the filter of the oil?", 2)
        set_key(project.file, "retrieval", "rerank", "minilm-extractor")
    with Project.open(tmp_path) as project:
        encoder = project.cross_encoder
        check_cross_encoder(encoder, tolerance=0.2)
        assert (encoder.name, encoder.weight) == (
            "minilm-extractor",
            project.extractor.rerank_weight,
        )
        right, wrong = encoder.scores(
            "Which colour has the pump?", ["It is dark blue.", "Bring a towel."]
        )
        assert right > wrong
        again = project.retrieve("When does one change the filter of the oil?", 2)
        assert [hit.chunk.id for hit in again] == [hit.chunk.id for hit in found]
        assert again[0].score == 1, "best for both"
