"""Writes docs/settings.md from the settings' own descriptions; `--check` compares instead."""

from __future__ import annotations

import sys
from pathlib import Path

from acclimate.settings import Settings
from acclimate.settings_file import shown

TARGET = Path(__file__).parents[1] / "docs" / "settings.md"


def render() -> str:
    """The page's text."""
    lines = [
        "# Settings",
        "",
        "The keys of `acclimate.toml`. Made by `scripts/docs` from the settings' own descriptions; do not edit.",
        "An environment variable overrides the file: `ACCLIMATE_MODEL__MAX_TOKENS=64` is `[model] max_tokens`.",
    ]
    for section, outer in Settings.model_fields.items():
        inner = type(outer.default)
        lines += ["", f"## [{section}]", "", (inner.__doc__ or "").strip(), ""]
        lines += ["| key | default | meaning |", "|---|---|---|"]
        for key, field in inner.model_fields.items():
            meaning = (field.description or "").replace("|", "\\|")
            lines.append(f"| `{key}` | `{shown(field.default)}` | {meaning} |")
    return "\n".join(lines) + "\n"


def main() -> int:
    """Write or check; the exit code."""
    text = render()
    if "--check" in sys.argv:
        if not TARGET.exists() or TARGET.read_text(encoding="utf-8") != text:
            print("docs/settings.md is out of date: run scripts/docs", file=sys.stderr)
            return 1
        return 0
    TARGET.write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
