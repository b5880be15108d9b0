"""Abstention, meaning, judges: against values worked out by hand and simulations with known truth."""

import json
import runpy
from contextlib import closing
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from acclimate.errors import EngineError, ModelError, SettingsError
from acclimate.evaluation.abstention import Held, calibrate, curve
from acclimate.evaluation.cache import AnswerCache
from acclimate.evaluation.compare import Setting, compare
from acclimate.evaluation.comparison import load, save
from acclimate.evaluation.comparison_run import ComparisonRun
from acclimate.evaluation.entry import NoProgress
from acclimate.evaluation.judge import (
    Judgement,
    Label,
    add_label,
    agreement,
    judge,
    kappa,
    read_labels,
)
from acclimate.evaluation.judges import Judges
from acclimate.evaluation.report import render_html, render_markdown
from acclimate.models.entailment import EntailmentModel
from acclimate.testing.embeddings import HashEmbedder
from acclimate.types import Message

scripted = SimpleNamespace(**runpy.run_path(str(Path(__file__).with_name("test_compare.py"))))
QUESTIONS, answer_with, entry = scripted.QUESTIONS, scripted.answer_with, scripted.entry
right, wrong = scripted.right, scripted.wrong


def embed(texts):
    return HashEmbedder().embed_queries(list(texts))


@pytest.fixture
def comparison_run(tmp_path):
    with closing(AnswerCache(tmp_path / "answers.db")) as cache:
        yield ComparisonRun(QUESTIONS, {"q0": (5, 18)}, cache, NoProgress())


def test_the_curve_drops_the_least_sure_first():
    held = [Held(0.9, 1.0, 0.0), Held(0.5, 0.0, 0.0), Held(0.5, 1.0, 0.0), Held(None, 1.0, 1.0)]
    assert [(s.threshold, s.coverage, s.accuracy) for s in curve(held)] == [
        (0.5, 0.75, 2 / 3),
        (0.9, 0.25, 1.0),
    ]
    assert curve([Held(None, 1.0, 1.0)]) == []


def test_a_threshold_is_worth_what_it_is_on_other_documents():
    rng = np.random.default_rng(0)
    sure = rng.random(400)
    telling = [Held(float(c), float(rng.random() < c), 0.5) for c in sure]
    found = calibrate(telling, list(range(400)))
    assert (
        0.35 < found.threshold < 0.65
    )  # below one half, an answer is right less often than silence pays
    assert found.after > found.before + 0.05
    noise = [Held(float(c), float(rng.random() < 0.5), 0.45) for c in sure]
    found = calibrate(noise, list(range(400)))
    assert (
        found.after < found.before + 0.03
    )  # nothing to learn, so nothing is gained on other documents
    assert calibrate(telling, [1] * 400) is None
    assert calibrate([Held(None, 1.0, 1.0)] * 3, [1, 2, 3]) is None


def test_kappa_is_agreement_beyond_chance():
    # Cohen's formula by hand: observed 0.7; chance 0.6 * 0.5 + 0.4 * 0.5 = 0.5.
    first = [True] * 6 + [False] * 4
    second = [True] * 4 + [False] * 2 + [True] + [False] * 3
    assert kappa(first, second) == pytest.approx((0.7 - 0.5) / (1 - 0.5))
    assert kappa(first, first) == 1.0
    assert kappa([True] * 5, [True] * 5) == 0.0  # nothing can be told from chance


def test_the_interval_of_kappa_covers_the_truth_and_failures_are_counted(monkeypatch):
    monkeypatch.setattr("acclimate.evaluation.judge.RESAMPLES", 300)
    rng, covered = np.random.default_rng(1), 0
    for _ in range(100):
        labels = [bool(label) for label in rng.random(80) < 0.6]
        said = [Judgement(label if rng.random() < 0.85 else not label) for label in labels]
        found = agreement([*said, Judgement(None, "no word")], [*labels, True], range(81))
        assert (found.n, found.failed) == (80, 1)
        # 0.85 seen; the judge says yes to 0.57, so chance is 0.6 * 0.57 + 0.4 * 0.43 = 0.514
        covered += found.low <= (0.85 - 0.514) / (1 - 0.514) <= found.high
    assert covered >= 89
    assert agreement([Judgement(None, "x")], [True], [1]) is None


@pytest.mark.parametrize(
    ("said", "right"),
    [
        ("yes", True),
        ("**No**, it is not.", False),
        ("Yes.", True),
        ("I think so", None),
        ("", None),
    ],
)
def test_a_judge_says_one_word_or_fails(said, right):
    word = judge(QUESTIONS[0], answer_with("x", 0.1), lambda messages: said)
    assert word.right is right
    assert bool(word.error) == (right is None)


def test_a_judge_that_cannot_be_reached_is_a_failure():
    def gone(messages):
        raise EngineError("the server is gone")

    assert judge(QUESTIONS[0], answer_with("x", 0.1), gone) == Judgement(None, "the server is gone")


def test_labels_are_kept_and_a_broken_line_is_named(tmp_path):
    file = tmp_path / "labels.jsonl"
    add_label(file, Label("q1", "an answer", True))
    assert read_labels(file) == [Label("q1", "an answer", True)]
    file.write_text("{}\n")
    with pytest.raises(SettingsError, match="line 1 is no label"):
        read_labels(file)


def test_a_comparison_by_meaning_and_by_a_judge(comparison_run, tmp_path):
    asked = []

    def ask(messages: list[Message]):
        asked.append(messages)
        text = messages[0].content
        said = text.split("Given answer: ")[1].splitlines()[0]
        if "23?" in text:
            return "no idea"
        return "yes" if said in text.split("Given answer: ")[0] else "no"

    labels = [
        Label("q1", "answer 1", True),
        Label("q2", "answer 2", True),
        Label("q3", "nonsense", False),
    ]
    judges = Judges(
        embed, lambda pairs: [float("evidence" in p) for p, _ in pairs], ask, "scripted", labels
    )
    entries = [entry("good", right), entry("bad", wrong)]
    result = compare(comparison_run, entries, Setting("p", "test", "similarity"), judges=judges)
    good, bad = result.row("good"), result.row("bad")
    assert good.summary.similarity == pytest.approx(1.0)
    assert bad.summary.similarity < 0.5
    assert good.summary.entailed == 1.0
    assert 0 < good.summary.supported < 1
    assert good.judged > 0.8 > bad.judged
    assert (
        good.judge_errors == 1
    )  # question 23, and it counts as wrong: 20 facts and 3 silences of 24
    assert good.judged <= 23 / 24
    assert (good.agreement.n, good.agreement.same) == (2, 1.0)
    assert good.curve[0].coverage == pytest.approx(20 / 24)
    save(result, tmp_path / "c.json")
    assert load(tmp_path / "c.json") == result
    page = render_html(result)
    for words in (
        "Right, says the judge",
        "Cohen’s kappa",
        "When to stay silent",
        "Entailed by what it cites",
    ):
        assert words in page
    assert "nan" not in render_markdown(result).lower().split()
    before = len(asked)
    compare(comparison_run, entries, Setting("p", "test"), judges=judges)
    assert len(asked) - before == 2  # words are kept; the two failures are asked again


def test_similarity_without_an_embedder_is_refused(comparison_run):
    with pytest.raises(SettingsError, match="needs an embedder"):
        compare(comparison_run, [entry("good", right)], Setting("p", "test", "similarity"))


@pytest.fixture(scope="module")
def nli(tmp_path_factory):
    """A tiny classifier with random weights, and a word tokenizer."""
    torch = pytest.importorskip("torch")
    from tokenizers import Tokenizer, models, pre_tokenizers, processors
    from transformers import BertConfig, BertForSequenceClassification, PreTrainedTokenizerFast

    folder = tmp_path_factory.mktemp("nli")
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "the", "hall", "is", "old", "new", "museum"]
    tokenizer = Tokenizer(
        models.WordLevel({word: place for place, word in enumerate(words)}, "[UNK]")
    )
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]",
        pair="[CLS] $A [SEP] $B:1 [SEP]:1",
        special_tokens=[("[CLS]", 2), ("[SEP]", 3)],
    )
    fast = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, pad_token="[PAD]", unk_token="[UNK]", model_max_length=32
    )
    fast.save_pretrained(folder)
    torch.manual_seed(0)
    labels = ["contradiction", "neutral", "ENTAILMENT"]
    sizes = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2}
    config = BertConfig(
        vocab_size=len(words),
        intermediate_size=16,
        max_position_embeddings=32,
        id2label=dict(enumerate(labels)),
        label2id={label: number for number, label in enumerate(labels)},
        initializer_range=1.0,
        **sizes,
    )
    BertForSequenceClassification(config).save_pretrained(folder)
    return folder


def test_an_entailment_model_by_path_gives_its_own_probabilities(nli):
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    model = EntailmentModel(nli)
    pairs = [("the hall is old", "the hall is new"), ("the museum " * 40, "is old")] * 9
    likely = model(pairs)
    assert len(likely) == 18
    tokenizer = AutoTokenizer.from_pretrained(nli)
    reference = AutoModelForSequenceClassification.from_pretrained(nli)
    encoded = tokenizer(*pairs[0], return_tensors="pt")
    expected = reference(**encoded).logits.softmax(-1)[0, 2].item()
    assert likely[0] == pytest.approx(expected, abs=1e-5)
    assert likely[1] == pytest.approx(likely[3], abs=1e-5)
    assert model([]) == []


def test_other_folders_are_refused(nli, tmp_path):
    with pytest.raises(ModelError, match="no sequence-classification model"):
        EntailmentModel(tmp_path)
    for file in nli.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    config = json.loads((tmp_path / "config.json").read_text())
    config["id2label"] = {"0": "bad", "1": "fair", "2": "good"}
    config["label2id"] = {"bad": 0, "fair": 1, "good": 2}
    (tmp_path / "config.json").write_text(json.dumps(config))
    with pytest.raises(ModelError, match="its labels are bad, fair, good"):
        EntailmentModel(tmp_path)
