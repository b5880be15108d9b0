"""A project's own questions as what its embedder or its reranker learns from; the best state on
dev, checked as served.

The train split teaches, the dev split says which state is kept, the test split is not looked at.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from acclimate.embeddings.encoder import SAFETENSORS, weights_file
from acclimate.embeddings.spec import read_layers, read_spec
from acclimate.embeddings.tuned import EXTRACTOR, TunedEncoder, shipped, under_sha256, write_tuned
from acclimate.errors import MissingExtraError, ModelError, SettingsError
from acclimate.evaluation.statistics import Difference, difference
from acclimate.retrieval.mining import Mined, mine
from acclimate.settings_file import set_key
from acclimate.tuning.lock import exclusive_run
from acclimate.types import Chunk, Question, Span
from acclimate.workflows.compare import evidence_spans
from acclimate.workflows.questions import write_learnt
from acclimate.workspace.encoders import Encoder, find_encoder, wishes
from acclimate.workspace.style import PASSAGES
from acclimate.workspace.workspace import Workspace

if TYPE_CHECKING:  # PyTorch comes with the extra `tune` only
    from acclimate.tuning.encoders.lora import Network
    from acclimate.tuning.encoders.ranking import RankingSample
    from acclimate.tuning.encoders.trainer import EncoderSettings, OnStep
    from acclimate.workflows.retriever_tasks import Embedding, Ranking, Reranking

Target = Literal["embedder", "reranker"]
TARGETS: tuple[Target, ...] = ("embedder", "reranker")
_R = 16
_JUDGEMENTS, _PATIENCE = 6, 3
_MOST_DEV = 150  # questions, drawn evenly: judging must not take longer than training
_KEYS = {"embedder": "embedder.model", "reranker": "retrieval.rerank"}
_RATE = {"embedder": 5e-4, "reranker": 1e-3}


@dataclass(frozen=True, slots=True)
class TunedRetriever:
    """What a run did. `before` and `after` are of dev, `gain` of its nDCG@10; `folder` is None
    without a gain.

    `skipped` are train questions without evidence in a passage; `weight` is the share of a
    reranker's score beside the search's that was best; `shorter` has nDCG@10 at the lengths of a
    Matryoshka embedder; `taken` says whether acclimate.toml names it now, and `settings` are the
    lines that do.
    """

    target: Target
    folder: Path | None
    base: str
    samples: int
    skipped: int
    steps: int
    seconds: float
    parameters: int
    before: Ranking
    after: Ranking
    gain: Difference
    weight: float
    shorter: dict[int, float]
    taken: bool
    settings: dict[str, str]


def tune_retriever(
    workspace: Workspace,
    target: Target,
    *,
    minutes: float,
    rate: float | None = None,
    matryoshka: bool = False,
    take: bool = False,
    on_step: OnStep | None = None,
) -> TunedRetriever:
    """Train a LoRA for the project's embedder or reranker; what is better on dev lands in
    `.acclimate/encoders/TARGET`.

    With `take`, acclimate.toml names it then. Stopped, the same call goes on. Raises SettingsError
    for an embedder that does not run here and for splits without questions that can be used,
    ModelError for a model that is no BERT, and EngineError where what is served differs from what
    was trained.
    """
    try:
        from acclimate.tuning.cases import require_apart
    except ImportError as error:
        raise MissingExtraError(f"acclimate tune --target {target}", "tune") from error
    if matryoshka and target != "embedder":
        raise SettingsError(
            "only an embedder has vectors to nest.", hint="acclimate tune --target embedder"
        )
    splits = {
        split: [q for q in workspace.single_questions() if q.split == split]
        for split in ("train", "dev", "test")
    }
    require_apart(splits["train"], [*splits["dev"], *splits["test"]])
    mined = {split: mine_questions(workspace, splits[split]) for split in ("train", "dev")}
    for split, found in mined.items():
        if not found:
            raise SettingsError(
                f"no question of the {split} split has evidence that is in a passage.",
                hint="acclimate questions make; acclimate questions split",
            )
    mined["dev"] = mined["dev"][:: -(-len(mined["dev"]) // _MOST_DEV)]
    base, rate = _base(workspace, target), rate or _RATE[target]
    job = _RetrieverTuning(
        workspace, target, base, mined["train"], mined["dev"], minutes, rate, matryoshka
    )
    with exclusive_run(workspace.layout.encoders / target):
        done = job.run(on_step)
    done = replace(done, skipped=len(splits["train"]) - len(mined["train"]))
    if not (take and done.folder):
        return done
    for name, value in done.settings.items():
        section, _, key = name.partition(".")
        set_key(workspace.file, section, key, value)
    return replace(done, taken=True)


def mine_questions(workspace: Workspace, questions: Sequence[Question]) -> list[Mined]:
    """Right and wrong passages of each question that has evidence in a passage, as the search alone
    finds them."""
    plain = {"rewrite": "none", "rerank": "none", "diversity": 0.0, "neighbours": 0}
    settings = workspace.settings.model_copy(
        update={
            "retrieval": workspace.settings.retrieval.model_copy(update=plain),
            "images": workspace.settings.images.model_copy(update={"model": ""}),
            # Small chunks are what is embedded and read, also where larger ones are shown.
            "chunking": workspace.settings.chunking.model_copy(update={"method": "structure"}),
        }
    )
    retriever, record = workspace.sharing(settings).retriever(), workspace.library.record
    spans, chunks, found = evidence_spans(workspace, questions), dict[str, list[Chunk]](), []
    for question in questions:
        if question.id not in spans or question.document is None:
            continue
        if question.document not in chunks:
            chunks[question.document] = record.chunks(record.keys_of([question.document]))
        one = mine(question, Span(*spans[question.id]), chunks[question.document], retriever)
        found += [one] if one else []
    return found


def _base(workspace: Workspace, target: Target) -> Encoder:
    """What training starts from: never a tuned folder, but the model below it."""
    settings = workspace.settings
    own = target == "reranker" and settings.retrieval.rerank not in ("none", EXTRACTOR)
    if settings.embedder.engine != "openvino" and not own:
        raise SettingsError(
            f"an embedder of engine '{settings.embedder.engine}' cannot be tuned.",
            hint='Set [embedder] engine = "openvino".',
        )
    name = settings.retrieval.rerank if own else settings.embedder.model
    found = find_encoder(
        workspace.folder, name, "reranker" if own else "embedder", workspace.local_model
    )
    if weights_file(found.model.folder).name != SAFETENSORS:
        raise ModelError(
            f"{found.model.name} is run from {weights_file(found.model.folder).name}, so it cannot "
            "be tuned.",
            hint="Use the checkpoint that this file was made from, if its family is one that "
            "runs from weights.",
        )
    if read_layers(found.model.folder):
        raise ModelError(
            f"{found.model.name} has layers after its pooling, so it cannot be tuned.",
            hint="Tune another model.",
        )
    return found


@dataclass(frozen=True, slots=True)
class _RetrieverTuning:
    """What is trained, on what, and how."""

    workspace: Workspace
    target: Target
    base: Encoder
    learnt: Sequence[Mined]
    dev: Sequence[Mined]
    minutes: float
    rate: float
    matryoshka: bool

    def run(self, on_step: OnStep | None) -> TunedRetriever:
        """Train, keep the best state, hold it to what is served, and put it in place where it is
        better."""
        from acclimate.tuning.encoders.lora import attach_lora, load_encoder
        from acclimate.tuning.encoders.trainer import EncoderSettings, EncoderTrainer
        from acclimate.workflows.retriever_tasks import rank_figures

        network = attach_lora(
            load_encoder(self.base.model.folder, self.target, self._under), _R, 2 * _R
        )
        course = self._course(network)
        before = course.before()  # while the LoRA adds nothing yet
        pause = max(0.2, self.minutes / _JUDGEMENTS)
        settings = EncoderSettings(
            self.minutes, self.rate, checkpoint_minutes=pause, patience=_PATIENCE
        )
        work = self._folder(course.samples, settings)
        trainer = EncoderTrainer(network, work, settings)
        trainer.run(course.task, _with_seconds_left(on_step, self.minutes))
        trainer.load_best()
        network.eval()
        k = self.workspace.settings.retrieval.k or PASSAGES["tiny"]
        (first, gains_before), (last, gains_after) = (
            rank_figures(before, k),
            rank_figures(course.ranked(), k),
        )
        return TunedRetriever(
            target=self.target,
            folder=self._keep(network, course, work, better=last.ndcg > first.ndcg),
            base=self.base.source,
            samples=len(course.samples),
            skipped=0,
            steps=trainer.step,
            seconds=trainer.seconds,
            parameters=sum(value.numel() for value in trainer.named.values()),
            before=first,
            after=last,
            gain=difference(
                gains_after, gains_before, [one.question.document or "" for one in self.dev]
            ),
            weight=course.weight,
            shorter=course.shorter(),
            taken=False,
            settings={_KEYS[self.target]: f".acclimate/encoders/{self.target}"},
        )

    def _course(self, network: Network) -> Embedding | Reranking:
        from acclimate.workflows.retriever_tasks import Embedding, Reranking

        if self.target == "embedder":
            wanted = wishes(self.workspace.settings.embedder)
            spec = read_spec(self.base.model.folder, self.base.source, wanted)
            return Embedding(network, self.base, self.learnt, self.dev, self.matryoshka, spec)
        candidates = self.workspace.settings.retrieval.rerank_candidates
        return Reranking(network, self.base, self.learnt, self.dev, candidates)

    def _folder(self, samples: Sequence[RankingSample], settings: EncoderSettings) -> Path:
        """Where this very run works: with other questions, passages or settings it is another
        one."""
        depends = [
            asdict(settings),
            self.base.model.sha256,
            [asdict(one) for one in samples],
            self.matryoshka,
        ]
        digest = hashlib.sha256(json.dumps(depends).encode()).hexdigest()[:12]
        return self._home / f"{self.target}-{digest}.training"

    def _keep(
        self, network: Network, course: Embedding | Reranking, work: Path, *, better: bool
    ) -> Path | None:
        """Save the network, check it as it is served, and put it in place if it is better; None if
        it is not."""
        from acclimate.tuning.encoders.lora import save_lora

        made, target = work / "result", self._home / self.target
        save_lora(network, made, self.target, self.base.source)
        sha256, under = self.base.model.sha256, self._under
        tuned = TunedEncoder(
            self.target, self.base.source, sha256, course.weight, under, under_sha256(under)
        )
        write_tuned(made, tuned)
        write_learnt(made, [one.question for one in self.learnt])
        course.check(made)
        if better:
            shutil.rmtree(target, ignore_errors=True)
            made.replace(target)
        for old in self._home.glob(f"{self.target}-*.training"):
            shutil.rmtree(old)
        return target if better else None

    @property
    def _under(self) -> str:
        """What ships for the default embedder, and ranks already: the extractor's layers."""
        made_for = json.loads((shipped(EXTRACTOR) / "extractor.json").read_text(encoding="utf-8"))[
            "base_sha256"
        ]
        return EXTRACTOR if self.target == "reranker" and self.base.model.sha256 == made_for else ""

    @property
    def _home(self) -> Path:
        return self.workspace.layout.encoders


def _with_seconds_left(on_step: OnStep | None, minutes: float) -> OnStep | None:
    if on_step is None:
        return None
    return lambda seconds, figures: on_step(
        seconds, {**figures, "seconds_left": max(0.0, minutes * 60 - seconds)}
    )
