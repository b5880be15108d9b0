import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from acclimate.embeddings.batches import make_batches


@settings(deadline=None, max_examples=60)
@given(st.lists(st.integers(0, 90), max_size=60), st.integers(1, 400))
def test_every_text_is_in_one_batch_within_the_budget(lengths, budget):
    ids = [[row + 1] * length for row, length in enumerate(lengths)]
    batches = list(make_batches(ids, budget))
    assert sorted(int(row) for batch in batches for row in batch.rows) == list(range(len(lengths)))
    for batch in batches:
        assert batch.ids.size <= budget or len(batch.rows) == 1
        np.testing.assert_array_equal(batch.ids, (batch.rows + 1)[:, None] * batch.mask)
        assert [int(n) for n in batch.mask.sum(1)] == [lengths[row] for row in batch.rows]


def test_padding_is_a_small_share_of_a_usual_corpus():
    lengths = np.random.default_rng(0).integers(20, 250, 1000)
    batches = list(make_batches([[1] * n for n in lengths], 1024))
    assert sum(batch.mask.size for batch in batches) < 1.03 * lengths.sum()
    assert len(batches) < 200
