from dataclasses import dataclass

import pytest

from acclimate.retrieval.rerank import RerankingRetriever
from acclimate.testing.rerank import OverlapCrossEncoder, check_cross_encoder
from acclimate.types import Chunk, Hit

TEXTS = [
    "about lunch",
    "the pump needs oil",
    "the pump",
    "oil for the pump every year",
    "nothing",
    "pump oil",
]


@dataclass
class Found:
    """A search that found `TEXTS` in their order."""

    asked: int = 0

    def retrieve(self, query: str, k: int) -> list[Hit]:
        self.asked = k
        if not query.strip():
            return []
        hits = [
            Hit(Chunk(str(n), "d", 0, len(t), t), 1 - n / 10, n + 1) for n, t in enumerate(TEXTS)
        ]
        return hits[:k]


def ids(hits: list[Hit]) -> list[str]:
    return [hit.chunk.id for hit in hits]


def test_the_encoder_orders_and_ties_keep_the_search() -> None:
    hits = RerankingRetriever(Found(), OverlapCrossEncoder(), 6).retrieve("pump oil", 6)
    assert ids(hits) == ["1", "3", "5", "2", "0", "4"]
    assert [hit.rank for hit in hits] == [1, 2, 3, 4, 5, 6]
    assert [hit.score for hit in hits] == sorted((hit.score for hit in hits), reverse=True)


def test_only_the_candidates_are_read_and_the_rest_follows() -> None:
    encoder = OverlapCrossEncoder()
    found = Found()
    hits = RerankingRetriever(found, encoder, 3).retrieve("pump oil", 6)
    assert (encoder.texts, found.asked) == (3, 6)
    assert ids(hits) == ["1", "2", "0", "3", "4", "5"]
    assert [hit.score for hit in hits] == sorted((hit.score for hit in hits), reverse=True)


def test_more_is_searched_than_is_wanted() -> None:
    found = Found()
    assert ids(RerankingRetriever(found, OverlapCrossEncoder(), 5).retrieve("every year", 1)) == [
        "3"
    ]
    assert found.asked == 5


@pytest.mark.parametrize(("weight", "order"), [(0.0, "012345"), (0.5, "132054"), (1.0, "135204")])
def test_the_weight_shares_the_score(weight: float, order: str) -> None:
    hits = RerankingRetriever(Found(), OverlapCrossEncoder(), 6, weight).retrieve("pump oil", 6)
    assert ids(hits) == list(order)


def test_blank_queries_and_equal_scores() -> None:
    retriever = RerankingRetriever(Found(), OverlapCrossEncoder(), 6)
    assert retriever.retrieve(" ", 3) == []
    assert ids(retriever.retrieve("unheard", 3)) == ["0", "1", "2"]


def test_the_test_encoder_keeps_the_contract() -> None:
    check_cross_encoder(OverlapCrossEncoder())
