"""Splits keep documents whole, and leaks are found in every form."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from acclimate.errors import SettingsError
from acclimate.questions.splitting import leaks, split
from acclimate.testing.embeddings import HashEmbedder
from acclimate.types import Question

SHARES = {"train": 50.0, "dev": 15.0, "test": 35.0}


def embed(texts):
    return HashEmbedder().embed_queries(list(texts))


def ask(number, document=None, text=None, answers=("x",), split="", documents=()):
    return Question(
        str(number), text or f"What is {number}?", answers, document, answerable=bool(answers), split=split,
        documents=documents,
    )  # fmt: skip


documents = st.lists(
    st.sampled_from([f"{n}.md" for n in range(12)]), min_size=1, max_size=2, unique=True
)


@settings(max_examples=60, deadline=None)
@given(st.lists(documents, min_size=1, max_size=40))
def test_no_document_is_on_two_sides(sets):
    asked = [ask(n, some[0], documents=tuple(some)) for n, some in enumerate(sets)]
    side = {}
    for question in split(asked, SHARES):
        for path in question.documents:
            assert side.setdefault(path, question.split) == question.split
    assert split(asked, SHARES) == split(asked, SHARES)


def test_shares_are_met_and_earlier_splits_stay():
    asked = [ask(n, f"{n}.md", split="test" if n == 0 else "") for n in range(100)]
    done = split(asked, SHARES)
    assert done[0].split == "test"
    assert [sum(q.split == side for q in done) for side in SHARES] == [50, 15, 35]
    more = split([*done, ask(100, "0.md")], SHARES)
    assert more[-1].split == "test"


def test_contradictions_and_nonsense_are_refused():
    torn = [ask(1, "a.md", split="train"), ask(2, "a.md", split="test")]
    with pytest.raises(SettingsError, match=r"a\.md stand in test and train"):
        split(torn, SHARES)
    assert len({question.split for question in split(torn, SHARES, again=True)}) == 1
    with pytest.raises(SettingsError, match="are not shares"):
        split(torn, {"train": 0.0})


def test_leaks_of_every_form():
    learnt = [
        ask(1, "a.md", "What does the Aura 9 weigh?", ("117 kg",)),
        ask(2, "b.md", "Who opened the factory in Moss in the year 1987?", ("Ada Holm",)),
        ask(3, None, "What is the weight of the very large Aura 6 pump?", ("98 kg",)),
    ]
    asked = [
        ask(11, "c.md", "what does the aura 9  weigh", ("117 kg",)),
        ask(12, "a.md", "Something else entirely?", ("y",)),
        ask(13, "d.md", "Who opened the factory in Moss in the year 1987 ?!", ("Ada Holm",)),
        ask(14, "e.md", "What is the weight of the very large Aura 6 pump, please?", ("98 kg",)),
        ask(15, "f.md", "What is the weight of the very large Aura 9 pump?", ("117 kg",)),
        ask(16, "g.md", "Which colour has the lorry?", ("red",)),
    ]
    found = {(leak.second.id, leak.kind) for leak in leaks(learnt, asked, embed)}
    assert {("11", "same question"), ("12", "same document"), ("13", "same question")} <= found
    assert not {second for second, _ in found} & {"15", "16"}
    (near,) = [
        leak
        for leak in leaks(learnt, asked, lambda texts: embed(["same"] * len(texts)))
        if leak.second.id == "14"
    ]
    assert (near.kind, near.first.id) == ("near duplicate", "3")
    assert near.similarity == pytest.approx(1.0)
    assert leaks([], asked, embed) == leaks(learnt, [], embed) == []
