"""The verbs of a project that are about its question set."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from acclimate.types import Question
from acclimate.workspace.workspace import Workspace

if TYPE_CHECKING:  # what takes minutes is not needed to ask
    from acclimate.questions.coverage import Coverage
    from acclimate.questions.file import QuestionRow
    from acclimate.questions.generate import Made
    from acclimate.questions.imports import Rules
    from acclimate.questions.splitting import Leak
    from acclimate.questions.writer import QuestionKind
    from acclimate.workflows.questions import Imported


class QuestionVerbs(Workspace):
    """Makes, imports, splits and checks the questions in `questions.jsonl`."""

    def make_questions(
        self,
        count: int | Mapping[QuestionKind, int] = 60,
        *,
        writer: str = "model",
        checked: bool = True,
        progress: Callable[[QuestionRow], None] | None = None,
    ) -> Made:
        """Write questions from the documents into `questions.jsonl`, and split them by document.

        `count` is how many, of all kinds or of each. Without `checked` no reader is asked whether
        it finds each answer. `progress` is called for each question that is kept. Raises
        ProjectError before the first ingest, and SettingsError for an unknown writer.
        """
        from acclimate.workflows.questions import SHARES, make_questions, mix, split_questions

        wanted = mix(count) if isinstance(count, int) else count
        made = make_questions(self, wanted, writer, checked=checked, progress=progress)
        split_questions(self, SHARES)
        return made

    def import_questions(self, path: Path, rules: Rules | None = None) -> Imported:
        """Add the questions in a file or folder to `questions.jsonl`, and tell how it was read.

        `rules` say which columns mean what, where the file does not.
        """
        from acclimate.workflows.questions import import_questions

        return import_questions(self, path, rules)

    def add_question(
        self,
        question: str,
        answers: Sequence[str] = (),
        *,
        document: str | None = None,
        evidence: str | None = None,
    ) -> QuestionRow:
        """Add one question; without `answers` it is one that the documents do not answer."""
        from acclimate.workflows.questions import add_question

        return add_question(self, question, answers, document, evidence)

    def split_questions(
        self, shares: Mapping[str, float] | None = None, *, again: bool = False
    ) -> list[Question]:
        """Put the questions about each document into train, dev or test, in these shares."""
        from acclimate.workflows.questions import SHARES, split_questions

        return split_questions(self, shares or SHARES, again=again)

    def find_leaks(
        self, asked: Sequence[Question] | None = None, adapters: Sequence[Path] = ()
    ) -> list[Leak]:
        """What `asked` (None: dev and test) tells of the questions that recipes learn from."""
        from acclimate.workflows.questions import find_leaks

        if asked is None:
            asked = [one for one in self.questions() if one.split in ("dev", "test")]
        return find_leaks(self, asked, adapters)

    def coverage(self) -> Coverage:
        """Which documents and sections of the library the questions ask about."""
        from acclimate.workflows.questions import project_coverage

        return project_coverage(self)
