"""Trains the extractor that ships: one encoder that ranks passages for a question and marks the answer in them.

    python -m training.extractor --data SQUAD_TRAIN --claims SCIFACT --out DIR --minutes 75

It starts from the default embedder, from another BERT's layers over that one's embeddings
(`--layers`: what ships, see its card), or from weights that it saved (`--start`). Of squad-train's
articles the last 48 are held out, as for the reader, and 8 more are dev; other sets of the same
form come beside it (`--more`). It reads windows of some sentences, cut anew in each pass; wrong
ones are BM25's best without the answer. One process trains on each core (`--processes`).
"""

from __future__ import annotations

import argparse
import itertools
import logging
import os
import random
import re
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from acclimate.files import jsonlines
from acclimate.tuning.allocator import use_large_blocks

if __name__ == "__main__":
    use_large_blocks("training.extractor")

import tantivy
import torch
from tokenizers import Tokenizer

from acclimate.chunking.cuts import SENTENCE_END, strip
from acclimate.documents.parsers import parse
from acclimate.embeddings.tuned import read_trained
from acclimate.embeddings.weights import read_weights
from acclimate.models.fetch import resolve
from acclimate.tuning.encoders.model import JointEncoder, save_trained
from acclimate.tuning.encoders.pairs import Encoded, TextPair, batches, encode_pair
from acclimate.tuning.encoders.trainer import EncoderSettings, EncoderTrainer
from acclimate.types import Span
from benchmarks.retrieval import read_set
from training import facts

HELD_OUT, DEV = 48, 8  # articles: the last 48 as for the reader, the 8 before them
MAX_TOKENS = 192
WORDS = (40, 60, 80, 90, 110, 130)  # of a window, drawn for each question and article
WRONG = 0.4  # wrong windows for each question
MADE, CLAIMS = 0.12, 0.03  # beside each of these pairs
PAIRS, MICRO = 32, 16  # a step's pairs in each process, and those computed together
EMBEDDER, FROZEN = "all-minilm-l6-v2", 0  # layers; the embeddings stay as they are


class Bm25:
    """The best windows for a question."""

    def __init__(self, texts: Sequence[str]) -> None:
        schema = tantivy.SchemaBuilder()
        schema.add_text_field("text", tokenizer_name="en_stem")
        schema.add_unsigned_field("key", stored=True)
        self._index = tantivy.Index(schema.build())
        writer = self._index.writer(heap_size=64_000_000, num_threads=1)
        for key, text in enumerate(texts):
            writer.add_document(tantivy.Document(text=text, key=key))
        writer.commit()
        self._index.reload()
        self._searcher = self._index.searcher()

    def __call__(self, query: str, k: int) -> list[int]:
        words = " ".join(re.findall(r"\w+", query.lower()))
        parsed, _ = self._index.parse_query_lenient(words, ["text"])
        return [
            self._searcher.doc(address)["key"][0]
            for _, address in self._searcher.search(parsed, k).hits
        ]


@dataclass(frozen=True)
class Window:
    """Some sentences of an article, with its title."""

    article: str
    title: str
    text: str


class Data:
    """Pairs from a set's documents: each question with a window that holds its answer, many with another.

    `share` of the questions, drawn anew in each pass.
    """

    def __init__(self, folder: Path, articles: slice, share: float = 1.0) -> None:
        names = sorted(path.name for path in (folder / "documents").iterdir())[articles]
        self._documents = {name: parse(folder / "documents" / name, name) for name in names}
        rows = jsonlines.read_rows(folder / "questions.jsonl")
        self._rows = [row for _, row in rows if row["document"] in self._documents]
        self._share = share

    def draw(self, seed: int) -> tuple[list[TextPair], list[TextPair]]:
        """All right pairs and their wrong ones, with windows of their own for each seed."""
        rng = random.Random(seed)
        windows = [
            Window(name, document.title, document.text[span.start : span.end])
            for name, document in self._documents.items()
            for span in windows_of(document.text, rng.choice(WORDS))
        ]
        search = Bm25([f"{window.title}\n{window.text}" for window in windows])
        rights: list[TextPair] = []
        wrongs: list[TextPair] = []
        for row in self._rows:
            if rng.random() >= self._share:
                continue
            document = self._documents[row["document"]]
            answer = row["answers"][0].strip().rstrip(".,;:") if row["answers"] else ""
            if not answer or answer not in (row["evidence"] or ""):
                continue
            question = row["question"].strip()
            at = document.text.find(row["evidence"])
            if at < 0:
                continue
            shown = around(document.text, Span(at, at + len(row["evidence"])), rng)
            start = at + row["evidence"].index(answer) - shown.start
            text = document.text[shown.start : shown.end]
            rights.append(
                TextPair(question, document.title, text, True, Span(start, start + len(answer)))
            )
            if rng.random() < WRONG:
                found = [windows[i] for i in search(question, 8)]
                lacking = [
                    window for window in found if answer.casefold() not in window.text.casefold()
                ]
                if lacking:
                    # The best of them most often: that is what stands beside the right passage when it is asked.
                    chosen = lacking[min(int(rng.expovariate(0.6)), len(lacking) - 1)]
                    wrongs.append(TextPair(question, chosen.title, chosen.text, False))
        logging.info("%d windows, %d right pairs, %d wrong", len(windows), len(rights), len(wrongs))
        return rights, wrongs


def mixed(sets: Sequence[Data], claims: Sequence[TextPair], seed: int) -> list[TextPair]:
    """A pass: the questions of all sets, with made-up ones and claims, in an order of its own."""
    rng = random.Random(seed)
    pairs = [pair for one in sets for drawn in one.draw(seed) for pair in drawn]
    made: list[TextPair] = []
    while len(made) < len(pairs) * MADE:
        made += make_pairs(rng)
    drawn_claims = [rng.choice(claims) for _ in range(int(len(pairs) * CLAIMS) if claims else 0)]
    mix = pairs + made + drawn_claims
    rng.shuffle(mix)
    return mix


def sentences(text: str) -> list[Span]:
    """The spans of sentences and lines."""
    edges = [0, *(match.end() for match in SENTENCE_END.finditer(text)), len(text)]
    return [strip(text, Span(a, b)) for a, b in itertools.pairwise(edges) if text[a:b].strip()]


def windows_of(text: str, words: int) -> list[Span]:
    """Whole sentences up to so many words together."""
    found: list[Span] = []
    for span in sentences(text):
        if found and len(text[found[-1].start : span.end].split()) <= words:
            found[-1] = Span(found[-1].start, span.end)
        else:
            found.append(span)
    return found


def around(text: str, evidence: Span, rng: random.Random) -> Span:
    """The sentences that hold the evidence, and some before and after, up to a length."""
    words = rng.choice(WORDS)
    base = max(0, evidence.start - 1500)
    first, last = evidence.start, evidence.end
    left = [base + span.start for span in reversed(sentences(text[base : evidence.start]))]
    right = [
        evidence.end + span.end for span in sentences(text[evidence.end : evidence.end + 1500])
    ]
    while (left or right) and len(text[first:last].split()) < words:
        grown = (left[0], last) if left and (not right or rng.random() < 0.5) else (first, right[0])
        if len(text[slice(*grown)].split()) > 1.2 * words:
            break
        (left if grown[0] < first else right).pop(0)
        first, last = grown
    return strip(text, Span(first, last))


def make_pairs(rng: random.Random) -> list[TextPair]:
    """A few questions about a made-up passage; only answers that stand in it once."""
    made = facts.make(rng)
    found = []
    for question, answer in rng.sample(made.pairs, min(3, len(made.pairs))):
        places = [
            match.span()
            for match in re.finditer(rf"(?<![\w.,]){re.escape(answer)}(?!\w)", made.text)
        ]
        if len(places) == 1:
            found.append(TextPair(question, made.title, made.text, True, Span(*places[0])))
    return found + [
        TextPair(question, made.title, made.text, False) for question in made.unanswerable[:1]
    ]


def claim_pairs(folder: Path) -> list[TextPair]:
    """SciFact's train claims with the abstract judged relevant, and with BM25's best others; no spans are learnt."""
    chunks, queries, judged = read_set(folder, "train")
    search, rng = Bm25([f"{chunk.title}\n{chunk.text}" for chunk in chunks]), random.Random(3)
    pairs = []
    for key, claim in queries.items():
        others = [i for i in search(claim, 12) if chunks[i].document not in judged[key]]
        shown = [i for i, chunk in enumerate(chunks) if judged[key].get(chunk.document, 0) > 0]
        for index in shown + rng.sample(others, min(len(others), 2 * len(shown))):
            chunk = chunks[index]
            pairs.append(
                TextPair(claim, chunk.title, chunk.text, index in shown, None, reads=False)
            )
    return pairs


class ExtractorTask:
    """See `Task`: passes over the pairs in turn, one share for each process."""

    def __init__(
        self,
        model: JointEncoder,
        tokenizer: Tokenizer,
        passes: Callable[[int], list[TextPair]],
        dev: list[TextPair],
        share: int,
        shares: int,
    ) -> None:
        self._model, self._tokenizer, self._passes = model, tokenizer, passes
        self._dev, self._share, self._shares = dev, share, shares
        self._pairs: list[TextPair] = []
        self._drawn, self._at, self._step = 0, 0, 0

    def losses(self, step: int) -> Sequence[Callable[[], tuple[torch.Tensor, int]]]:
        while self._step <= step:  # the same pairs again for a run that goes on
            taken: list[TextPair] = []
            while len(taken) < PAIRS * self._shares:
                if self._at == len(self._pairs):
                    self._pairs, self._at, self._drawn = (
                        self._passes(self._drawn),
                        0,
                        self._drawn + 1,
                    )
                more = self._pairs[self._at : self._at + PAIRS * self._shares - len(taken)]
                taken, self._at = taken + more, self._at + len(more)
            self._step += 1
        rows = [encode_pair(self._tokenizer, pair) for pair in taken[self._share :: self._shares]]
        return [
            lambda batch=batch: (self._model.loss(batch), int(batch.mask.sum()))
            for batch in batches(rows, MICRO)
        ]

    def judge(self) -> dict[str, float]:
        return judge(self._model, [encode_pair(self._tokenizer, one) for one in self._dev])


def judge(model: JointEncoder, rows: Sequence[Encoded]) -> dict[str, float]:
    """Dev loss, the share of right pairs whose span is exact, and of all pairs whose relevance is right."""
    loss, exact, right, relevant, count = 0.0, 0, 0, 0, 0
    for batch in batches(rows, 16):
        loss += model.loss(batch).item() * len(batch.ids)
        relevance, spans = model(batch)
        relevant += int(((relevance > 0) == (batch.relevant > 0)).sum())
        count += len(batch.ids)
        asked = batch.starts > 0
        same = (spans[..., 0].argmax(1) == batch.starts) & (spans[..., 1].argmax(1) == batch.ends)
        exact, right = exact + int((same & asked).sum()), right + int(asked.sum())
    return {
        "dev_loss": round(loss / count, 4),
        "dev_exact": round(exact / max(1, right), 4),
        "dev_relevance": round(relevant / count, 4),
    }


def load_tokenizer(folder: Path) -> Tokenizer:
    """The embedder's tokenizer for pairs: the passage is cut, never the question."""
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    tokenizer.no_padding()
    tokenizer.enable_truncation(MAX_TOKENS, strategy="only_second")
    return tokenizer


def average(values: Sequence[torch.Tensor]) -> None:
    """The mean over all processes, in place."""
    flat = torch.cat([value.flatten() for value in values])
    torch.distributed.all_reduce(flat)
    flat /= torch.distributed.get_world_size()
    at = 0
    for value in values:
        value.copy_(flat[at : at + value.numel()].view_as(value))
        at += value.numel()


def main() -> None:
    """Read the options, train, leave extractor.safetensors, a checkpoint and log.jsonl in --out."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--share", type=float, default=1.0, help="of --data's questions in a pass")
    parser.add_argument(
        "--more",
        nargs=3,
        action="append",
        default=[],
        metavar=("DIR", "SHARE", "HELD_OUT"),
        help="a set beside it, and how many of its last documents are held out",
    )
    parser.add_argument("--claims", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--minutes", type=float, default=75)
    parser.add_argument("--rate", type=float, default=2.5e-4, help="peak learning rate")
    parser.add_argument("--dropout", type=float, default=0.0, help="of hidden states")
    parser.add_argument(
        "--layers", type=Path, help="folder of the BERT whose layers it begins with"
    )
    parser.add_argument("--embeddings", action="store_true", help="train the embeddings, too")
    parser.add_argument("--start", type=Path, help="extractor.safetensors to go on from")
    parser.add_argument(
        "--keep", type=float, default=0.0, help="share of the weights of --start in what is saved"
    )
    parser.add_argument("--seed", type=int, default=0, help="of the first pass's draw")
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--rank", type=int, default=-1, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.keep and not options.start:
        parser.error("--keep needs --start: the weights to keep a share of.")
    options.out.mkdir(parents=True, exist_ok=True)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    if options.rank < 0:
        (options.out / "meeting").unlink(missing_ok=True)
        command = [sys.executable, "-m", "training.extractor", *sys.argv[1:], "--rank"]
        workers = [
            subprocess.Popen([*command, str(rank)], start_new_session=True)
            for rank in range(options.processes)
        ]
        sys.exit(max(worker.wait() for worker in workers))
    train(options)


def train(options: argparse.Namespace) -> None:
    """One process of the training."""
    torch.set_num_threads(max(1, len(os.sched_getaffinity(0)) // options.processes))
    meeting = f"file://{(options.out / 'meeting').resolve()}"
    torch.distributed.init_process_group(
        "gloo", init_method=meeting, rank=options.rank, world_size=options.processes
    )
    folder = resolve(EMBEDDER, "embedder").folder
    tokenizer = load_tokenizer(folder)
    torch.manual_seed(0)
    model = JointEncoder.start_from(options.layers or folder, options.dropout)
    if not options.embeddings:
        model.freeze(FROZEN)
    if options.layers:  # over the embedder's embeddings, which need not ship
        model.encoder.embeddings.load_state_dict(
            {
                name.removeprefix("embeddings."): torch.from_numpy(value)
                for name, value in read_weights(folder / "model.safetensors").items()
                if name.startswith("embeddings.") and not name.endswith("position_ids")
            }
        )
    if options.start:
        model.put(read_trained(options.start, read_weights(folder / "model.safetensors")))
    started = (
        {name: value.detach().clone() for name, value in model.named_parameters()}
        if options.keep
        else {}
    )
    sets = [Data(options.data, slice(0, -HELD_OUT - DEV), options.share)]
    sets += [
        Data(Path(folder), slice(0, -int(held_out) or None), float(share))
        for folder, share, held_out in options.more
    ]
    claims = claim_pairs(options.claims) if options.claims else []
    dev: list[TextPair] = []
    if options.rank == 0:
        rights, wrongs = Data(options.data, slice(-HELD_OUT - DEV, -HELD_OUT)).draw(1)
        rng = random.Random(5)
        dev = rng.sample(rights, 300) + rng.sample(wrongs, 150)
    passes = lambda number: mixed(sets, claims, options.seed + number)  # noqa: E731
    task = ExtractorTask(model, tokenizer, passes, dev, options.rank, options.processes)
    settings = EncoderSettings(
        minutes=options.minutes, learning_rate=options.rate, checkpoint_minutes=20
    )
    trainer = EncoderTrainer(model, options.out, settings, average=average, leads=options.rank == 0)
    trainer.run(task)
    if options.rank == 0:
        # The mean of two states of one descent reads better than either: Wortsman et al. 2022, arXiv 2203.05482.
        with torch.no_grad():
            for name, value in model.named_parameters():
                if name in started:
                    value.lerp_(started[name], options.keep)
        save_trained(model, options.out / "extractor.safetensors")


if __name__ == "__main__":
    main()
