"""Recipes that were trained with several seeds: one contestant, whose runs answer in turn."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from acclimate.evaluation.comparison import Metric, Outcome, RecipeRow
from acclimate.evaluation.entry import Entry
from acclimate.evaluation.luck import ENOUGH
from acclimate.evaluation.measures import Repeats


def by_runs(
    outcomes: Sequence[Outcome], entries: Sequence[Entry]
) -> tuple[dict[str, list[Outcome]], Repeats]:
    """The outcomes by recipe, and those of further runs under the name of the recipe that they are
    runs of; a run whose recipe was left out goes with it."""
    known = {entry.recipe: entry for entry in entries}
    firsts: dict[str, list[Outcome]] = {}
    others: dict[str, dict[str, list[Outcome]]] = {}
    for outcome in outcomes:
        entry = known[outcome.recipe]
        named = replace(outcome, recipe=entry.of or entry.recipe, seed=entry.seed)
        if entry.of:
            others.setdefault(entry.of, {}).setdefault(entry.recipe, []).append(named)
        else:
            firsts.setdefault(entry.recipe, []).append(named)
    return firsts, {name: list(some.values()) for name, some in others.items() if name in firsts}


def seed_notes(rows: Sequence[RecipeRow], metric: Metric) -> list[str]:
    """What a reader must know of recipes that were trained with several seeds."""
    notes = []
    for row in rows:
        if len(row.seeds) < 2:
            continue
        means = ", ".join(f"{100 * mean:.0f}" for mean in row.seeds.values())
        few = (
            ""
            if len(row.seeds) >= ENOUGH
            else f" Of two seeds little is known, so the interval is wide: train {ENOUGH} or more."
        )
        notes.append(
            f"{row.recipe} was trained with {len(row.seeds)} seeds ({metric} {means}): its score is "
            f"their mean, and its interval and p-values allow for the luck of the seeds. What is "
            f"served, and shown question by question, is seed {next(iter(row.seeds))}, the best on "
            f"dev.{few}"
        )
    return notes
