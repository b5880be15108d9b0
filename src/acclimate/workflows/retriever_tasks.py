"""What an embedder and a reranker are taught, how dev questions judge them, and whether what is
served is the same."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer

from acclimate.embeddings.cross_encoder import OpenVINOCrossEncoder
from acclimate.embeddings.openvino import OpenVINOEmbedder
from acclimate.embeddings.spec import EmbedderSpec
from acclimate.embeddings.tuned import tuned_sha256
from acclimate.errors import EngineError, SettingsError
from acclimate.evaluation.ranking import ndcg, recall, reciprocal_rank
from acclimate.retrieval.mining import Mined
from acclimate.retrieval.rerank import blend, passage_text
from acclimate.text.embedded import embedding_text
from acclimate.tuning.encoders.ranking import (
    CrossEncoderTask,
    Drawn,
    EmbedderTask,
    RankingSample,
    RankSettings,
)
from acclimate.types import Chunk, Hit
from acclimate.workspace.encoders import Encoder

WEIGHTS = (0.2, 0.35, 0.5, 0.7, 0.85, 1.0)  # of the cross-encoder beside the search, tried on dev
NESTED = (1.0, 0.5, 0.25, 0.125)  # shares of a vector's components, for Matryoshka
_POOL = 500  # dev passages among which an embedder must find the right ones
_MAX_PAIR = 256  # tokens of a question with its passage
_CHECKED = 24  # texts on which what is served is held to what was trained
Ranked = Sequence[tuple[Sequence[str], Sequence[str]]]
"""For each dev question: ids of passages, best first, and ids of those that hold its evidence."""


@dataclass(frozen=True, slots=True)
class Ranking:
    """Means over dev questions, 0 to 1: where the first passage with the evidence stands, and
    whether it is shown."""

    questions: int
    mrr: float
    ndcg: float
    recall: float


def rank_figures(ranked: Ranked, k: int) -> tuple[Ranking, list[float]]:
    """The means, and nDCG@10 of each question."""
    wanted = [dict.fromkeys(right, 1) for _, right in ranked]
    gains = [ndcg(names, one, 10) for (names, _), one in zip(ranked, wanted, strict=True)]
    first = [reciprocal_rank(names, one) for (names, _), one in zip(ranked, wanted, strict=True)]
    shown = [
        float(recall(names, one, k) > 0) for (names, _), one in zip(ranked, wanted, strict=True)
    ]
    count = len(gains)
    return Ranking(count, sum(first) / count, sum(gains) / count, sum(shown) / count), gains


class Reranking:
    """A cross-encoder's lessons, and its order of what the search found for the dev questions."""

    def __init__(
        self,
        network: Any,
        base: Encoder,
        learnt: Sequence[Mined],
        dev: Sequence[Mined],
        candidates: int,
    ) -> None:
        made = [_sample(one, lambda chunk: passage_text(Hit(chunk, 0.0, 0))) for one in learnt]
        self.samples = [sample for sample in made if sample.wrong]
        if not self.samples:
            raise SettingsError(
                "the search finds nothing but right passages.", hint="Ingest more documents."
            )
        tokenizer = Tokenizer.from_file(str(base.model.folder / "tokenizer.json"))
        settings = RankSettings()
        self.task = CrossEncoderTask(
            network, tokenizer, _MAX_PAIR, Drawn(self.samples, settings), self.judge, settings.micro
        )
        self._base, self._dev, self._candidates, self.weight = base, dev, candidates, 1.0

    def before(self) -> Ranked:
        """The search's own order, or the untrained network's where that is better: the extractor
        ranks already."""
        own = [([hit.chunk.id for hit in one.found], _ids(one)) for one in self._dev]
        return max(own, self.ranked(), key=lambda ranked: rank_figures(ranked, 1)[0].ndcg)

    def ranked(self) -> Ranked:
        """The order by the weight that is best now."""
        read = [
            self.task.scores(
                one.question.question, [passage_text(hit) for hit in one.found[: self._candidates]]
            )
            for one in self._dev
        ]
        tried = {
            weight: [self._order(*pair, weight) for pair in zip(self._dev, read, strict=True)]
            for weight in WEIGHTS
        }
        self.weight = max(WEIGHTS, key=lambda weight: rank_figures(tried[weight], 1)[0].ndcg)
        return tried[self.weight]

    def _order(
        self, one: Mined, read: Sequence[float], weight: float
    ) -> tuple[list[str], list[str]]:
        head, tail = one.found[: self._candidates], one.found[self._candidates :]
        scores = blend(read, [hit.score for hit in head], weight)
        order = sorted(range(len(head)), key=lambda at: (-scores[at], at))
        return [*(head[at].chunk.id for at in order), *(hit.chunk.id for hit in tail)], _ids(one)

    def judge(self) -> dict[str, float]:
        """See `Task`."""
        figures, _ = rank_figures(self.ranked(), 1)
        return {"score": figures.ndcg, "mrr": figures.mrr, "weight": self.weight}

    def shorter(self) -> dict[int, float]:
        """A score has no length."""
        return {}

    def check(self, folder: Path) -> None:
        """Raises EngineError where the served scores are others than the trained network's."""
        served = OpenVINOCrossEncoder(self._base.model.folder, adapter=folder, max_tokens=_MAX_PAIR)
        for one in self._dev[:2]:
            texts = [passage_text(hit) for hit in one.found[: _CHECKED // 2]]
            trained, other = (
                self.task.scores(one.question.question, texts),
                served.scores(one.question.question, texts),
            )
            gap = float(np.abs(np.array(trained) - other).max(initial=0.0))
            if gap > 0.1 * (1 + float(np.ptp(trained))):
                raise EngineError(
                    f"a score differs by {gap:.2f} where it is served, so the reranker is not "
                    f"used.",
                    hint=f"Report this as a bug; it is in {folder}.",
                )


class Embedding:
    """An embedder's lessons, and how it ranks the dev questions' passages, all in one pool."""

    def __init__(
        self,
        network: Any,
        base: Encoder,
        learnt: Sequence[Mined],
        dev: Sequence[Mined],
        matryoshka: bool,
        spec: EmbedderSpec,
    ) -> None:
        self.samples = [_sample(one, embedding_text) for one in learnt]
        self._base, self._dev, self.weight = base, dev, 1.0
        self._spec = spec
        size = int(
            network.config.hidden_size
            if hasattr(network.config, "hidden_size")
            else network.config.dim
        )
        self._nested = [int(share * size) for share in NESTED] if matryoshka else []
        tokenizer = Tokenizer.from_file(str(base.model.folder / "tokenizer.json"))
        drawn = Drawn(self.samples, RankSettings(batch=16, wrong=1))
        self.task = EmbedderTask(network, tokenizer, self._spec, drawn, self.judge, self._nested)
        pool = {chunk.id: chunk for one in dev for chunk in one.right}
        for place in range(
            max(len(one.found) for one in dev)
        ):  # the first of each, then the second of each …
            for one in dev:
                if place < len(one.found) and len(pool) < _POOL:
                    pool.setdefault(one.found[place].chunk.id, one.found[place].chunk)
        self._pool = pool

    def before(self) -> Ranked:
        """The order by the network as it is."""
        return self.ranked()

    def ranked(self) -> Ranked:
        """The order by the network now."""
        return self._order(*self._vectors())

    def _vectors(self) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Of the dev questions [Q, d] and the pool's passages [P, d]."""
        asked = self.task.embed([one.question.question for one in self._dev], queries=True)
        return asked.numpy(), self.task.embed(
            [embedding_text(chunk) for chunk in self._pool.values()]
        ).numpy()

    def _order(
        self, asked: NDArray[np.float32], passages: NDArray[np.float32], length: int | None = None
    ) -> Ranked:
        ids = list(self._pool)
        orders = np.argsort(
            -(_unit(asked[:, :length]) @ _unit(passages[:, :length]).T), axis=1, kind="stable"
        )
        return [
            ([ids[at] for at in order], _ids(one))
            for order, one in zip(orders, self._dev, strict=True)
        ]

    def judge(self) -> dict[str, float]:
        """See `Task`."""
        figures, _ = rank_figures(self.ranked(), 1)
        return {"score": figures.ndcg, "mrr": figures.mrr}

    def shorter(self) -> dict[int, float]:
        """nDCG@10 at each nested length."""
        vectors = self._vectors() if self._nested else None
        return {
            length: rank_figures(self._order(*vectors, length), 1)[0].ndcg
            for length in self._nested
            if vectors
        }

    def check(self, folder: Path) -> None:
        """Raises EngineError where the served vectors are others than the trained network's."""
        model, texts = (
            self._base.model,
            [embedding_text(chunk) for chunk in self._pool.values()][:_CHECKED],
        )
        sha256 = tuned_sha256(folder, model.sha256)
        served = OpenVINOEmbedder(
            model.folder, spec=self._spec, weights_sha256=sha256, adapter=folder
        )
        cosines = (_unit(self.task.embed(texts).numpy()) * served.embed_passages(texts)).sum(1)
        if cosines.min() < 0.998:
            raise EngineError(
                f"a vector's cosine to what was trained is {cosines.min():.4f}, so the embedder "
                f"is not used.",
                hint=f"Report this as a bug; it is in {folder}.",
            )


def _sample(one: Mined, text: Callable[[Chunk], str]) -> RankingSample:
    return RankingSample(
        one.question.question,
        tuple(text(chunk) for chunk in one.right),
        tuple(text(chunk) for chunk in one.wrong),
        one.question.answers,
    )


def _ids(one: Mined) -> list[str]:
    return [chunk.id for chunk in one.right]


def _unit(rows: NDArray[np.float32]) -> NDArray[np.float32]:
    return np.asarray(rows / np.linalg.norm(rows, axis=1, keepdims=True), np.float32)
