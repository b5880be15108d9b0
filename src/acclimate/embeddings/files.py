"""Small files of a model's folder."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import cast

from acclimate.errors import ModelError


def read_json(file: Path) -> object | None:
    """The JSON in `file`, None where there is no such file. Raises ModelError where it is
    damaged."""
    if not file.is_file():
        return None
    try:
        return cast("object", json.loads(file.read_text(encoding="utf-8")))
    except ValueError as error:
        raise ModelError(
            f"{file} is damaged: {error}.", hint="Fetch the model again: acclimate models fetch"
        ) from error


def file_sha256(file: Path) -> str:
    """64 hex digits."""
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()
