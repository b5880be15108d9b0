"""The verbs of a project that are about its question set."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from acclimate.prompting.conversation import Turn
from acclimate.types import Answer, Question
from acclimate.workspace.workspace import Workspace

if TYPE_CHECKING:  # what takes minutes is not needed to ask
    from acclimate.questions.coverage import Coverage
    from acclimate.questions.feedback import Feedback
    from acclimate.questions.file import QuestionRow
    from acclimate.questions.generate import Made
    from acclimate.questions.imports import Rules
    from acclimate.questions.splitting import Leak
    from acclimate.questions.writer import QuestionKind
    from acclimate.workflows.feedback import PairForm, PairsWritten, Proposal, Reviewed
    from acclimate.workflows.questions import Imported, Trust


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

    def give_feedback(
        self,
        answer: Answer,
        *,
        right: bool,
        correction: str = "",
        unanswerable: bool = False,
        turns: Sequence[Turn] = (),
    ) -> Feedback:
        """Keep in `feedback.jsonl` whether an answer is right, and what is: `correction`, or that
        the documents do not hold it. `turns` came before the question."""
        from acclimate.questions.feedback import given_of
        from acclimate.workflows.feedback import give_feedback

        given = given_of(answer, turns)
        return give_feedback(
            self, given, right=right, correction=correction, unanswerable=unanswerable
        )

    def proposals(self) -> list[Proposal]:
        """Feedback that nobody has reviewed, each with the question that it would become."""
        from acclimate.workflows.feedback import propose

        return propose(self, [row for row in self.feedback_file.rows() if not row.status])

    def review_feedback(
        self,
        name: str,
        *,
        accepted: bool,
        question: str | None = None,
        answers: Sequence[str] | None = None,
        answerable: bool | None = None,
        split: str | None = None,
    ) -> Reviewed:
        """Accept feedback as it is proposed, or as it is given here, or reject it. Accepted, it is
        a question of the set, and a label; of `split` "train" it can be learnt, instead of asked."""
        from acclimate.workflows.feedback import review_feedback

        return review_feedback(
            self,
            name,
            accepted=accepted,
            question=question,
            answers=answers,
            answerable=answerable,
            split=split,
        )

    def write_pairs(self, file: Path, form: PairForm = "preference") -> PairsWritten:
        """Write accepted feedback of the split train as pairs to learn from, in the forms of TRL:
        "preference" (prompt, chosen, rejected) or "label" (prompt, completion, label)."""
        from acclimate.workflows.feedback import write_pairs

        return write_pairs(self, file, form)

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

    def trust(self) -> Trust:
        """What the questions can tell before they are asked, how hard they were in the last
        comparison, and which of them ask the same."""
        from acclimate.workflows.questions import trust

        return trust(self)
