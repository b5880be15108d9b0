"""Trains a reader adapter that ships with a model of the catalogue.

    python -m training.reader --data ../shared/data/squad-train --out DIR --minutes 60 [--model NAME] [--rank 16]

The reader learns to answer from numbered passages with the shortest exact answer and its passage's number, or to say
that they do not hold it. A training sequence is a set of passages as retrieval shows them (the gold passage among hard
negatives that BM25 finds), the questions about the gold passage, and a question or two that the set does not answer.
"""

from __future__ import annotations

import argparse
import logging
import random
import re
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from acclimate.files import jsonlines
from acclimate.tuning.allocator import use_large_blocks

if __name__ == "__main__":
    use_large_blocks("training.reader")

import tantivy
from transformers import AutoModelForCausalLM

from acclimate.models.chat import ChatFormat
from acclimate.models.compute import compute_type
from acclimate.models.fetch import resolve
from acclimate.models.gguf import read_info, read_tokenizer
from acclimate.prompting.passages import REFUSAL, render_passages
from acclimate.prompting.templates import load_template
from acclimate.tuning.cases import Case, encode
from acclimate.tuning.lora import load_adapter
from acclimate.tuning.packing import Example, Packed, pack
from acclimate.tuning.parallel import own_device
from acclimate.tuning.trainer import Sampler, Trainer, TrainSettings
from acclimate.types import Chunk
from training import facts

HELD_OUT = 48  # the last articles, never trained on
MAX_TOKENS = 4000
MAX_QUESTIONS = 14
MADE_SHARE = 0.2  # of the sequences, from facts


@dataclass(frozen=True)
class Asked:
    """A question whose answer stands in the passage `chunk`."""

    question: str
    answer: str
    chunk: int


class ReaderData:
    """Passages of some articles, the questions about each, and BM25 over them."""

    def __init__(self, folder: Path, articles: slice, rng: random.Random) -> None:
        names = sorted(path.name for path in (folder / "documents").iterdir())[articles]
        self.chunks: list[Chunk] = []
        self.of_article: dict[str, list[int]] = defaultdict(list)
        for name in names:
            text = (folder / "documents" / name).read_text(encoding="utf-8")
            title = re.sub(r"^\d+-|\.txt$", "", name).replace("-", " ")
            for start, end in _cut(text, rng):
                self.of_article[name].append(len(self.chunks))
                self.chunks.append(
                    Chunk(str(len(self.chunks)), name, start, end, text[start:end], title)
                )
        self.asked: dict[int, list[Asked]] = defaultdict(list)
        for _, row in jsonlines.read_rows(folder / "questions.jsonl"):
            for index in self.of_article.get(row["document"], []):
                answer = row["answers"][0].strip().rstrip(".,;:")
                if (
                    answer
                    and row["evidence"] in self.chunks[index].text
                    and answer in row["evidence"]
                ):
                    self.asked[index].append(Asked(row["question"].strip(), answer, index))
                    break
        self.golds = sorted(self.asked)
        schema = tantivy.SchemaBuilder()
        schema.add_text_field("text", tokenizer_name="en_stem")
        schema.add_unsigned_field("key", stored=True)
        self._index = tantivy.Index(schema.build())
        writer = self._index.writer(heap_size=64_000_000, num_threads=1)
        for key, chunk in enumerate(self.chunks):
            writer.add_document(tantivy.Document(text=f"{chunk.title}\n{chunk.text}", key=key))
        writer.commit()
        self._index.reload()
        self._searcher = self._index.searcher()

    def search(self, query: str, k: int) -> list[int]:
        """BM25's best passages."""
        words = " ".join(re.findall(r"\w+", query.lower()))
        parsed, _ = self._index.parse_query_lenient(words, ["text"])
        return [
            self._searcher.doc(address)["key"][0]
            for _, address in self._searcher.search(parsed, k).hits
        ]


def _cut(text: str, rng: random.Random) -> list[tuple[int, int]]:
    """Whole paragraphs up to a length, or sentences of a longer one: passages as the product cuts them."""
    words = rng.choice((50, 80, 110, 140, 140, 170, 190))
    units = []
    for paragraph in re.finditer(r"\S[\s\S]*?(?=\n\s*\n|\Z)", text):
        if len(paragraph[0].split()) <= words * 1.3:
            units.append((paragraph.start(), paragraph.end()))
        else:
            first = paragraph.start()
            sentences = re.finditer(r"\S[\s\S]*?(?:[.!?](?=\s)|\Z)", paragraph[0])
            units += [(first + sentence.start(), first + sentence.end()) for sentence in sentences]
    spans: list[tuple[int, int]] = []
    for start, end in units:
        if spans and len(text[spans[-1][0] : end].split()) <= words:
            spans[-1] = (spans[-1][0], end)
        else:
            spans.append((start, end))
    return spans


class ReaderSampler:
    """Draws training sequences from the data, in the words of the product's own prompt."""

    def __init__(self, data: ReaderData, chat: ChatFormat) -> None:
        self._data, self._chat, self._template = data, chat, load_template("rag")

    def __call__(self, rng: random.Random) -> Packed:
        """One gold passage among others, the questions about any of them, and some that nothing shown answers."""
        if rng.random() < MADE_SHARE:
            return self._made(rng)
        gold = rng.choice(self._data.golds)
        shown = self._shown(gold, rng.choice(self._data.asked[gold]).question, rng)
        pairs = []
        for place, index in enumerate(shown, start=1):
            asked = self._data.asked.get(index, [])
            for item in rng.sample(asked, min(5 if index == gold else 3, len(asked))):
                pairs.append((item.question, f"{item.answer} [{place}]"))  # noqa: PERF401
        pairs += [(question, REFUSAL) for question in self._unanswerable(gold, shown, rng)]
        return self._pack([self._data.chunks[index] for index in shown], pairs, rng)

    def _made(self, rng: random.Random) -> Packed:
        """A made-up passage among real ones or other made-up ones."""
        made = facts.make(rng)
        others = [
            Chunk("", "", 0, 0, other.text, other.title)
            for other in map(facts.make, [rng] * rng.randint(0, 2))
        ]
        others += rng.sample(self._data.chunks, rng.randint(0, 2))
        place = rng.randint(0, len(others))
        chunks = [
            *others[:place],
            Chunk("", "", 0, len(made.text), made.text, made.title),
            *others[place:],
        ]
        pairs = [(question, f"{answer} [{place + 1}]") for question, answer in made.pairs]
        return self._pack(
            chunks, pairs + [(question, REFUSAL) for question in made.unanswerable], rng
        )

    def _pack(
        self, chunks: list[Chunk], pairs: list[tuple[str, str]], rng: random.Random
    ) -> Packed:
        titled = rng.random() < 0.85
        passages = render_passages(
            chunks if titled else [replace(chunk, title="") for chunk in chunks]
        )
        return pack(
            [
                self.example(passages, question, answer)
                for question, answer in rng.sample(pairs, min(len(pairs), MAX_QUESTIONS))
            ],
            MAX_TOKENS,
        )

    def example(self, passages: str, question: str, answer: str) -> Example:
        """Tokens of one prompt and answer."""
        messages = self._template.render({"passages": passages, "question": question})
        return encode(Case(tuple(messages), answer), self._chat)

    def _shown(self, gold: int, query: str, rng: random.Random) -> list[int]:
        count = rng.choice((0, 1, 2, 3, 3, 3, 3, 3, 4))
        found = [index for index in self._data.search(query, 12) if index != gold]
        article = [
            index
            for index in self._data.of_article[self._data.chunks[gold].document]
            if index != gold
        ]
        pool = found[: count + 2] + rng.sample(article, min(2, len(article)))
        others = rng.sample(sorted(set(pool)), min(count, len(set(pool))))
        # Retrieval puts the right passage first more often than not.
        place = 0 if rng.random() < 0.35 else rng.randint(0, len(others))
        return [*others[:place], gold, *others[place:]]

    def _unanswerable(self, gold: int, shown: list[int], rng: random.Random) -> list[str]:
        """Questions of the same article whose passage is not shown and whose answer stands nowhere in what is."""
        text = " ".join(self._data.chunks[index].text for index in shown).casefold()
        article = self._data.of_article[self._data.chunks[gold].document]
        others = [
            item
            for index in article
            if index not in shown
            for item in self._data.asked.get(index, [])
        ]
        hard = [item.question for item in others if item.answer.casefold() not in text]
        return rng.sample(hard, min(len(hard), rng.choice((0, 1, 2, 2, 3))))


def train(sampler: Callable[[ReaderData, ChatFormat], Sampler], about: str | None) -> None:
    """Read the options, train on what `sampler` draws from the data, leave `adapter/` in --out."""
    parser = argparse.ArgumentParser(description=about)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--model", default="smollm2-135m-instruct", help="of the catalogue")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--minutes", type=float, default=60)
    parser.add_argument("--rate", type=float, default=1e-3, help="peak learning rate")
    parser.add_argument("--rank", type=int, default=16, help="of the LoRA; its scale is twice that")
    parser.add_argument(
        "--seed", type=int, default=0, help="draws other sequences: change it for a further phase"
    )
    parser.add_argument("--start", type=Path, help="an adapter to go on from, with a new schedule")
    options = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    base = resolve(options.model, "language")
    chat = ChatFormat(read_tokenizer(base.weights), read_info(base.weights).chat_template, "")
    model = AutoModelForCausalLM.from_pretrained(
        base.weights.parent,
        gguf_file=base.weights.name,
        dtype=compute_type(own_device(), training=True),
        attn_implementation="sdpa",
    )
    data = ReaderData(options.data, slice(0, -HELD_OUT), random.Random(1))
    dev = sampler(ReaderData(options.data, slice(-HELD_OUT, None), random.Random(2)), chat)
    logging.info("%d passages, %d questions", len(data.chunks), sum(map(len, data.asked.values())))
    trainer = Trainer(
        model,
        base.name,
        options.out,
        TrainSettings(
            minutes=options.minutes,
            learning_rate=options.rate,
            seed=options.seed,
            r=options.rank,
            alpha=2.0 * options.rank,
        ),
    )
    if options.start and not trainer.step:
        load_adapter(model, options.start)
    trainer.run(sampler(data, chat), [dev(random.Random(seed)) for seed in range(24)])


if __name__ == "__main__":
    train(ReaderSampler, __doc__)
