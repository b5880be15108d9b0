"""DPO and KTO: the losses by numbers worked here, the reference without a second copy, and what files hold."""

import json
import math
import random
import runpy
from pathlib import Path

import pytest
import torch

from acclimate.errors import DataError, SettingsError
from acclimate.files.rows import Place
from acclimate.tuning.attached import attach
from acclimate.tuning.methods import METHODS
from acclimate.tuning.packing import Example, pack
from acclimate.tuning.pairs.pairs import PairSource
from acclimate.tuning.pairs.preferences import Verdict, as_rankings, read_preferences
from acclimate.tuning.preferences import (
    DPO,
    KTO,
    Judged,
    PackedJudged,
    PackedPairs,
    answer_log_probs,
    balanced,
    dpo_loss,
    reference,
)
from acclimate.tuning.trainer import Trainer, TrainSettings
from acclimate.types import Message

tiny = runpy.run_path(str(Path(__file__).parent / "families.py"))["tiny"]
pytestmark = pytest.mark.usefixtures("one_thread")
FAMILIES = ["llama", "gemma3_text", "qwen3_moe"]  # by the fast path, packed, and with experts

PAIRS = [
    (Example((5, 6, 7), (8, 9)), Example((5, 6, 7), (10,))),
    (Example((5, 11), (12,)), Example((5, 11), (13, 14, 15))),
]
FLAT = [example for pair in PAIRS for example in pair]


def as_pairs(examples):
    packed = pack(examples, 99)
    return PackedPairs(packed.tokens, packed.positions, packed.branches, packed.labels)


def as_judged(examples, right):
    packed = pack(examples, 99)
    following = [*examples[1:], examples[0]]
    crossed = [
        Example(one.prompt, two.answer) for one, two in zip(examples, following, strict=True)
    ]
    parts = (packed.tokens, packed.positions, packed.branches, packed.labels)
    return PackedJudged(*parts, right=torch.tensor(right), crossed=pack(crossed, 99))


def own_log_probs(network, examples):
    """Each example by itself, by Transformers' own forward: sums of log-probabilities."""
    found = []
    with torch.no_grad():
        for one in examples:
            ids = torch.tensor([[*one.prompt, *one.answer]])
            logs = network(input_ids=ids).logits[0].log_softmax(-1)
            places = range(len(one.prompt) - 1, ids.shape[1] - 1)
            found.append(sum(logs[at, ids[0, at + 1]].item() for at in places))
    return found


def trained(family, name="dpo"):
    attached = attach(tiny(family), METHODS[name], 4, 8.0)
    torch.manual_seed(5)
    for parameter in attached.parameters:
        torch.nn.init.normal_(parameter, std=0.2)
    return attached


def sigmoid(x):
    return 1 / (1 + math.exp(-x))


def test_the_losses_are_those_of_the_papers_by_hand():
    """Of two pairs and beta 0.1: margins 2 − (−1) = 3 and −4 − 0 = −4."""
    chosen, rejected = torch.tensor([2.0, -4.0]), torch.tensor([-1.0, 0.0])
    found = dpo_loss(chosen, rejected, 0.1)
    assert found.tolist() == pytest.approx([0.5543552444685271, 0.9130152523999526], abs=1e-6)
    kto = KTO(0.5, desirable=1.0, undesirable=1.5)
    ratios, right = torch.tensor([3.0, -1.0, 2.0]), torch.tensor([True, False, False])
    found = kto.of(ratios, right, torch.tensor(1.0))
    by_hand = [1 - sigmoid(0.5 * 2), 1.5 * (1 - sigmoid(0.5 * 2)), 1.5 * (1 - sigmoid(-0.5 * 1))]
    assert found.tolist() == pytest.approx(by_hand, abs=1e-6)
    assert by_hand == pytest.approx([0.2689414, 0.4034121, 0.9336890], abs=1e-6)


@pytest.mark.parametrize("family", FAMILIES)
def test_the_reference_is_the_network_without_its_adapter(family):
    attached, base = trained(family), tiny(family)
    expected = own_log_probs(base, FLAT)
    with reference(attached.network):
        found = answer_log_probs(attached.network, as_pairs(FLAT))
    assert found.tolist() == pytest.approx(expected, abs=1e-3)
    tuned = answer_log_probs(attached.network, as_pairs(FLAT))
    assert tuned.tolist() == pytest.approx(own_log_probs(attached.network, FLAT), abs=1e-3)
    assert max(abs(a - b) for a, b in zip(tuned.tolist(), expected, strict=True)) > 0.1


@pytest.mark.parametrize("family", FAMILIES)
def test_a_packed_step_is_the_mean_of_its_pairs(family):
    attached, packed = trained(family), as_pairs(FLAT)
    now, before = own_log_probs(attached.network, FLAT), own_log_probs(tiny(family), FLAT)
    ratios = [one - other for one, other in zip(now, before, strict=True)]
    expected = sum(-math.log(sigmoid(0.2 * (ratios[at] - ratios[at + 1]))) for at in (0, 2))
    loss = DPO(0.2)(attached.network, packed)
    assert loss.item() == pytest.approx(expected, rel=1e-3)
    assert packed.answers == 2
    loss.backward()
    gradient = attached.parameters[0].grad.clone()
    # The gradient is that of the plain formula over all logits at once.
    for parameter in attached.parameters:
        parameter.grad = None
    sums = []
    for one in FLAT:
        ids = torch.tensor([[*one.prompt, *one.answer]])
        logs = attached.network(input_ids=ids).logits[0, len(one.prompt) - 1 : -1].log_softmax(-1)
        sums.append(logs.gather(1, torch.tensor(one.answer)[:, None]).sum())
    plain = [sums[at] - sums[at + 1] - (before[at] - before[at + 1]) for at in (0, 2)]
    (-torch.nn.functional.logsigmoid(0.2 * torch.stack(plain))).sum().backward()
    torch.testing.assert_close(gradient, attached.parameters[0].grad, rtol=1e-2, atol=1e-4)


@pytest.mark.parametrize("family", FAMILIES[:2])
def test_kto_measures_drift_by_other_cases_answers(family):
    attached, right = trained(family, "kto"), [True, False, True, False]
    packed = as_judged(FLAT, right)
    following = [*FLAT[1:], FLAT[0]]
    crossed = [Example(one.prompt, two.answer) for one, two in zip(FLAT, following, strict=True)]
    ratios, drifts = (
        [
            one - other
            for one, other in zip(
                own_log_probs(attached.network, some),
                own_log_probs(tiny(family), some),
                strict=True,
            )
        ]
        for some in (FLAT, crossed)
    )
    z = max(0.0, sum(drifts) / 4)
    signs = [1 if good else -1 for good in right]
    each = [1 - sigmoid(0.3 * sign * (rho - z)) for sign, rho in zip(signs, ratios, strict=True)]
    assert KTO(0.3)(attached.network, packed).item() == pytest.approx(sum(each), rel=1e-3)


def test_the_rarer_kind_weighs_as_much():
    cases = [Judged((Message("user", "a"),), "b", right=at < 2) for at in range(8)]
    kto = balanced(cases, 0.1)
    assert (kto.desirable, kto.undesirable) == (3.0, 1.0)
    with pytest.raises(SettingsError, match="no wrong answer"):
        balanced(cases[:2], 0.1)


def run(folder, steps, name="dpo", stop=None):
    """A network of another family, a checkpoint after every step."""
    settings = TrainSettings(
        steps=steps, r=2, alpha=4, batch=2, checkpoint_minutes=0, patience=99, learning_rate=1e-2
    )
    method = METHODS[name]
    objective = DPO(0.5) if name == "dpo" else KTO(0.5)
    trainer = Trainer(tiny("mistral"), "tiny", folder, settings, method, objective=objective)

    def sample(rng):
        some = rng.sample(PAIRS, 2)
        flat = [example for pair in some for example in pair]
        return as_pairs(flat) if name == "dpo" else as_judged(flat, [True, False] * 2)

    trainer.run(sample, [sample(random.Random(0))], stop)
    return trainer


@pytest.mark.parametrize("name", ["dpo", "kto"])
def test_better_answers_become_likelier_and_a_run_goes_on_exactly(tmp_path, name):
    def stop(seconds, figures):
        raise KeyboardInterrupt

    for _ in range(2):
        with pytest.raises(KeyboardInterrupt):
            run(tmp_path / "stopped", 6, name, stop)
    again, whole = run(tmp_path / "stopped", 6, name), run(tmp_path / "whole", 6, name)
    rows = [json.loads(line) for line in (tmp_path / "whole/log.jsonl").read_text().splitlines()]
    dev = [row["dev_loss"] for row in rows if "dev_loss" in row]
    assert dev[0] == pytest.approx(math.log(2) if name == "dpo" else 0.5, abs=1e-3)
    assert dev[-1] < dev[0] - 0.02
    for one, other in zip(again.masters, whole.masters, strict=True):
        torch.testing.assert_close(one, other, rtol=0, atol=0)
    found = answer_log_probs(whole.model, as_pairs(FLAT))
    with reference(whole.model):
        before = answer_log_probs(whole.model, as_pairs(FLAT))
    gain = found - before
    assert (gain[0::2] > gain[1::2]).all()


MESSAGES = [{"role": "user", "content": "Where?"}]
SAID = [{"role": "assistant", "content": "Here."}], [{"role": "assistant", "content": "There."}]


@pytest.mark.parametrize(
    "row",
    [
        {"prompt": "Where?", "chosen": "Here.", "rejected": "There."},
        {"prompt": MESSAGES, "chosen": SAID[0], "rejected": SAID[1]},
        {"chosen": MESSAGES + SAID[0], "rejected": MESSAGES + SAID[1]},
    ],
)
def test_pairs_are_read_in_every_form(tmp_path, row):
    (tmp_path / "p.jsonl").write_text(json.dumps(row) + "\n")
    read = read_preferences(PairSource(tmp_path / "p.jsonl"))
    assert [(one.answer, one.right) for one in read.verdicts] == [
        ("Here.", True),
        ("There.", False),
    ]
    assert {one.messages for one in read.verdicts} == {(Message("user", "Where?"),)}
    (ranking,), left = as_rankings(read.verdicts)
    assert (ranking.chosen, ranking.rejected, left) == ("Here.", "There.", {})


def test_labelled_rows_are_read_and_their_faults_named(tmp_path):
    rows = [
        {"prompt": "Where?", "completion": "Here.", "label": True},
        {"prompt": MESSAGES, "completion": SAID[1], "label": "false"},
        {"prompt": "When?", "completion": "Now.", "label": True, "split": "dev"},
        {"prompt": "Who?", "completion": "I.", "label": "perhaps"},
        {"prompt": "Who?", "completion": "I."},
        {"prompt": "Who?", "completion": " ", "label": True},
        {"prompt": "Who?", "completion": "I.", "label": True, "split": "test"},
    ]
    (tmp_path / "k.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    read = read_preferences(PairSource(tmp_path / "k.jsonl"))
    assert [one.right for one in read.verdicts] == [True, False, True]
    assert read.verdicts[2].split == "dev"
    assert read.passed == {"of its split 'test'": 1}
    assert [one.place for one in read.problems] == [Place(4), Place(5), Place(6)]
    assert "has the label 'perhaps'" in read.problems[0].reason
    rankings, left = as_rankings(read.verdicts)
    assert [(one.chosen, one.rejected) for one in rankings] == [("Here.", "There.")]
    assert sum(left.values()) == 1


def test_files_without_preferences_are_refused(tmp_path):
    (tmp_path / "a.jsonl").write_text(json.dumps({"instruction": "a", "output": "b"}) + "\n")
    with pytest.raises(DataError, match="better or right"):
        read_preferences(PairSource(tmp_path / "a.jsonl"))
    row = {"prompt": "a", "chosen": "same", "rejected": "same"}
    (tmp_path / "b.jsonl").write_text(json.dumps(row) + "\n")
    assert "same text" in read_preferences(PairSource(tmp_path / "b.jsonl")).problems[0].reason


def test_every_wrong_answer_is_paired():
    asked = (Message("user", "q"),)
    verdicts = [Verdict(Place(at), asked, str(at), right=at == 1) for at in range(1, 4)]
    rankings, _ = as_rankings(verdicts)
    assert [(one.chosen, one.rejected) for one in rankings] == [("1", "2"), ("1", "3")]
