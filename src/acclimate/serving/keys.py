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
WIDGET = "widget"
"""The scope of a widget's key, which no other key and no person has: ask, from a widget's page."""
EVERY_LABEL = "*"
PREFIX = "acc_"
"""What every token begins with."""
WIDGET_PREFIX = f"{PREFIX}widget_"
"""What the token of a widget begins with, so that whoever finds one knows that it is public."""
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
class Widget:
    """What a widget's key is held to: the exact `origins` of the pages that it stands in, and
    questions in a minute, of all that use the key and of one client address."""

    origins: tuple[str, ...]
    per_minute: int
    per_address: int


@dataclass(frozen=True, slots=True)
class Key:
    """A key as it is kept: `sha256` is of the token, which nobody can read from it (256 random
    bits). `widget` is None for a key that is secret."""

    id: str
    name: str
    scopes: tuple[str, ...]
    labels: tuple[str, ...]
    sha256: str
    created: str
    widget: Widget | None = None

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
        self._widget_origins: frozenset[str] = frozenset()

    def all(self) -> list[Key]:
        """Every key, the oldest first. Raises SettingsError where the file is damaged: nobody is
        let in then."""
        self._load()
        return list(self._by_hash.values())

    def find(self, token: str) -> Key | None:
        """The key of a token; None where there is none."""
        self._load()
        return self._by_hash.get(_hash(token))

    def widget_origins(self) -> frozenset[str]:
        """The origins that some widget's key is for. Raises SettingsError as `all` does."""
        self._load()
        return self._widget_origins

    def add(self, name: str, scopes: Sequence[str], labels: Sequence[str]) -> str:
        """Make a key and give its token, which is shown this once. Raises SettingsError for a name
        that is taken."""
        if unknown := set(scopes) - SCOPES.keys():
            raise SettingsError(
                f"there is no scope '{min(unknown)}'.", hint=f"Scopes: {', '.join(SCOPES)}."
            )
        return self._add(name, scopes, labels, PREFIX, None)

    def add_widget(self, name: str, widget: Widget, labels: Sequence[str]) -> str:
        """Make a widget's key, which is public: it stands in a web page. Raises SettingsError for a
        name that is taken, and where it would open every label."""
        if EVERY_LABEL in labels:
            raise SettingsError(
                "a widget's key is public and cannot open every label.",
                hint="Name the labels that whoever reads the page may see: --label NAME.",
            )
        return self._add(name, (WIDGET,), labels, WIDGET_PREFIX, widget)

    def _add(
        self,
        name: str,
        scopes: Sequence[str],
        labels: Sequence[str],
        prefix: str,
        widget: Widget | None,
    ) -> str:
        token = f"{prefix}{secrets.token_urlsafe(32)}"
        created = datetime.now(UTC).isoformat(timespec="seconds")
        key = Key(
            secrets.token_hex(4),
            name,
            tuple(sorted(scopes)),
            tuple(sorted(labels)),
            _hash(token),
            created,
            widget,
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
            self._stamp, self._by_hash, self._widget_origins = None, {}, frozenset()
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
        self._widget_origins = frozenset(
            origin for key in keys if key.widget for origin in key.widget.origins
        )
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
    lists = {name: tuple(row[name]) for name in ("scopes", "labels")}
    held = row.get("widget")
    widget = Widget(**{**held, "origins": tuple(held["origins"])}) if held else None
    return Key(**{**row, **lists, "widget": widget})


def _hash(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()
