"""The judges of a comparison that a project's settings name."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from acclimate.evaluation.checks import open_check
from acclimate.evaluation.judge import read_labels
from acclimate.evaluation.judges import Judges
from acclimate.evaluation.parallel import Patience
from acclimate.evaluation.verdicts import first_word
from acclimate.prompting.replies import ask
from acclimate.settings_sections import ModelSettings
from acclimate.types import Generation, Message
from acclimate.workflows.stage import BY_A_SERVER
from acclimate.workspace.workspace import Workspace

if TYPE_CHECKING:
    from acclimate.models.base import Engine

_JUDGE_TOKENS, _JUDGE_ALOUD = 8, 1024  # of a word, and of a judge that says more


def open_judges(workspace: Workspace, nli: Path | None, checks: Sequence[str] = ()) -> Judges:
    """The embedder always; an entailment model, a judging model and checks where they are named."""
    entail, chosen = None, workspace.settings.judge
    opened = [open_check(one, workspace.folder) for one in checks]
    if nli is not None:
        from acclimate.models.entailment import EntailmentModel  # PyTorch

        entail = EntailmentModel(nli)
    return Judges(
        lambda texts: workspace.embedder.embed_queries(texts),  # loaded only where there are texts
        entail,
        Judging(workspace) if chosen.name else None,
        f"{chosen.engine} {chosen.base_url} {chosen.name}",
        read_labels(workspace.layout.labels),
        BY_A_SERVER if chosen.engine == "openai" else 1,
        opened,
    )


class Judging:
    """Asks the model of [judge], which is loaded at the first question, when the recipes are done
    with theirs."""

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace
        self._engine: Engine | None = None
        self._lock = threading.Lock()
        self._patience = Patience()

    def __call__(self, messages: Sequence[Message]) -> str:
        """What it says; who says more than a word has room for it. Safe to call from several
        threads."""
        with self._lock:
            engine = self._engine = self._engine or self._load()
        return self._patience(partial(self._ask, engine, messages))

    def _load(self) -> Engine:
        workspace, chosen = self._workspace, self._workspace.settings.judge
        workspace.keep_only(None)
        named = chosen.model_dump(include={"engine", "name", "base_url", "api_key_env"})
        model = ModelSettings(**named, adapter="none")
        judging = workspace.sharing(
            workspace.settings.model_copy(update={"model": model}), share_models=False
        )
        return judging.engine("zero-shot")

    def _ask(self, engine: Engine, messages: Sequence[Message]) -> str:
        done = ask(engine, messages, Generation(max_tokens=_JUDGE_TOKENS))
        if done.finish == "length" and not first_word(done.text):
            left = engine.context_tokens - engine.count(messages)
            room = max(_JUDGE_TOKENS, min(_JUDGE_ALOUD, left))
            done = ask(engine, messages, Generation(max_tokens=room))
        return done.text
