"""General ability is measured in few sequences, and is what single ones would give."""

import json
import math
from importlib import resources

import pytest
import torch

from acclimate.tuning import forgetting
from acclimate.tuning.run import load_network, read_chat
from acclimate.types import Message


def alone(network, prompt, answer):
    """Transformers' own mean loss of an answer."""
    ids = torch.tensor([[*prompt, *answer]])
    with torch.no_grad():
        logits = network(input_ids=ids).logits[0, len(prompt) - 1 : -1]
    return torch.nn.functional.cross_entropy(logits, ids[0, len(prompt) :]).item()


@pytest.mark.usefixtures("one_thread")
def test_all_questions_together_are_judged_as_each_alone(tiny_file):
    network, (chat, _) = load_network(tiny_file(), torch.float32), read_chat(tiny_file())
    held = json.loads((resources.files("acclimate.tuning") / "general.json").read_text("utf-8"))

    def encode(text):
        return chat.tokenizer.encode(text, add_special_tokens=False).ids

    texts = [encode(text) for text in held["texts"]]
    total = sum(alone(network, ids[:1], ids[1:]) * (len(ids) - 1) for ids in texts)
    right = 0
    for question, *answers in held["questions"]:
        prompt = chat.encode([Message("user", question)])
        wanted, *others = (alone(network, prompt, encode(one)) for one in answers)
        right += wanted < min(others)
    found = forgetting.measure(network, chat)
    perplexity = math.exp(total / sum(len(ids) - 1 for ids in texts))
    assert found.perplexity == pytest.approx(perplexity, rel=1e-4)
    assert 0 < found.questions < 1
    assert found.questions == pytest.approx(right / len(held["questions"]), abs=1e-3)
