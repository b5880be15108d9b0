"""Trains the question writer that ships with the default model: a passage in, answers with their questions out.

    python -m training.writer --data ../shared/data/squad-train --out DIR --minutes 40 --rate 8e-4 \
        --start src/acclimate/adapters/smollm2-135m-reader

It learns the questions that people asked about passages of squad-train's articles (the last 48 are held out, as for the
reader), but only those that find their passage among all others: “When did he die?” cannot be asked of a library. One
passage in six is a made-up table, list or contrast.
"""

from __future__ import annotations

import random
from collections import defaultdict

from acclimate.tuning.allocator import use_large_blocks

if __name__ == "__main__":
    use_large_blocks("training.writer")

from acclimate.models.chat import ChatFormat
from acclimate.questions.writer import ask_for_pairs, told_pairs
from acclimate.tuning.cases import Case, encode
from acclimate.tuning.packing import Example, Packed, pack
from acclimate.types import Chunk
from training import facts
from training.reader import MAX_TOKENS, ReaderData, train

PASSAGES = 4  # of a sequence
PAIRS = 4  # at most, about one passage
FOUND_IN = 3  # passages among which a question must find its own
MADE_SHARE = 1 / 6
LONGEST = 12  # words of an answer


class WriterSampler:
    """Draws training sequences: some passages that do not see each other, each with what was asked about it."""

    def __init__(self, data: ReaderData, chat: ChatFormat) -> None:
        self._data, self._chat = data, chat
        self._pairs: dict[int, list[tuple[str, str]]] = defaultdict(list)
        for index, asked in data.asked.items():
            for one in asked:
                short = len(one.answer.split()) <= LONGEST and one.question.endswith("?")
                if short and index in data.search(one.question, FOUND_IN):
                    self._pairs[index].append((one.question, one.answer))
        self._chunks = sorted(index for index, pairs in self._pairs.items() if len(pairs) > 1)

    def __call__(self, rng: random.Random) -> Packed:
        return pack([self._example(rng) for _ in range(PASSAGES)], MAX_TOKENS)

    def _example(self, rng: random.Random) -> Example:
        if rng.random() < MADE_SHARE:
            made = facts.make(rng)
            chunk, pairs = Chunk("", "", 0, len(made.text), made.text, made.title), list(made.pairs)
        else:
            index = rng.choice(self._chunks)
            chunk, pairs = self._data.chunks[index], self._pairs[index]
        text = told_pairs(rng.sample(pairs, min(PAIRS, len(pairs))))
        return encode(Case((ask_for_pairs(chunk),), text), self._chat)


if __name__ == "__main__":
    train(WriterSampler, __doc__)
