"""Where everything of a project lies: the user's own files, and what Acclimate keeps below
`.acclimate`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from acclimate.settings import FILE_NAME

_STATE = ".acclimate"


@dataclass(frozen=True, slots=True)
class Layout:
    """The paths of the project in `folder`. Nothing is created; a path need not exist."""

    folder: Path

    @property
    def settings(self) -> Path:
        """`acclimate.toml`."""
        return self.folder / FILE_NAME

    @property
    def templates(self) -> Path:
        """The user's own prompt templates, which take the place of those that ship."""
        return self.folder / "templates"

    @property
    def questions(self) -> Path:
        """The question set."""
        return self.folder / "questions.jsonl"

    @property
    def labels(self) -> Path:
        """The user's judgements of answers."""
        return self.folder / "labels.jsonl"

    @property
    def feedback(self) -> Path:
        """What people said of answers."""
        return self.folder / "feedback.jsonl"

    @property
    def state(self) -> Path:
        """What Acclimate keeps: the library, and all below."""
        return self.folder / _STATE

    @property
    def record(self) -> Path:
        """The library's SQLite file."""
        return self.state / "library.db"

    @property
    def ingested(self) -> bool:
        """Whether there is a library."""
        return self.record.exists()

    @property
    def adapters(self) -> Path:
        """Tuned adapters of the language model, a folder each."""
        return self.state / "adapters"

    @property
    def studies(self) -> Path:
        """What the reader taught of each chunk, for `acclimate tune internalise`."""
        return self.state / "studies"

    @property
    def encoders(self) -> Path:
        """The tuned embedder and the tuned reranker, a folder each."""
        return self.state / "encoders"

    @property
    def extractor(self) -> Path:
        """The limits of the extractor that were chosen on the project's questions."""
        return self.state / "extractor.json"

    @property
    def comparisons(self) -> Path:
        """Comparisons with their reports, and traces of searches."""
        return self.state / "comparisons"

    @property
    def answers(self) -> Path:
        """The answers that comparisons keep: an SQLite file."""
        return self.comparisons / "answers.db"

    @property
    def comparison_run(self) -> Path:
        """The comparison that the server ran last, and whether it can go on."""
        return self.state / "comparison-run.json"

    @property
    def gates(self) -> Path:
        """What a comparison must keep, for continuous integration."""
        return self.folder / "gates.json"

    @property
    def demonstrations(self) -> Path:
        """Questions that the model solved by itself, for few-shot recipes."""
        return self.state / "demonstrations"

    @property
    def optimisations(self) -> Path:
        """Traces of prompt optimisations."""
        return self.state / "optimisations"

    @property
    def searches(self) -> Path:
        """Libraries of other chunks, which a search tries."""
        return self.state / "searches"

    @property
    def keys(self) -> Path:
        """The server's API keys, hashed."""
        return self.state / "keys.json"

    @property
    def audit_log(self) -> Path:
        """Who asked the server what kind of thing, and when."""
        return self.state / "audit.log"

    @property
    def sources(self) -> Path:
        """What sources need beside their documents, a folder each; it may be removed."""
        return self.state / "sources"

    @property
    def conversations(self) -> Path:
        """The conversations that people keep at the server: an SQLite file."""
        return self.state / "conversations.db"

    @property
    def removed(self) -> Path:
        """Documents that were removed or replaced over the server."""
        return self.state / "removed"

    @property
    def questions_lock(self) -> Path:
        """Held while the question set is rewritten."""
        return self.state / "questions.lock"

    @property
    def feedback_lock(self) -> Path:
        """Held while the feedback is rewritten."""
        return self.state / "feedback.lock"

    def trained_adapters(self) -> list[Path]:
        """The folders of finished adapters, by name."""
        found = self.adapters.glob("*/adapter_config.json")
        return sorted(file.parent for file in found)
