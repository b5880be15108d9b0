"""A sequence-classification model that says whether one text follows from another; needs the extra
`tune`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from acclimate.errors import MissingExtraError, ModelError

_BATCH = 16


class EntailmentModel:
    """Any natural-language-inference model in a folder: safetensors, tokenizer, and a config with a
    label "entailment".

    Raises MissingExtraError without PyTorch, and ModelError where the folder holds no such model.
    Only safetensors are read, and no code of the folder is run.
    """

    def __init__(self, folder: Path) -> None:
        try:
            import torch
            from transformers import AutoModelForSequenceClassification, AutoTokenizer
        except ImportError as error:
            raise MissingExtraError("an entailment model", "tune") from error
        self._torch = torch
        try:
            self._tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True)
            self._model = AutoModelForSequenceClassification.from_pretrained(
                folder, local_files_only=True, use_safetensors=True
            ).eval()
        except (OSError, ValueError) as error:
            reason = str(error).splitlines()[0]
            raise ModelError(
                f"{folder} holds no sequence-classification model: {reason}"
            ) from error
        labels = {
            int(place): str(name).casefold() for place, name in self._model.config.id2label.items()
        }
        self._place = next(
            (place for place, name in labels.items() if name.startswith("entail")), -1
        )
        if self._place < 0:
            raise ModelError(
                f"{folder} is no entailment model: its labels are {', '.join(labels.values())}.",
                hint="Use one whose config.json names the label 'entailment'.",
            )
        self.name = folder.name

    def __call__(self, pairs: Sequence[tuple[str, str]]) -> list[float]:
        """P(entailment) of each (premise, hypothesis), 0 to 1; a premise beyond the model's length
        is cut."""
        likely: list[float] = []
        for at in range(0, len(pairs), _BATCH):
            premises, hypotheses = zip(*pairs[at : at + _BATCH], strict=True)
            encoded = self._tokenizer(
                list(premises),
                list(hypotheses),
                truncation="only_first",
                padding=True,
                return_tensors="pt",
            )
            with self._torch.inference_mode():
                logits = self._model(**encoded).logits.float()
            likely += logits.softmax(dim=-1)[:, self._place].tolist()
        return likely
