"""Trains a reranker: a LoRA and a head that make a cross-encoder of the default embedder with the extractor's layers.

    python -m training.reranker --data ../shared/data/squad-train --claims ../shared/data/retrieval/scifact \
        --out DIR --minutes 45

It begins with the extractor's layers, which were trained on the same articles: of squad-train's the last 48 are held
out, as for the reader, and the 8 before them are dev. Wrong passages are BM25's best without the answer. Stopped,
the same command goes on.
"""

from __future__ import annotations

import argparse
import logging
import random
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path

from acclimate.files import jsonlines
from acclimate.tuning.allocator import use_large_blocks

if __name__ == "__main__":
    use_large_blocks("training.reranker")

from tokenizers import Tokenizer

from acclimate.documents.parsers import parse
from acclimate.embeddings.tuned import TunedEncoder, under_sha256, write_tuned
from acclimate.evaluation.ranking import ndcg, reciprocal_rank
from acclimate.models.fetch import resolve
from acclimate.retrieval.mining import holds
from acclimate.tuning.encoders.lora import attach_lora, load_encoder, save_lora
from acclimate.tuning.encoders.ranking import CrossEncoderTask, Drawn, RankingSample, RankSettings
from acclimate.tuning.encoders.trainer import EncoderSettings, EncoderTrainer
from benchmarks.retrieval import read_set
from training.extractor import Bm25, windows_of

HELD_OUT, DEV = 48, 8  # articles: the last 48 as for the reader, the 8 before them
WORDS = (25, 40, 40, 60, 60, 90, 130)  # of a passage, drawn for each article
MAX_TOKENS = 192  # of a pair
EMBEDDER, UNDER, DEPTH, DEV_QUESTIONS = "all-minilm-l6-v2", "minilm-extractor", 20, 60
CLAIMS = 2  # times that each claim comes in a pass


def article_samples(folder: Path, articles: slice, most: int) -> list[RankingSample]:
    """Questions about some articles, each with the passages that hold its evidence and BM25's best that do not."""
    names = sorted(path.name for path in (folder / "documents").iterdir())[articles]
    rng, passages = random.Random(1), dict[str, list[str]]()
    for name in names:
        document = parse(folder / "documents" / name, name)
        spans = windows_of(document.text, rng.choice(WORDS))
        passages[name] = [
            f"{document.title}\n{document.text[span.start : span.end]}" for span in spans
        ]
    every = [text for texts in passages.values() for text in texts]
    search, samples = Bm25(every), []
    rows = [row for _, row in jsonlines.read_rows(folder / "questions.jsonl")]
    rows = [
        row for row in rows if row["document"] in passages and row["evidence"] and row["answers"]
    ]
    for row in rng.sample(rows, min(most, len(rows))):
        answers = tuple(row["answers"])
        right = [text for text in passages[row["document"]] if row["evidence"] in text]
        wrong = [
            text for i in search(row["question"], DEPTH) if not holds(text := every[i], answers)
        ]
        if right and wrong:
            samples.append(
                RankingSample(row["question"].strip(), tuple(right), tuple(wrong), answers)
            )
    return samples


def claim_samples(folder: Path) -> list[RankingSample]:
    """SciFact's train claims with the abstracts judged relevant and BM25's best others."""
    chunks, queries, judged = read_set(folder, "train")
    texts = {chunk.document: f"{chunk.title}\n{chunk.text}" for chunk in chunks}
    names, search, samples = list(texts), Bm25(list(texts.values())), []
    for key, claim in queries.items():
        right = [texts[name] for name, grade in judged[key].items() if grade > 0]
        wrong = [texts[names[i]] for i in search(claim, DEPTH) if names[i] not in judged[key]]
        samples.append(RankingSample(claim, tuple(right), tuple(wrong), ()))
    return samples


def kept(file: Path, make: Callable[[], list[RankingSample]]) -> list[RankingSample]:
    """The samples in a file; made and written where there is none."""
    if not file.exists():
        jsonlines.write(file, map(asdict, make()))
    rows = [row for _, row in jsonlines.read_rows(file)]
    return [
        RankingSample(r["question"], tuple(r["right"]), tuple(r["wrong"]), tuple(r["answers"]))
        for r in rows
    ]


def dev_ranking(
    samples: Sequence[RankingSample], task: Callable[[], CrossEncoderTask]
) -> Callable[[], dict[str, float]]:
    """Mean nDCG@10 of each dev question's right passages among BM25's wrong ones, by the network's scores alone."""

    def judge() -> dict[str, float]:
        gains, ranks = 0.0, 0.0
        for sample in samples:
            texts = [*sample.wrong, *sample.right]
            scores = task().scores(sample.question, texts)
            ranked = [texts[at] for at in sorted(range(len(texts)), key=lambda at: -scores[at])]
            wanted = dict.fromkeys(sample.right, 1)
            gains, ranks = gains + ndcg(ranked, wanted, 10), ranks + reciprocal_rank(ranked, wanted)
        score = round(gains / len(samples), 4)
        return {"score": score, "mrr": round(ranks / len(samples), 4)}

    return judge


def main() -> None:
    """Read the options, train, leave the tuned encoder in --out/reranker, a checkpoint and log.jsonl in --out."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--claims", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--minutes", type=float, default=45)
    parser.add_argument("--rate", type=float, default=1e-3, help="peak learning rate")
    parser.add_argument("--rank", type=int, default=32, help="of the LoRA")
    parser.add_argument("--questions", type=int, default=31_000, help="of squad-train, at most")
    parser.add_argument(
        "--weight", type=float, default=0.5, help="share that is written into the record"
    )
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    data, out = options.data, options.out
    dev = kept(
        out / "dev.jsonl",
        lambda: article_samples(data, slice(-HELD_OUT - DEV, -HELD_OUT), DEV_QUESTIONS),
    )
    learnt = kept(
        out / "train.jsonl",
        lambda: article_samples(data, slice(0, -HELD_OUT - DEV), options.questions),
    )
    if options.claims:
        learnt = learnt + CLAIMS * kept(out / "claims.jsonl", lambda: claim_samples(options.claims))
    logging.info("%d samples, %d dev", len(learnt), len(dev))
    base = resolve(EMBEDDER, "embedder")
    network = attach_lora(
        load_encoder(base.folder, "reranker", UNDER), options.rank, 2 * options.rank
    )
    tokenizer = Tokenizer.from_file(str(base.folder / "tokenizer.json"))
    drawn = Drawn(learnt, RankSettings(batch=12, micro=4, wrong=4, among=DEPTH))
    task = CrossEncoderTask(network, tokenizer, MAX_TOKENS, drawn, dev_ranking(dev, lambda: task))
    settings = EncoderSettings(
        minutes=options.minutes, learning_rate=options.rate, checkpoint_minutes=4
    )
    trainer = EncoderTrainer(network, out, settings)
    trainer.run(task)
    trainer.load_best()
    save_lora(network, out / "reranker", "reranker", EMBEDDER)
    write_tuned(
        out / "reranker",
        TunedEncoder("reranker", EMBEDDER, base.sha256, options.weight, UNDER, under_sha256(UNDER)),
    )


if __name__ == "__main__":
    main()
