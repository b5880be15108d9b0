"""API keys: random, kept as hashes, each with scopes and access labels."""

from __future__ import annotations

import hashlib
import json
import os
import secrets
import tempfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from filelock import FileLock

from acclimate.errors import SettingsError
from acclimate.indexes.filters import Filter
from acclimate.workspace.layout import Layout

SCOPES = {
    "ask": "ask, search, read documents, and say whether an answer is right",
    "manage": "upload and delete, review, see metrics and reports",
}
EVERY_LABEL = "*"
PREFIX = "acc_"
"""What every token begins with."""
PERSON = "person:"
"""What the id of everybody begins with who logged in."""


@dataclass(frozen=True, slots=True)
class Caller:
    """Who a request is from. `labels` None sees every document; else those that are open or have
    one of the labels. `id` is nobody else's, as against `name`, which a key and a person may
    share."""

    name: str
    scopes: frozenset[str]
    labels: frozenset[str] | None
    id: str = ""

    @property
    def is_person(self) -> bool:
        """Whether somebody logged in, rather than held a key."""
        return self.id.startswith(PERSON)

    @property
    def sees(self) -> Filter:
        """The documents that the caller may see."""
        return Filter(labels=self.labels)


LOCAL = Caller("local", frozenset(SCOPES), None, id="local")
"""Whoever calls a server without keys, which listens to this machine only."""


@dataclass(frozen=True, slots=True)
class Key:
    """A key as it is kept: `sha256` is of the token, which nobody can read from it (256 random
    bits)."""

    id: str
    name: str
    scopes: tuple[str, ...]
    labels: tuple[str, ...]
    sha256: str
    created: str

    @property
    def caller(self) -> Caller:
        """What the key may do."""
        labels = None if EVERY_LABEL in self.labels else frozenset(self.labels)
        return Caller(self.name, frozenset(self.scopes), labels, id=f"key:{self.id}")


class Keys:
    """The keys of a project, in `file`; a change counts at the next request, without a restart."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._stamp: tuple[int, int] | None = None
        self._by_hash: dict[str, Key] = {}

    def all(self) -> list[Key]:
        """Every key, the oldest first. Raises SettingsError where the file is damaged: nobody is
        let in then."""
        self._load()
        return list(self._by_hash.values())

    def find(self, token: str) -> Key | None:
        """The key of a token; None where there is none."""
        self._load()
        return self._by_hash.get(_hash(token))

    def add(self, name: str, scopes: Sequence[str], labels: Sequence[str]) -> str:
        """Make a key and give its token, which is shown this once. Raises SettingsError for a name
        that is taken."""
        if unknown := set(scopes) - SCOPES.keys():
            raise SettingsError(
                f"there is no scope '{min(unknown)}'.", hint=f"Scopes: {', '.join(SCOPES)}."
            )
        token = f"{PREFIX}{secrets.token_urlsafe(32)}"
        created = datetime.now(UTC).isoformat(timespec="seconds")
        key = Key(
            secrets.token_hex(4),
            name,
            tuple(sorted(scopes)),
            tuple(sorted(labels)),
            _hash(token),
            created,
        )
        with self._changing():
            keys = self.all()
            if any(other.name == name for other in keys):
                raise SettingsError(
                    f"there is a key '{name}' already.", hint=f"acclimate keys remove {name}"
                )
            self._save([*keys, key])
        return token

    def remove(self, name: str) -> None:
        """Take a key away. Raises SettingsError where there is none of that name."""
        with self._changing():
            keys = self.all()
            left = [key for key in keys if key.name != name]
            if len(left) == len(keys):
                raise SettingsError(f"there is no key '{name}'.", hint="acclimate keys list")
            self._save(left)

    def _changing(self) -> FileLock:
        self._file.parent.mkdir(parents=True, exist_ok=True)
        return FileLock(self._file.with_suffix(".lock"))

    def _load(self) -> None:
        try:
            stat = self._file.stat()
        except FileNotFoundError:
            self._stamp, self._by_hash = None, {}
            return
        if (stat.st_mtime_ns, stat.st_ino) == self._stamp:
            return
        try:
            keys = [_key(row) for row in json.loads(self._file.read_text(encoding="utf-8"))]
        except (ValueError, KeyError, TypeError) as error:
            raise SettingsError(
                f"{self._file} is damaged: {error}.", hint="Remove it, and make new keys."
            ) from error
        self._by_hash = {key.sha256: key for key in keys}
        self._stamp = (stat.st_mtime_ns, stat.st_ino)

    def _save(self, keys: Sequence[Key]) -> None:
        # Readable by its owner only.
        handle, part = tempfile.mkstemp(dir=self._file.parent, prefix="keys-")
        with os.fdopen(handle, "w", encoding="utf-8") as out:
            json.dump([asdict(key) for key in keys], out, indent=1)
            out.flush()
            os.fsync(out.fileno())
        Path(part).replace(self._file)
        self._stamp = None


def keys_of(folder: Path) -> Keys:
    """The keys of the project in `folder`."""
    return Keys(Layout(folder).keys)


def _key(row: dict[str, Any]) -> Key:
    return Key(**{**row, "scopes": tuple(row["scopes"]), "labels": tuple(row["labels"])})


def _hash(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()
