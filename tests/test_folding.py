"""Unicode forms: what reads the same folds to the same, and every place leads back to the original."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from acclimate.text.folding import alike, matched, plain, squeezed
from acclimate.text.locating import find_all, find_words

FORMS = (plain, alike, matched)
TEXTS = st.text(
    st.one_of(
        st.characters(exclude_categories=["Cs"]),
        st.sampled_from("aé\u0301\u00ad\n \u200b\u200dﬃ２½²⁶ß×İı™‑–“’ｶﾞ한ᅡ\u0650١\ufe0f"),
    ),
    max_size=30,
)


@given(TEXTS)
@pytest.mark.parametrize("form", FORMS)
def test_a_traced_text_is_the_folded_one_and_its_places_are_the_originals_in_order(form, text):
    traced = form.trace(text)
    assert traced.text == form(text)
    assert len(traced.starts) == len(traced.ends) == len(traced.text)
    assert list(traced.starts) == sorted(traced.starts)
    assert all(
        0 <= start < end <= len(text) for start, end in zip(traced.starts, traced.ends, strict=True)
    )


@given(st.text("aäöüéßABCâñç ", max_size=20))
def test_composed_and_decomposed_texts_fold_to_the_same(text):
    for form in FORMS:
        assert form(unicodedata.normalize("NFD", text)) == form(unicodedata.normalize("NFC", text))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("oﬃce", "office"),
        ("ex\u00adchan\u00adger", "exchanger"),
        ("ex\u00ad\n  changer", "exchanger"),
        ("zero\u200bwidth\ufeff", "zerowidth"),
        ("AX\u20117710", "AX-7710"),
        ("12\u202f500\u00a0kg", "12 500 kg"),
        ("ＡＸ２００", "AX200"),
        ("“quoted” ‘it’", "\"quoted\" 'it'"),
        ("m² of CO₂", "m2 of CO2"),
        ("1½ ″", '1 1/2 "'),
        ("Straße", "STRASSE"),
        ("İSTANBUL", "istanbul"),
        ("מַיִם", "מים"),
        ("مُحَمَّد", "محمد"),
        ("٢٠٢٦", "2026"),
        ("ｶﾞｽ", "ガス"),
        ("M8 × 20", "m8 x 20"),
        ("Acme™", "acme"),
    ],
)
def test_what_reads_the_same_matches(one, other):
    assert squeezed(one) == squeezed(other)


@pytest.mark.parametrize(
    ("one", "other"), [("10⁶", "106"), ("10½", "101/2"), ("naive", "naïve"), ("й", "и"), ("é", "e")]
)
def test_what_reads_otherwise_does_not(one, other):
    assert matched(one) != matched(other)


def test_models_get_quotes_and_powers_as_they_are():
    assert plain("“10⁶” ﬁles – it’s") == "“10⁶” files – it’s"


def test_words_are_found_at_their_place_in_the_original():
    text = "The heat ex\u00adchan\u00adger and the Ku\u0308hler last 15\u00a0years."
    for words, original in [
        ("heat exchanger", "heat ex\u00adchan\u00adger"),
        ("KÜHLER", "Ku\u0308hler"),
        ("15 years", "15\u00a0years"),
    ]:
        span = find_words(words, text)
        assert text[span.start : span.end] == original
    assert [text[span.start : span.end] for span in find_all("kühler", text)] == ["Ku\u0308hler"]
    assert find_words("hler", text) is None, "part of a word"


@pytest.mark.parametrize("asked", ["AX200B", "ax-200-b", "AX 200 B", "AX_200.B", "AX/200/B"])
def test_a_code_is_found_in_another_spelling(asked):
    text = "The valves AX-200-A, AX-200-BX and AX-200-B."
    span = find_words(asked, text)
    assert (span.start, text[span.start : span.end]) == (text.rindex("AX"), "AX-200-B")
    assert find_words("AX-200", "AX-2001") is None
