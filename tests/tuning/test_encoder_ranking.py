"""A tiny random BERT learns to rank, keeps its best state, and is served by OpenVINO and by PEFT as it was trained."""

import itertools
import json
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from peft import PeftModel
from safetensors.torch import save_file
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors
from transformers import BertConfig, BertForSequenceClassification, BertModel

from acclimate.embeddings.cross_encoder import OpenVINOCrossEncoder
from acclimate.embeddings.extractor import Extractor
from acclimate.embeddings.openvino import OpenVINOEmbedder
from acclimate.embeddings.spec import EmbedderSpec
from acclimate.embeddings.tuned import depth, lay_under
from acclimate.embeddings.weights import read_weights
from acclimate.models.fetch import resolve
from acclimate.tuning.encoders.lora import attach_lora, load_encoder, save_lora
from acclimate.tuning.encoders.ranking import (
    CrossEncoderTask,
    Drawn,
    EmbedderTask,
    RankingSample,
    RankSettings,
)
from acclimate.tuning.encoders.trainer import EncoderSettings, EncoderTrainer

THINGS = ["pump", "fan", "oil", "shop", "filter", "door", "lamp", "tank"]
ASKED = [f"where is the {thing}" for thing in THINGS]
TEXTS = [f"the {thing} is in room {number}" for number, thing in enumerate(THINGS)]
SAMPLES = [
    RankingSample(
        asked, (text,), tuple(other for other in TEXTS if other != text), (f"room {number}",)
    )
    for number, (asked, text) in enumerate(zip(ASKED, TEXTS, strict=True))
]
# To read that a thing is the same needs more than a tiny network; to tell a place from a fault does
# not.
FAULTS = [f"the {thing} is out of order" for thing in THINGS]
READ = [
    RankingSample(asked, (text,), tuple(FAULTS)) for asked, text in zip(ASKED, TEXTS, strict=True)
]
SPEC = EmbedderSpec(max_tokens=32)


pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """A small random BERT as Transformers saves it, with a tokenizer of its words."""
    made = tmp_path_factory.mktemp("bert")
    words = dict.fromkeys(
        ["[PAD]", "[UNK]", "[CLS]", "[SEP]", *" ".join([*ASKED, *TEXTS, *FAULTS]).split()]
    )
    tokenizer = Tokenizer(
        models.WordPiece({word: at for at, word in enumerate(words)}, unk_token="[UNK]")
    )
    tokenizer.normalizer = normalizers.BertNormalizer()
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.post_processor = processors.BertProcessing(("[SEP]", 3), ("[CLS]", 2))
    tokenizer.save(str(made / "tokenizer.json"))
    torch.manual_seed(1)
    sizes = {
        "hidden_size": 32,
        "num_attention_heads": 4,
        "num_hidden_layers": 2,
        "intermediate_size": 64,
    }
    config = BertConfig(
        vocab_size=len(words), max_position_embeddings=40, initializer_range=0.3, **sizes
    )
    save_file(BertModel(config).state_dict(), made / "model.safetensors")
    (made / "config.json").write_text(json.dumps(config.to_dict()))
    return made


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> None:
    """A second passes whenever somebody looks."""
    ticks = itertools.count()
    monkeypatch.setattr(time, "monotonic", lambda: float(next(ticks)))


def make(folder: Path, target: str, nested: tuple[int, ...] = ()):
    network = attach_lora(load_encoder(folder, target), 8, 16)
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    if target == "embedder":
        drawn = Drawn(SAMPLES, RankSettings(batch=4, wrong=1))
        task = EmbedderTask(network, tokenizer, SPEC, drawn, lambda: {"score": score(task)}, nested)
    else:
        drawn = Drawn(READ, RankSettings(batch=4, micro=3, wrong=3))
        task = CrossEncoderTask(network, tokenizer, 32, drawn, lambda: {"score": score(task)}, 3)
    return network, task


def score(task) -> float:
    """The share of questions whose right text comes first."""
    if isinstance(task, EmbedderTask):
        asked, texts = (torch.nn.functional.normalize(task.embed(side)) for side in (ASKED, TEXTS))
        best = (asked @ texts.T).argmax(1).tolist()
    else:
        scores = [
            task.scores(asked, [text, *FAULTS]) for asked, text in zip(ASKED, TEXTS, strict=True)
        ]
        best = [at if max(row) == row[0] else -1 for at, row in enumerate(scores)]
    return sum(at == right for right, at in enumerate(best)) / len(ASKED)


def run(folder: Path, out: Path, target: str, minutes: float, stop: int = 0, patience: int = 99):
    network, task = make(folder, target)
    settings = EncoderSettings(minutes, 2e-2, checkpoint_minutes=0.5, patience=patience)
    trainer = EncoderTrainer(network, out, settings)

    def on_step(_seconds: float, _figures: dict[str, float]) -> None:
        if trainer.step == stop:
            raise KeyboardInterrupt

    try:
        trainer.run(task, on_step)
    except KeyboardInterrupt:
        return trainer, task
    return trainer, task


def logged(folder: Path) -> list[dict[str, float]]:
    return [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]


@pytest.mark.parametrize("target", ["embedder", "reranker"])
def test_it_learns_and_goes_on_where_it_stopped(
    folder: Path, tmp_path: Path, clock: None, target: str
) -> None:
    whole, task = run(folder, tmp_path / "whole", target, 3)
    run(folder, tmp_path / "cut", target, 3, stop=40)
    resumed, _ = run(folder, tmp_path / "cut", target, 3)
    assert (resumed.step, resumed.best, resumed.worse) == (whole.step, whole.best, whole.worse)
    for name, value in whole.named.items():
        assert torch.equal(value, resumed.named[name]), name
    log = logged(tmp_path / "whole")
    assert [row["step"] for row in logged(tmp_path / "cut")] == [row["step"] for row in log]
    scores = [row["score"] for row in log if "score" in row]
    assert scores[0] < 0.6 < max(scores) == whole.best
    whole.load_best()
    assert score(task) == whole.best


def test_it_ends_where_nothing_gets_better(folder: Path, tmp_path: Path, clock: None) -> None:
    network, task = make(folder, "embedder")
    task.judge = iter([{"score": one} for one in (0.5, 0.7, 0.7, 0.6)]).__next__
    trainer = EncoderTrainer(
        network, tmp_path, EncoderSettings(60, 1e-3, checkpoint_minutes=0.1, patience=2)
    )
    trainer.run(task)
    assert (trainer.best, trainer.worse) == (0.7, 2)
    assert trainer.seconds < 60


def test_a_pass_has_every_sample_once_and_equal_steps_are_equal() -> None:
    drawn = Drawn(SAMPLES, RankSettings(batch=4, wrong=3, among=5))
    steps = [drawn(step) for step in range(4)]
    for first, second in ((0, 1), (2, 3)):
        assert sorted(sample.question for sample, *_ in steps[first] + steps[second]) == sorted(
            ASKED
        )
    assert [s.question for s, *_ in steps[0] + steps[1]] != [
        s.question for s, *_ in steps[2] + steps[3]
    ]
    assert Drawn(SAMPLES, RankSettings(batch=4, wrong=3, among=5))(3) == steps[3]
    for sample, right, wrong in steps[0]:
        assert right in sample.right
        assert len(set(wrong)) == 3
        assert set(wrong) <= set(sample.wrong[:5])
    shares = [Drawn(SAMPLES, RankSettings(batch=2), share, 2)(0) for share in (0, 1)]
    assert len({sample.question for part in shares for sample, *_ in part}) == 4


def test_passages_of_a_batch_that_may_answer_are_no_negatives(folder: Path) -> None:
    """With all others barred only the right passage is left, and nothing to lose."""
    network, _ = make(folder, "embedder")
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    both = [
        RankingSample(
            ASKED[0], (TEXTS[0], TEXTS[1]), (), ("room 0",)
        ),  # the other's passage is one of its own
        RankingSample(
            ASKED[1], (TEXTS[1],), (), ("is in",)
        ),  # the other's passage holds an accepted answer
    ]

    def loss(samples: list[RankingSample]) -> float:
        drawn = [(sample, sample.right[0], list(sample.wrong)) for sample in samples]
        task = EmbedderTask(network, tokenizer, SPEC, lambda step: drawn, dict)
        return task.losses(0)[0]()[0].item()

    assert loss(both) == 0
    assert loss([both[0], RankingSample(ASKED[1], (TEXTS[1],), (), ("room 1",))]) > 0.1
    assert loss([RankingSample(ASKED[0], (TEXTS[0],), (TEXTS[2],), ())]) > 0.1


@pytest.mark.parametrize("target", ["embedder", "reranker"])
def test_what_is_served_is_what_was_trained(
    folder: Path, tmp_path: Path, clock: None, target: str
) -> None:
    trainer, task = run(folder, tmp_path / "run", target, 0.5)
    save_lora(trainer.model, tmp_path / "made", target, "tiny")
    if target == "embedder":
        served = OpenVINOEmbedder(
            folder,
            spec=SPEC,
            weights_sha256="x",
            precision="f32",
            threads=1,
            adapter=tmp_path / "made",
        )
        trained = torch.nn.functional.normalize(task.embed(TEXTS)).numpy()
        assert (trained * served.embed_passages(TEXTS)).sum(1).min() > 0.999
        bare = OpenVINOEmbedder(folder, spec=SPEC, weights_sha256="x", precision="f32", threads=1)
        assert (trained * bare.embed_passages(TEXTS)).sum(1).min() < 0.99
    else:
        scorer = OpenVINOCrossEncoder(folder, precision="f32", threads=1, adapter=tmp_path / "made")
        trained = np.array(task.scores(ASKED[0], TEXTS))
        assert (
            np.abs(scorer.scores(ASKED[0], TEXTS) - trained).max() < 0.05 * np.ptp(trained) + 0.01
        )


def test_peft_loads_what_is_saved(folder: Path, tmp_path: Path, clock: None) -> None:
    trainer, _ = run(folder, tmp_path / "run", "reranker", 0.2)
    save_lora(trainer.model, tmp_path / "made", "reranker", "tiny")
    base = BertForSequenceClassification.from_pretrained(folder, num_labels=1)
    loaded = PeftModel.from_pretrained(base, str(tmp_path / "made")).eval()
    ids = torch.tensor([[2, 5, 6, 7, 3, 8, 9, 3]])
    with torch.no_grad():
        mine, theirs = (
            network(input_ids=ids).logits.item() for network in (trainer.model.eval(), loaded)
        )
    assert mine == pytest.approx(theirs, abs=0.05)


def test_nested_vectors_rank_alone(folder: Path, tmp_path: Path, clock: None) -> None:
    network, task = make(folder, "embedder", nested=(32, 4))
    trainer = EncoderTrainer(
        network, tmp_path, EncoderSettings(2, 2e-2, checkpoint_minutes=9, patience=9)
    )
    trainer.run(task)
    asked, texts = (
        torch.nn.functional.normalize(task.embed(side)[:, :4]) for side in (ASKED, TEXTS)
    )
    assert sum(int(best == at) for at, best in enumerate((asked @ texts.T).argmax(1).tolist())) >= 6


def test_the_extractors_relevance_is_where_a_reranker_begins() -> None:
    """Its linear head as a classifier's, through a tanh, against the extractor itself on OpenVINO."""
    base = resolve("all-minilm-l6-v2", "embedder")
    texts = [f"The {thing} stands in room {number}." for number, thing in enumerate(THINGS)]
    tokenizer = Tokenizer.from_file(str(base.folder / "tokenizer.json"))
    network = load_encoder(base.folder, "reranker", "minilm-extractor").eval()
    started = CrossEncoderTask(network, tokenizer, 64, Drawn(READ, RankSettings()), dict)
    weights = lay_under(read_weights(base.weights), "minilm-extractor")
    config = json.loads((base.folder / "config.json").read_text()) | {
        "num_hidden_layers": depth(weights)
    }
    extractor = Extractor(config, weights, base.folder / "tokenizer.json", threads=1)
    wanted = [output.rows[0][0] for output in extractor.pairs.run("Where is the oil?", texts)]
    assert np.ptp(wanted) > 1
    assert started.scores("Where is the oil?", texts) == pytest.approx(
        wanted, abs=0.1 * float(np.ptp(wanted))
    )
