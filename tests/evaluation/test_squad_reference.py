"""EM and F1 against the algorithm of SQuAD's official evaluation script (evaluate-v2.0.py), written out step by step.

Source: https://rajpurkar.github.io/SQuAD-explorer/ and arXiv 1606.05250, section 6.1.
"""

import collections
import re
import string

from hypothesis import given, settings
from hypothesis import strategies as st

from acclimate.evaluation.metrics import exact_match, f1

TOKENS = [
    "the",
    "The",
    "a",
    "an",
    "cat",
    "Cat's",
    "U.S.",
    "1,000",
    "—",
    "“x”",
    "été",
    "and",
    "theatre",
    "an-a",
    "_",
    " ",
]
texts = st.lists(st.sampled_from(TOKENS) | st.text(max_size=4), max_size=8).map(" ".join)


def official_tokens(text):
    """Lower case, punctuation out character by character, articles to blanks, white space split: in this order."""
    text = "".join(letter for letter in text.lower() if letter not in set(string.punctuation))
    return re.compile(r"\b(a|an|the)\b", re.UNICODE).sub(" ", text).split()


def official_exact(gold, said):
    return int(" ".join(official_tokens(gold)) == " ".join(official_tokens(said)))


def official_f1(gold, said):
    gold_tokens, said_tokens = official_tokens(gold), official_tokens(said)
    same = sum((collections.Counter(gold_tokens) & collections.Counter(said_tokens)).values())
    if not gold_tokens or not said_tokens:
        return int(gold_tokens == said_tokens)
    if same == 0:
        return 0
    precision, recall = same / len(said_tokens), same / len(gold_tokens)
    return 2 * precision * recall / (precision + recall)


@settings(max_examples=400, deadline=None)
@given(texts, st.lists(texts, min_size=1, max_size=3))
def test_scores_are_the_official_ones(said, golds):
    assert exact_match(said, golds) == max(official_exact(gold, said) for gold in golds)
    assert abs(f1(said, golds) - max(official_f1(gold, said) for gold in golds)) < 1e-12
