"""A project's library moved between the file beside it and PostgreSQL."""

from __future__ import annotations

from contextlib import ExitStack, closing
from pathlib import Path
from typing import Literal

from filelock import FileLock, Timeout

from acclimate.errors import LibraryError, ProjectError
from acclimate.indexes.database import Database
from acclimate.indexes.moving import Moved, OnDocuments, move
from acclimate.indexes.sql import SqlDatabase
from acclimate.workspace.record import open_record
from acclimate.workspace.workspace import Workspace


def move_library(
    workspace: Workspace, to: Literal["local", "postgres"], hear: OnDocuments | None = None
) -> Moved:
    """Move the record to `to`, from the other of the two places, and compare every row.

    Interrupted, the same call goes on. Settings are not changed. Raises SettingsError where
    `[store]` names no server or library, ProjectError where there is nothing to move, LibraryError
    where an ingest is running or the target holds another library.
    """
    layout = workspace.layout
    if to == "postgres" and not layout.ingested:
        raise ProjectError(
            f"{layout.record} does not exist.",
            hint='With [store] record = "postgres", `acclimate ingest` makes the library there.',
        )
    with ExitStack() as stack:
        local = stack.enter_context(closing(Database(layout.record)))
        remote = stack.enter_context(closing(open_record(workspace.settings.store)))
        _hold(stack, layout.state, (local, remote))
        source, target = (local, remote) if to == "postgres" else (remote, local)
        return move(source, target, hear or (lambda done, total: None))


def _hold(stack: ExitStack, state: Path, databases: tuple[SqlDatabase, ...]) -> None:
    """Keep ingests out. Raises LibraryError where one is running."""
    try:
        stack.enter_context(FileLock(state / "ingest.lock", timeout=0))
        busy = [one for one in databases if not stack.enter_context(one.lock("ingest"))]
    except Timeout:
        busy = [*databases]
    if busy:
        raise LibraryError(
            f"an ingest of {busy[0].place} is running.",
            hint="Wait for it, or end it, then run again.",
            retryable=True,
        )
