"""Learning from a distribution, and from what the network says of its own accord."""

import json
import random

import pytest
import torch
from tokenizers import AddedToken, Tokenizer
from tokenizers.models import WordLevel
from torch.nn import functional as F  # noqa: N812
from transformers import LlamaConfig, LlamaForCausalLM

from acclimate.tuning.beliefs import beliefs_of
from acclimate.tuning.distillation import divergence, plain_divergence
from acclimate.tuning.loss import answer_loss, chunked_cross_entropy
from acclimate.tuning.packing import Belief, Example, as_targets, certain, pack
from acclimate.tuning.replay import WithReplay, Writing, old_self, remembered, sample

pytestmark = pytest.mark.usefixtures("one_thread")
WORDS = 40


def tiny(seed=0):
    torch.manual_seed(seed)
    sizes = {"vocab_size": WORDS, "hidden_size": 32, "intermediate_size": 48}
    config = LlamaConfig(**sizes, num_hidden_layers=2, num_attention_heads=4, bos_token_id=1)
    network = LlamaForCausalLM(config).eval()
    torch.nn.init.normal_(network.lm_head.weight, std=0.5)  # as sure as a trained one
    return network


def reference(hidden, weight, tokens, shares):
    """KL over the kept tokens and the rest as one, by the textbook."""
    q = (hidden @ weight.T).softmax(-1)
    total = 0
    for row, ids, p in zip(q, tokens, shares, strict=True):
        kept = p > 0
        left = torch.ones(len(row), dtype=torch.bool).index_fill(0, ids[kept], value=False)
        total = total + (p[kept] * (p[kept] / row[ids[kept]]).log()).sum()
        rest = 1 - p.sum()
        if rest > 1e-6:
            total = total + rest * (rest / row[left].sum()).log()
    return total


def test_the_loss_and_its_gradients_are_those_of_the_textbook():
    torch.manual_seed(3)
    hidden = torch.randn(5, 8, requires_grad=True)
    weight = torch.randn(WORDS, 8, requires_grad=True)
    held = [
        Belief((3, 7), (0.6, 0.3)),
        Belief((0,), (1.0,)),
        Belief((5, 0, 9), (0.5, 0.25, 0.125)),
        Belief((2,), (0.4,)),
        certain(11),
    ]
    wanted = as_targets(held)
    ours = divergence(hidden, weight, wanted.tokens, wanted.shares, 2)
    by_ours = torch.autograd.grad(ours, (hidden, weight))
    theirs = reference(hidden, weight, wanted.tokens, wanted.shares)
    by_theirs = torch.autograd.grad(theirs, (hidden, weight))
    plain = plain_divergence(hidden @ weight.T, wanted)
    for loss, grads in ((ours, by_ours), (plain, torch.autograd.grad(plain, (hidden, weight)))):
        torch.testing.assert_close(loss, theirs, rtol=1e-4, atol=1e-5)
        for one, other in zip(grads, by_theirs, strict=True):
            torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-5)


def test_where_the_teacher_is_certain_it_is_the_cross_entropy():
    torch.manual_seed(4)
    hidden, weight = torch.randn(6, 8), torch.randn(WORDS, 8)
    labels = torch.randint(WORDS, (6,))
    wanted = as_targets([certain(token) for token in labels.tolist()])
    ours = divergence(hidden, weight, wanted.tokens, wanted.shares, 4)
    torch.testing.assert_close(ours, chunked_cross_entropy(hidden, weight, labels, 4))


def test_a_network_is_not_apart_from_what_it_holds_itself():
    network = tiny()
    examples = [Example((1, 2, 3), (4, 5)), Example((1, 2, 6), (7,))]
    held = beliefs_of(network, examples)
    assert [len(one) for one in held] == [2, 1]
    taught = [
        Example(one.prompt, one.answer, tuple(beliefs))
        for one, beliefs in zip(examples, held, strict=True)
    ]
    assert answer_loss(network, pack(taught, 99)).item() == pytest.approx(0, abs=1e-3)
    with torch.no_grad():
        logits = network(torch.tensor([[1, 2, 3, 4]])).logits[0, 2:].softmax(-1)
    for row, belief in zip(logits, held[0], strict=True):
        assert row[belief.tokens[0]].item() == pytest.approx(belief.shares[0], rel=1e-3)
        assert belief.tokens[0] == int(row.argmax())


def test_what_is_not_taught_is_certain_and_rows_keep_their_order():
    packed = pack(
        [Example((1, 2), (3, 4), (Belief((3, 9), (0.7, 0.2)),)), Example((1, 5), (6,))], 99
    )
    assert packed.targets.tokens.tolist() == [[3, 9], [4, 0], [6, 0]]
    assert packed.targets.shares.tolist() == [
        pytest.approx([0.7, 0.2]), [1.0, 0.0], [1.0, 0.0],
    ]  # fmt: skip
    assert packed.labels[packed.labels >= 0].tolist() == [3, 4, 6]
    assert pack([Example((1, 2), (3,))], 99).targets is None


def test_texts_of_unequal_starts_are_written_at_once_as_they_are_one_by_one():
    network = tiny()
    starts = [[1, 5, 9, 11], [1, 7]]
    together = sample(network, starts, Writing(tokens=6, temperature=0))
    for start, written in zip(starts, together, strict=True):
        alone = network.generate(
            torch.tensor([start]), max_new_tokens=6, do_sample=False, eos_token_id=None
        )
        assert written == alone[0].tolist()


def test_a_text_ends_at_a_stop():
    network = tiny()
    whole = sample(network, [[1, 5]], Writing(tokens=6, temperature=0))[0]
    stop = whole[4]
    ended = sample(network, [[1, 5]], Writing(tokens=6, temperature=0, stops=(stop,)))[0]
    assert ended == whole[: whole.index(stop, 2) + 1]


class Chat:
    """A chat format whose users speak after two tokens; the last word ends an answer."""

    def __init__(self):
        words = {f"w{at}": at for at in range(WORDS - 1)}
        self.tokenizer = Tokenizer(WordLevel(words, unk_token="w3"))
        self.tokenizer.add_special_tokens([AddedToken("<end>", special=True)])

    def encode(self, messages):
        return [1, 2, 3 if messages[0].content == "a" else 4, 5]


def test_the_old_self_writes_once_and_is_the_network_itself(tmp_path):
    network, file, shelf = tiny(), tmp_path / "run" / "old.json", tmp_path / "shelf" / "old.json"

    def own(seconds, to=file):
        return old_self(network, Chat(), to, seconds, learnt=9, shelf=shelf)

    assert own(1) == []  # too little time for a text
    assert not file.exists()
    held = own(4)
    assert held
    mean = 4 * sum(map(len, json.loads(file.read_text()))) / len(json.loads(file.read_text()))
    assert held[0].targets.weight == pytest.approx(min(2, 4 * 9 / mean))  # as four of the others
    assert sum(answer_loss(network, one).item() for one in held[:3]) == pytest.approx(0, abs=0.05)
    assert answer_loss(tiny(seed=7), held[0]).item() > 1
    tokens = [one.tokens.tolist() for one in held]
    assert [one.tokens.tolist() for one in own(0)] == tokens
    texts = json.loads(shelf.read_text())
    assert {tuple(one[:2]) for one in texts} > {(1, 2)}  # chat begins where a user would speak
    # What was ordered comes first, and is no chat: neither the order nor the end of an answer is there.
    assert all(one[0] == 1 and WORDS - 1 not in one for one in texts[:20])


def test_another_run_of_a_model_has_what_was_written_before_and_more(tmp_path):
    network, shelf = tiny(), tmp_path / "old.json"
    first = old_self(network, Chat(), tmp_path / "a.json", 4, learnt=9, shelf=shelf)
    known = json.loads(shelf.read_text())
    assert 1 < len(first) == -(-len(json.loads((tmp_path / "a.json").read_text())) // 4)
    shelf.write_text(json.dumps(known[:40]))
    old_self(network, Chat(), tmp_path / "c.json", 4, learnt=9, shelf=shelf)
    more = json.loads(shelf.read_text())
    assert more[:40] == known[:40]
    assert len({tuple(one) for one in more}) == len(more) > 40


def test_of_the_old_selfs_texts_as_many_are_read_as_there_is_time_for():
    texts = sample(tiny(), [[1]] * 8, Writing(tokens=20))
    assert len(remembered(tiny(), texts, 1.0, seconds=0)) == 1
    assert len(remembered(tiny(), texts, 1.0)) == 2


def test_a_weighted_sequence_counts_for_less():
    network = tiny()
    other = tiny(seed=5)
    texts = [[1, 4, 9, 2, 8, 7]]
    light, heavy = (remembered(network, texts, weight)[0] for weight in (0.1, 1.0))
    torch.testing.assert_close(answer_loss(other, light), 0.1 * answer_loss(other, heavy))
    assert (light.answers, heavy.answers) == (1, 5)


def test_equal_random_states_draw_equal_sequences_and_a_share_is_the_old_selfs():
    own, old = pack([Example((1, 2), (3,))], 9), pack([Example((4, 5), (6,))], 9)
    draw = WithReplay(lambda rng: own, [old], 0.25)
    drawn = [draw(random.Random(str(step))) is old for step in range(400)]
    assert drawn == [draw(random.Random(str(step))) is old for step in range(400)]
    assert 60 < sum(drawn) < 140
    alone = WithReplay(lambda rng: own, [], 0.25)
    assert all(alone(random.Random(str(step))) is own for step in range(50))


def learnt(network, held, steps=30):
    """Learn an answer, with or without the old self's sequences in between."""
    optimizer = torch.optim.Adam(network.parameters(), lr=3e-3)
    draw = WithReplay(lambda rng: pack([Example((1, 2, 3), (4, 5))], 9), held, 0.5)
    for step in range(steps):
        packed = draw(random.Random(str(step)))
        (answer_loss(network, packed) / packed.answers).backward()
        optimizer.step()
        optimizer.zero_grad()
    return network


def test_a_network_that_is_held_to_itself_forgets_less():
    texts = sample(tiny(), [[1]] * 8, Writing(tokens=20))
    held, others = (remembered(tiny(), some, 1.0) for some in (texts[:6], texts[6:]))
    apart = [
        answer_loss(learnt(tiny(), replay), others[0]).item() / others[0].answers
        for replay in ([], held)
    ]
    assert apart[1] < 0.7 * apart[0]
    own = F.cross_entropy(
        learnt(tiny(), held)(torch.tensor([[1, 2, 3]])).logits[0, -1:], torch.tensor([4])
    )
    assert own.item() < 0.5  # and learns all the same
