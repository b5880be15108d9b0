"""What is named after a project where a server has several: its path, its log, its cookies. A
project alone has the name ""."""

from __future__ import annotations

import logging
import re

from acclimate.errors import SettingsError

PROJECTS = "/p"
"""Below it is every project of a server that has several."""
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")


def require_name(name: str) -> None:
    """Raises SettingsError for what cannot be a project's name, which is part of addresses."""
    if not _NAME.fullmatch(name):
        raise SettingsError(
            f"'{name}' cannot be a project's name: that is a letter or digit, then letters, digits, "
            "'-' and '_', at most 64 in all.",
            hint="acclimate serve NAME=FOLDER",
        )


def base_of(name: str) -> str:
    """The path below which the project is: /p/NAME, "" where it is alone."""
    return f"{PROJECTS}/{name}" if name else ""


def audit_log(name: str = "") -> logging.Logger:
    """The log of a project's requests: who asked what kind of thing and when."""
    return logging.getLogger(f"acclimate.audit.{name}" if name else "acclimate.audit")
