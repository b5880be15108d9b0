"""Fitting passages: the most that fits, best first, and never a cut."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from acclimate.errors import PromptTooLongError
from acclimate.prompting.budget import fit, groups, shorten
from acclimate.types import Chunk, Hit, Message

OVERHEAD = 5


def hits_of(sizes):
    return [Hit(Chunk(str(i), "d", 0, size, "x" * size), 1.0, i) for i, size in enumerate(sizes, 1)]


def render(hits):
    return (Message("user", "".join(hit.chunk.text for hit in hits)),)


def count(messages):
    return OVERHEAD + sum(len(message.content) for message in messages)


@given(st.lists(st.integers(1, 50), max_size=8), st.integers(OVERHEAD, 200))
def test_shows_the_longest_prefix_that_fits(sizes, limit):
    hits = hits_of(sizes)
    if sizes and OVERHEAD + sizes[0] > limit:
        with pytest.raises(PromptTooLongError):
            fit(hits, render, count, limit, "drop-lowest")
        return
    prompt = fit(hits, render, count, limit, "drop-lowest")
    assert [*prompt.passages, *prompt.dropped] == hits
    assert prompt.tokens == count(prompt.messages) <= limit
    if prompt.dropped:
        assert prompt.tokens + len(prompt.dropped[0].chunk.text) > limit


def test_refuse_names_both_numbers():
    with pytest.raises(PromptTooLongError, match=r"25 tokens with 2 passages; 20 fit") as caught:
        fit(hits_of([10, 10]), render, count, 20, "refuse")
    assert "[retrieval] k" in caught.value.hint


def test_a_question_that_alone_is_too_long_is_refused():
    with pytest.raises(PromptTooLongError, match="0 passages"):
        fit([], render, count, OVERHEAD - 1, "drop-lowest")


TEXT = "The pump is grey. It weighs 117 kg, dry. A table follows.\nPrice | 12 euros\nThe end of it all."
TEXTS = st.lists(
    st.sampled_from(["A pump weighs 9 kg. ", "Refunds take a week.\n", "Yes! ", "x y z. "]),
    min_size=1,
    max_size=9,
)


def texts_of(texts):
    return [
        Hit(
            Chunk(str(i), "d", 7, 7 + len(text), text, page=1, breaks=(7 + len(text) // 2,)), 1.0, i
        )
        for i, text in enumerate(texts, 1)
    ]


def test_what_is_left_of_a_passage_holds_the_questions_words():
    (hit,) = texts_of([TEXT])
    short = shorten(hit, "How much does the pump weigh in kg?", 0.4).chunk
    assert "117 kg" in short.text
    assert short.text == TEXT[short.start - 7 : short.end - 7]
    assert len(short.text) <= 0.4 * len(TEXT)
    assert shorten(hit, "Which price?", 0.0).chunk.text == "Price | 12 euros"
    assert shorten(hit, "Price?", 0.0).chunk.page == 2
    assert shorten(hit, "Nothing of it", 1.0) == hit


@given(st.lists(TEXTS.map("".join), min_size=1, max_size=6), st.integers(OVERHEAD, 260))
def test_compressing_shows_spans_of_the_passages_within_the_limit(texts, limit):
    hits = texts_of(texts)
    try:
        prompt = fit(hits, render, count, limit, "compress", "How heavy is a pump?")
    except PromptTooLongError:
        assert count(render([shorten(hits[0], "How heavy is a pump?", 0.0)])) > limit
        return
    assert prompt.tokens == count(prompt.messages) <= limit
    for hit in prompt.passages:
        whole = texts[hit.rank - 1]
        assert hit.chunk.text == whole[hit.chunk.start - 7 : hit.chunk.end - 7]
    if count(render(hits)) <= limit:
        assert (prompt.overflow, prompt.cut, prompt.passages) == ("", 0, tuple(hits))
    elif prompt.overflow == "compress":
        assert len(prompt.passages) == len(hits)
        assert prompt.cut > 0
        assert not prompt.dropped
    else:
        assert prompt.overflow == "drop-lowest"
        assert len(prompt.passages) + len(prompt.dropped) == len(hits)


@given(st.lists(TEXTS.map("".join), min_size=1, max_size=6), st.integers(OVERHEAD + 30, 120))
def test_groups_show_every_word_once(texts, limit):
    prompts = groups(texts_of(texts), render, count, limit)
    assert all(prompt.tokens <= limit for prompt in prompts)
    shown = [hit.chunk for prompt in prompts for hit in prompt.passages]
    assert "".join(chunk.text for chunk in shown) == "".join(texts)


def test_a_sentence_beyond_the_window_is_refused_by_every_policy():
    for policy in ("drop-lowest", "compress", "map-reduce", "refuse"):
        with pytest.raises(PromptTooLongError):
            fit(hits_of([50]), render, count, 20, policy)
    with pytest.raises(PromptTooLongError):
        groups(hits_of([50]), render, count, 20)
