import numpy as np
import pytest

from acclimate.testing.embeddings import HashEmbedder, check_embedder
from acclimate.types import Span


class Unnormalised(HashEmbedder):
    def embed_passages(self, texts, on_done=None):
        return 2 * super().embed_passages(texts, on_done)


class Reordering(HashEmbedder):
    def embed_passages(self, texts, on_done=None):
        return super().embed_passages(sorted(texts), on_done)


class Overrunning(HashEmbedder):
    def token_spans(self, text):
        return [*super().token_spans(text), Span(len(text), len(text) + 1)]


class Silent(HashEmbedder):
    def embed_passages(self, texts, on_done=None):
        return super().embed_passages(texts)


def test_contract():
    check_embedder(HashEmbedder)


@pytest.mark.parametrize(
    ("broken", "rule"),
    [
        (Unnormalised, "length 1"),
        (Reordering, "any company"),
        (Overrunning, "within the text"),
        (Silent, "on_done"),
    ],
)
def test_the_contract_check_finds_what_is_broken(broken, rule):
    with pytest.raises(AssertionError, match=rule):
        check_embedder(broken)


def test_texts_that_share_words_are_close():
    cat, mat, money = HashEmbedder(256).embed_passages(
        ["the cat sat on the mat", "a cat on a mat", "30 euros a month"]
    )
    assert cat @ mat > cat @ money + 0.2
    np.testing.assert_array_equal(
        HashEmbedder(256).embed_queries(["The CAT sat on the mat"])[0], cat
    )
