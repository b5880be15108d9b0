"""Progress of a comparison and of a search, on stderr."""

from __future__ import annotations

from rich.progress import BarColumn, MofNCompleteColumn, TaskID, TextColumn, TimeRemainingColumn

from acclimate.cli.progress import Bar
from acclimate.evaluation.entry import Estimate
from acclimate.evaluation.halving import Trial


class CompareBar(Bar):
    """A progress bar for each recipe; implements `ComparisonProgress`."""

    def __init__(self) -> None:
        super().__init__(
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            MofNCompleteColumn(),
            TimeRemainingColumn(),
        )
        self._tasks: dict[str, TaskID] = {}

    def preparing(self, recipe: str) -> None:
        """See `ComparisonProgress`."""
        if not self._console.is_terminal:
            self._console.print(f"Loading {recipe} …")

    def estimated(self, estimate: Estimate) -> None:
        """See `ComparisonProgress`."""
        answers, tokens = sum(estimate.answers.values()), sum(estimate.tokens.values())
        cost = f", cost {estimate.cost:.2f}" if estimate.cost is not None else ""
        seconds = sum(estimate.seconds.values())
        self._console.print(
            f"{estimate.questions} questions × {len(estimate.answers)} recipes: {answers} answers "
            f"to give, "
            f"about {seconds / 60:.1f} minutes and {tokens:,.0f} tokens{cost}.",
            highlight=False,
            soft_wrap=True,
        )
        self._console.print(estimate.tells, highlight=False, soft_wrap=True)

    def answered(self, recipe: str, done: int, total: int) -> None:
        """See `ComparisonProgress`."""
        if recipe not in self._tasks:
            self._tasks[recipe] = self._bar.add_task(recipe, total=total)
        self._bar.update(self._tasks[recipe], completed=done)

    def tried(self, trial: Trial, planned: int) -> None:
        """Called after each answer of a search; `planned` is the most answers there will be."""
        if "search" not in self._tasks:
            self._console.print(f"Choosing on dev: at most {planned} answers.", highlight=False)
            self._tasks["search"] = self._bar.add_task("search", total=planned)
        self._bar.advance(self._tasks["search"])
