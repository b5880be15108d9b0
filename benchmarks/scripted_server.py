"""A server whose engine writes 20 words, one each 50 ms, for everyone at once; see `benchmarks.serving`.

python -m benchmarks.scripted_server FOLDER [WORDS]
"""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from pathlib import Path

from acclimate.models.base import Engine, OnText
from acclimate.project import Project
from acclimate.serving.server import Server
from acclimate.settings import load_settings, make_settings
from acclimate.testing.models import ScriptedEngine
from acclimate.types import Completion, Generation, Message

_WORDS, _PACE_S = 20, 0.050


class Paced(ScriptedEngine):
    """Takes the time of a model, but none of the machine's. Keeps no prompts, as a soak has very many."""

    def generate(
        self, messages: Sequence[Message], options: Generation, on_text: OnText | None = None
    ) -> Completion:
        """See `Engine`."""

        def paced(piece: str) -> bool:
            time.sleep(_PACE_S)
            return on_text is None or on_text(piece)

        done = super().generate(messages, options, paced)
        self.prompts.clear()
        return done


class Scripted(Project):
    """A project with that engine."""

    words = _WORDS

    def _load_engine(self, adapter: Path | None) -> Engine:
        return Paced(lambda _: " ".join(["word"] * self.words), context_tokens=8192)


def main() -> None:
    """Serve the project in the folder named."""
    folder = Path(sys.argv[1])
    values = load_settings(folder / "acclimate.toml").model_dump()
    values["serve"] |= {"port": 0, "parallel": 64, "requests_per_minute": 1_000_000}
    values["answer"]["second_reader"] = "none"  # only what the engine says is measured
    project = Scripted(folder, make_settings(values, "the benchmark"))
    project.words = int(sys.argv[2]) if len(sys.argv) > 2 else _WORDS
    Server(project, lambda address: print(address, flush=True)).serve_project()


if __name__ == "__main__":
    main()
