"""Prompt templates: text files with strict variables, identified by the hash of their content."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import cast

from acclimate.errors import SettingsError
from acclimate.types import Message, Role

_ROLES = ("system", "user", "assistant")
_VARIABLE = re.compile(r"\{\{(\w+)\}\}")


@dataclass(frozen=True, slots=True)
class Template:
    """A prompt with `{{variables}}`.

    The file holds comment lines (`#`, before the first turn only), then turns, each opened by a
    line `--- role`. `fingerprint` is the first 12 hex digits of the SHA-256 of the file's text.
    """

    name: str
    turns: tuple[Message, ...]
    fingerprint: str

    @property
    def variables(self) -> frozenset[str]:
        """The names that `render` must be given, no more and no fewer."""
        return frozenset(name for turn in self.turns for name in _VARIABLE.findall(turn.content))

    def render(self, values: Mapping[str, str]) -> tuple[Message, ...]:
        """Fill in the variables. Raises SettingsError where the names do not match exactly.

        Values are inserted once and never read again for variables: a passage holding
        `{{question}}` stays text.
        """
        if values.keys() != self.variables:
            raise SettingsError(
                f"template '{self.name}' has the variables {sorted(self.variables)}, but was "
                f"given {sorted(values)}."
            )
        return tuple(
            Message(turn.role, _VARIABLE.sub(lambda match: values[match[1]], turn.content))
            for turn in self.turns
        )


def with_instructions(turns: tuple[Message, ...], instructions: str) -> tuple[Message, ...]:
    """A prompt that also says what the asker's own `instructions` want: after the recipe's, which
    hold first."""
    if not instructions:
        return turns
    if turns[0].role != "system":
        return (Message("system", instructions), *turns)
    return (Message("system", f"{turns[0].content}\n\n{instructions}"), *turns[1:])


def parse_template(name: str, text: str) -> Template:
    """Read a template's text. Raises SettingsError naming the line that is wrong."""
    turns: list[tuple[Role, list[str]]] = []
    for number, line in enumerate(text.split("\n"), start=1):
        if line.startswith("--- "):
            role = line[4:].strip()
            if role not in _ROLES:
                raise SettingsError(
                    f"template '{name}', line {number}: '{role}' is not one of {_ROLES}."
                )
            turns.append((cast("Role", role), []))
        elif turns:
            turns[-1][1].append(line)
        elif line.strip() and not line.startswith("#"):
            raise SettingsError(
                f"template '{name}', line {number}: text before the first '--- role' line."
            )
    if not turns:
        raise SettingsError(
            f"template '{name}' has no turn.", hint="Open one with a line '--- user'."
        )
    fingerprint = hashlib.sha256(text.encode()).hexdigest()[:12]
    return Template(
        name,
        tuple(Message(role, "\n".join(lines).strip("\n")) for role, lines in turns),
        fingerprint,
    )


def load_template(name: str, folder: Path | None = None) -> Template:
    """The template `name`: the user's own `folder/name.txt` where it exists, else the one that
    ships."""
    if folder is not None and (own := folder / f"{name}.txt").is_file():
        return parse_template(name, own.read_text(encoding="utf-8"))
    shipped = resources.files("acclimate.prompting") / "templates" / f"{name}.txt"
    if not shipped.is_file():
        raise SettingsError(f"there is no template '{name}'.")
    return parse_template(name, shipped.read_text(encoding="utf-8"))
