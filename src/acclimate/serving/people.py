"""People who log in: who they are, and what their groups may do by the table in `[login]`."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol

from fastapi import APIRouter
from starlette.datastructures import Headers
from starlette.types import Scope

from acclimate.errors import SettingsError, nearest
from acclimate.serving.errors import ApiError
from acclimate.serving.keys import EVERY_LABEL, PERSON, SCOPES, Caller
from acclimate.settings_sections import LoginSettings

EVERYONE = "*"
_LONGEST = 200  # characters of a name or a group
_MOST_GROUPS = 1000


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody who is logged in. `id` stays the same for one person and is no other's; `name` is
    for people to read."""

    id: str
    name: str
    groups: frozenset[str]


class Login(Protocol):
    """How callers are known who bring no API key."""

    engine: str

    def caller(self, scope: Scope, headers: Headers) -> Caller | None:
        """Whom a request is from; None where it does not say, or not so that it is believed.
        Raises ApiError for somebody who is known and not let in."""

    def router(self) -> APIRouter:
        """The routes by which people come and go."""

    def close(self) -> None:
        """The server ends."""


@dataclass(frozen=True, slots=True)
class Groups:
    """What groups may do: scopes and labels of each, and of `EVERYONE` who is logged in."""

    scopes: tuple[tuple[str, frozenset[str]], ...]
    labels: tuple[tuple[str, frozenset[str]], ...]

    @classmethod
    def of(cls, chosen: LoginSettings) -> Groups:
        """Read the table. Raises SettingsError for a line that is none, and where nobody would be
        let in."""
        scopes = _lines(chosen.scopes, "scopes")
        for scope in sorted(frozenset().union(*(names for _, names in scopes))):
            if scope not in SCOPES:
                raise SettingsError(
                    f"[login] scopes: there is no scope '{scope}'.", hint=nearest(scope, SCOPES)
                )
        if not scopes:
            raise SettingsError(
                f"[login] engine = '{chosen.engine}' lets nobody in: no group has a scope.",
                hint='[login] scopes = ["staff = ask", "it = ask, manage"]; "* = ask" is everyone '
                "whom the provider or proxy knows.",
            )
        return cls(scopes, _lines(chosen.labels, "labels"))

    def caller(self, person: Person) -> Caller:
        """What a person may do. Raises ApiError 403 for one whom no line lets in."""
        scopes = _allowed(self.scopes, person.groups)
        if not scopes:
            raise ApiError(
                403, "You are logged in, but none of your groups is let in here.", "no_group"
            )
        labels = _allowed(self.labels, person.groups)
        seen = None if EVERY_LABEL in labels else labels
        return Caller(person.name, scopes, seen, id=person.id)


def person_of(source: str, subject: str, name: str, groups: Iterable[str]) -> Person:
    """The person whom `source` calls `subject`. Raises ApiError 401 for a name that is empty, too
    long, or holds characters that are not for reading."""
    for text in (subject, name):
        if not text or len(text) > _LONGEST or not text.isprintable() or text != text.strip():
            raise ApiError(401, "The login gives a name that cannot be used.", "bad_login")
    held = frozenset(group for group in groups if group and len(group) <= _LONGEST)
    if len(held) > _MOST_GROUPS:
        raise ApiError(401, f"The login gives more than {_MOST_GROUPS} groups.", "bad_login")
    digest = hashlib.sha256(f"{source}\0{subject}".encode()).hexdigest()
    return Person(f"{PERSON}{digest[:40]}", name, held - {EVERYONE})


def _lines(given: Sequence[str], key: str) -> tuple[tuple[str, frozenset[str]], ...]:
    """The lines "GROUP = NAME, NAME". A group's own name may hold "=", as in LDAP."""
    found = []
    for line in given:
        group, mark, names = line.rpartition("=")
        held = frozenset(name.strip() for name in names.split(",") if name.strip())
        if not mark or not group.strip() or not held:
            raise SettingsError(
                f"[login] {key}: '{line}' is not of the form \"GROUP = NAME, NAME\".",
                hint=f'{key} = ["staff = {"ask" if key == "scopes" else "internal"}"]',
            )
        found.append((group.strip(), held))
    return tuple(found)


def _allowed(lines: Sequence[tuple[str, frozenset[str]]], groups: frozenset[str]) -> frozenset[str]:
    met = (names for group, names in lines if group == EVERYONE or group in groups)
    return frozenset[str]().union(*met)
