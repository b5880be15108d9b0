"""A student that answers without the passage as its teacher does with it.

The teacher is the same network with the passage in its prompt (and its reader, where it has one);
the student is its LoRA, asked the question alone. Source: Kujanpää et al., "Knowledge Injection via
Prompt Distillation", arXiv 2412.14964. Here the answers are the documents' own words, so where the
teacher would choose another word than the answer's, it is not believed.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from torch import nn

from acclimate.tuning.beliefs import beliefs_of
from acclimate.tuning.cases import Case, UnlearnableError, encode
from acclimate.tuning.lora import merge_adapter
from acclimate.tuning.packing import Belief, Example, certain
from acclimate.tuning.run import load_network, read_chat

_TOKENS = 4096  # of one sequence of the teacher's


class Reader:
    """A network that reads a passage; `adapter` is its reader's, None where it has none."""

    def __init__(self, model: Path, adapter: Path | None) -> None:
        self._chat, self._window = read_chat(model)
        self._network: nn.Module = load_network(model)
        if adapter is not None:
            merge_adapter(self._network, adapter)

    def teach(self, cases: Sequence[Case], readings: Sequence[Case]) -> list[tuple[Belief, ...]]:
        """What the reader holds at the tokens of each case's answer. `readings` are the same cases
        as it is asked them, with the passage before; they should begin alike. Nothing is said of
        one that is too long for the model."""
        ready = [self._reading(one) for one in readings]
        taught: list[tuple[Belief, ...]] = [() for _ in cases]
        for some in _groups(ready):
            held = beliefs_of(self._network, [example for _, example in some])
            for (at, _), one in zip(some, held, strict=True):
                taught[at] = self._believed(cases[at], one)
        return taught

    def _reading(self, one: Case) -> Example | None:
        try:
            example = encode(one, self._chat)
        except UnlearnableError:
            return None
        return example if len(example.prompt) + len(example.answer) <= self._window else None

    def _believed(self, case: Case, held: Sequence[Belief]) -> tuple[Belief, ...]:
        """The teacher's words, as far as they are the answer's; its mark of a passage comes after
        them."""
        answer = self._chat.tokenizer.encode(case.answer, add_special_tokens=False).ids
        return tuple(
            belief if belief.tokens[0] == token else certain(token)
            for token, belief in zip(answer, held, strict=False)
        )


def _groups(ready: Sequence[Example | None]) -> list[list[tuple[int, Example]]]:
    """Examples with their places, those together that are read in one sequence: at most `_TOKENS`,
    their common beginning counted once."""
    groups: list[list[tuple[int, Example]]] = []
    length = 0
    for at, example in enumerate(ready):
        if example is None:
            continue
        shared = _common(groups[-1][-1][1].prompt, example.prompt) if groups else 0
        size = len(example.prompt) + len(example.answer)
        if groups and 2 * shared > len(example.prompt) and length + size - shared <= _TOKENS:
            groups[-1].append((at, example))
            length += size - shared
        else:
            groups.append([(at, example)])
            length = size
    return groups


def _common(one: Sequence[int], other: Sequence[int]) -> int:
    return next(
        (at for at, (a, b) in enumerate(zip(one, other, strict=False)) if a != b),
        min(len(one), len(other)),
    )
