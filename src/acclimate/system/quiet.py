"""Keeps the packages below from telling their makers that they are used. Runs before any module of
Acclimate.

Importing `openvino` looks up an analytics host and writes a client id below the home folder, as
soon as it finds the package `openvino_telemetry`, which pip installs with it. Without that package
it takes a stand-in of its own that does nothing. Its other ways out are no use here: its consent
file lies in the home folder, and it honours no variable that is ours to set (it takes `CI` and the
like for a build server).
"""

from __future__ import annotations

import os
import sys

_UNWANTED = ("openvino_telemetry",)
# Read by huggingface_hub (below Transformers, PEFT and sentence-transformers) when it is imported.
_SETTINGS = {"DO_NOT_TRACK": "1", "HF_HUB_DISABLE_TELEMETRY": "1"}


def keep_quiet() -> None:
    """Make this process and its children tell nobody. What the user set, or imported before,
    stays."""
    for package in _UNWANTED:
        # None is Python's sign for "not to be imported".
        sys.modules.setdefault(package, None)  # type: ignore[arg-type]
    for name, value in _SETTINGS.items():
        os.environ.setdefault(name, value)
