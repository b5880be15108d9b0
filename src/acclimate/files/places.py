"""Paths as users write them: "~" for the home folder, and relative to where they are."""

from __future__ import annotations

import os
import re
from pathlib import Path


def under(folder: Path, path: Path | str) -> Path:
    """A path of the settings: from the folder of acclimate.toml, "~" being the user's home."""
    # Path's own raises for a user who does not exist.
    return folder / os.path.expanduser(path)  # noqa: PTH111


def as_typed(text: str) -> str:
    """A message with the paths below this folder and the user's home as a user writes them."""
    for folder, short in ((Path.cwd(), ""), (Path.home(), "~/")):
        if folder != Path(folder.anchor):
            text = re.sub(rf"(?<![\w./~-]){re.escape(str(folder))}/", short, text)
    return text
