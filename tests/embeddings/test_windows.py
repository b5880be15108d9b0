import re

from hypothesis import given
from hypothesis import strategies as st

from acclimate.embeddings.windows import cut
from acclimate.types import Span


def tokens_of(text: str) -> list[Span]:
    """Pieces of at most four letters, as of a word-piece tokenizer."""
    return [Span(*match.span()) for match in re.finditer(r"\w{1,4}|[^\w\s]", text)]


@given(st.text("ab c,\n", max_size=400), st.integers(1, 40))
def test_windows_hold_all_of_the_text_and_no_more_tokens_than_asked(text, most):
    windows = cut(text, tokens_of(text), most)
    assert "".join(windows) == text
    if most > 8:  # a word of fewer tokens than half a window is never cut
        assert all(len(tokens_of(window)) <= most for window in windows)


def test_windows_are_even_and_cut_between_words():
    text = "words of four " * 30
    windows = cut(text, tokens_of(text), 100)
    assert all(window.strip().split()[0] in {"words", "of", "four"} for window in windows)
    sizes = [len(tokens_of(window)) for window in windows]
    assert len(sizes) == 2
    assert max(sizes) - min(sizes) <= 4
