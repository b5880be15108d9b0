"""The servers that `[store]` names, for the record and for indexes."""

from __future__ import annotations

import os

from acclimate.indexes.sql import SqlDatabase
from acclimate.indexes.stores import StoreServer, open_database
from acclimate.settings_library import StoreSettings


def store_server(chosen: StoreSettings) -> StoreServer | None:
    """Where the indexes are; None where no address is set."""
    if not chosen.url:
        return None
    key = os.environ.get(chosen.api_key_env)
    return StoreServer(chosen.url, chosen.prefix, key, chosen.search)


def open_record(chosen: StoreSettings) -> SqlDatabase:
    """The record in PostgreSQL, at `record_url` or `url`.

    Raises SettingsError where there is no address or no name.
    """
    server = store_server(chosen)
    if chosen.record_url:
        server = StoreServer(chosen.record_url, chosen.prefix)
    return open_database(server, chosen.library)
