import itertools
import json
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from tokenizers import Tokenizer
from transformers import BertConfig, BertModel

from acclimate.embeddings.extractor import Extractor
from acclimate.embeddings.tuned import read_trained
from acclimate.tuning.encoders.model import JointEncoder, save_trained
from acclimate.tuning.encoders.pairs import IGNORED, TextPair, batches, collate, encode_pair
from acclimate.tuning.encoders.trainer import EncoderSettings, EncoderTrainer
from acclimate.types import Chunk, Span

LETTERS = [
    f"{mark}{letter}" for letter in "abcdefghijklmnopqrstuvwxyz0123456789." for mark in ("", "##")
]
TEXT = "the pump runs. oil is due in may. filters are due in june."


pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A small random BERT as Transformers saves it, with a tokenizer of letters."""
    from tokenizers import models, normalizers, pre_tokenizers, processors

    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", *TEXT.replace(".", " .").split(), "when"]
    vocabulary = list(dict.fromkeys([*words, *LETTERS]))
    tokenizer = Tokenizer(
        models.WordPiece({word: at for at, word in enumerate(vocabulary)}, unk_token="[UNK]")
    )
    tokenizer.normalizer = normalizers.BertNormalizer()
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.post_processor = processors.BertProcessing(("[SEP]", 3), ("[CLS]", 2))
    tokenizer.save(str(tmp_path / "tokenizer.json"))
    torch.manual_seed(1)
    config = BertConfig(
        vocab_size=len(vocabulary),
        hidden_size=32,
        num_attention_heads=4,
        num_hidden_layers=3,
        intermediate_size=64,
    )
    model = BertModel(config, add_pooling_layer=False)
    save_file(model.state_dict(), tmp_path / "model.safetensors")
    (tmp_path / "config.json").write_text(json.dumps(config.to_dict()))
    return tmp_path


def tokenizer_of(folder: Path, limit: int = 128) -> Tokenizer:
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    tokenizer.enable_truncation(limit, strategy="only_second")
    return tokenizer


def pairs() -> list[TextPair]:
    at = TEXT.index("may")
    return [
        TextPair("when is oil due", "care", TEXT, True, Span(at, at + 3)),
        TextPair(
            "when are filters due", "", TEXT, True, Span(TEXT.index("june"), TEXT.index("june") + 4)
        ),
        TextPair("who runs", "care", TEXT, False),
        TextPair("oil is due", "", TEXT, True, None, reads=False),
    ]


def test_labels_are_the_answers_tokens(folder: Path) -> None:
    tokenizer = tokenizer_of(folder)
    rows = [encode_pair(tokenizer, pair) for pair in pairs()]
    texts = [tokenizer.decode(row.ids[row.start : row.end + 1]) for row in rows[:2]]
    assert texts == ["may", "june"]
    assert (rows[2].start, rows[2].end, rows[2].relevant) == (0, 0, 0.0)
    assert (rows[3].start, rows[3].end, rows[3].relevant) == (IGNORED, IGNORED, 1.0)
    cut = encode_pair(tokenizer_of(folder, 12), pairs()[1])
    assert (cut.start, len(cut.ids)) == (IGNORED, 12), (
        "an answer that was cut off is not taken for none"
    )
    batch = collate(rows)
    assert batch.mask.sum(1).tolist() == [len(row.ids) for row in rows]
    assert sum(len(one.ids) for one in batches(rows, 3)) == 4


def test_padding_changes_nothing(folder: Path) -> None:
    model = JointEncoder.start_from(folder).eval()
    rows = [encode_pair(tokenizer_of(folder), pair) for pair in pairs()]
    with torch.no_grad():
        together, spans = model(collate(rows))
        for at, row in enumerate(rows):
            alone, span = model(collate([row]))
            assert alone.item() == pytest.approx(together[at].item(), abs=1e-5)
            assert torch.allclose(span[0], spans[at, : len(row.ids)], atol=1e-5)


def test_training_goes_on_from_what_was_saved(folder: Path) -> None:
    first, second = JointEncoder.start_from(folder, dropout=0.5), JointEncoder.start_from(folder)
    for model in (first, second):
        model.freeze(1)
    save_trained(first, folder / "extractor.safetensors")
    base = {name: value.numpy() for name, value in first.encoder.state_dict().items()}
    second.put(read_trained(folder / "extractor.safetensors", base))
    batch = collate([encode_pair(tokenizer_of(folder), pair) for pair in pairs()])
    with torch.no_grad():
        assert not torch.equal(first.train()(batch)[0], first(batch)[0]), (
            "hidden states are dropped while it trains"
        )
        first.eval()
        second.eval()
        assert torch.allclose(first(batch)[0], second(batch)[0], atol=0.02), "but for eight bits"


def test_what_openvino_reads_is_what_was_trained(folder: Path) -> None:
    """The shipped format, read back into an OpenVINO graph, against the PyTorch network that was saved."""
    model = JointEncoder.start_from(folder).eval()
    model.freeze(1)
    with torch.no_grad():
        for name, value in model.named_parameters():
            if value.requires_grad and value.ndim == 2 and value.shape[0] > 2:
                value.add_(torch.randn_like(value) * 0.05)
                scale = value.abs().amax(1, keepdim=True) / 127
                value.copy_(
                    (value / scale).round() * scale
                )  # on the grid, so that nothing is lost but in this step
                assert name
    save_trained(model, folder / "extractor.safetensors")
    base = {
        n: v.numpy()
        for n, v in BertModel.from_pretrained(folder, add_pooling_layer=False).state_dict().items()
    }
    base = {n: v for n, v in base.items() if v.dtype == np.float32}
    weights = read_trained(folder / "extractor.safetensors", base)
    config = json.loads((folder / "config.json").read_text())
    extractor = Extractor(config, weights, folder / "tokenizer.json", precision="f32")
    for pair in pairs():
        row = encode_pair(tokenizer_of(folder), pair)
        with torch.no_grad():
            relevance, spans = model(collate([row]))
        text = f"{pair.before}\n{pair.text}" if pair.before else pair.text
        output = extractor.pairs.run(pair.question, [text])[0]
        assert output.encoding.ids == row.ids
        assert output.rows[0][0] == pytest.approx(relevance.item(), abs=1e-4)
        seen = torch.isfinite(spans[0, :, 0]).numpy()
        assert output.rows[1][seen] == pytest.approx(spans[0].numpy()[seen], abs=1e-4)
    assert not [
        name
        for name in weights
        if name.startswith("embeddings") and weights[name] is not base[name]
    ]


class Repeated:
    """The same pairs at every step."""

    def __init__(self, model: JointEncoder, folder: Path) -> None:
        self._model = model
        self._rows = [encode_pair(tokenizer_of(folder), pair) for pair in pairs()]

    def losses(self, step: int):
        assert self._model.encoder.training
        chosen = self._rows[step % 2 :]
        return [
            lambda batch=batch: (self._model.loss(batch), int(batch.mask.sum()))
            for batch in batches(chosen, 2)
        ]

    def judge(self) -> dict[str, float]:
        assert not self._model.encoder.training
        return {"dev_loss": self._model.loss(collate(self._rows)).item()}


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> None:
    """A second passes whenever somebody looks."""
    ticks = itertools.count()
    monkeypatch.setattr(time, "monotonic", lambda: float(next(ticks)))


def run(folder: Path, out: Path, minutes: float, stop: int = 0) -> JointEncoder:
    model = JointEncoder.start_from(folder)
    torch.manual_seed(2)
    for head in (model.span, model.relevance):
        torch.nn.init.normal_(head.weight, std=0.02)
    settings = EncoderSettings(minutes=minutes, learning_rate=3e-3, checkpoint_minutes=0.25)
    trainer = EncoderTrainer(model, out, settings)

    def on_step(_seconds: float, _figures: dict[str, float]) -> None:
        if stop and trainer.step == stop:
            raise KeyboardInterrupt

    try:
        trainer.run(Repeated(model, folder), on_step)
    except KeyboardInterrupt:
        return model
    return model


def test_it_learns_and_goes_on_where_it_stopped(folder: Path, tmp_path: Path, clock: None) -> None:
    whole = run(folder, tmp_path / "whole", 1.5)
    run(folder, tmp_path / "cut", 1.5, stop=20)
    resumed = run(folder, tmp_path / "cut", 1.5)
    for (name, one), (_, other) in zip(
        whole.named_parameters(), resumed.named_parameters(), strict=True
    ):
        assert torch.equal(one, other), name
    log = [json.loads(line) for line in (tmp_path / "whole" / "log.jsonl").read_text().splitlines()]
    losses = [row["dev_loss"] for row in log if "dev_loss" in row]
    assert losses[-1] < 0.7 * losses[0]


def test_a_trained_extractor_marks(folder: Path, tmp_path: Path, clock: None) -> None:
    model = run(folder, tmp_path / "run", 3.0)
    save_trained(model, tmp_path / "extractor.safetensors")
    config = json.loads((folder / "config.json").read_text())
    extractor = Extractor(
        config, read_trained(tmp_path / "extractor.safetensors", {}), folder / "tokenizer.json"
    )
    chunks = [Chunk("1", "d", 0, len(TEXT), TEXT, "care")]
    marked = extractor.best_spans("when is oil due", chunks)
    assert TEXT[marked[0].span.start : marked[0].span.end] == "may"
    assert 0.5 < marked[0].confidence <= 1
    assert extractor.best_and_matching_spans("when is oil due", chunks, "May") == (
        marked,
        marked,
    )  # the same place, in any case
    best, other = extractor.best_and_matching_spans("when is oil due", chunks, TEXT.split()[0])
    assert best == marked
    assert other[0].confidence < 0.1 * marked[0].confidence
    assert other[0].span == Span(0, len(TEXT.split()[0]))
    assert extractor.best_and_matching_spans("when is oil due", chunks, "never") == (marked, [])
