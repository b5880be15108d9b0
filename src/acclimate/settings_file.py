"""The text of `acclimate.toml`: a new one, and one key of it changed."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

from acclimate.settings import make_settings, sections
from acclimate.settings_sources import source_keys

_SECTION = re.compile(r"\s*\[[\w.-]+\]\s*(?:#.*)?$")


def render_settings(documents: Path) -> str:
    """The text of a new `acclimate.toml`: the documents folder set, every other key as a comment
    with its default."""
    lines = ["# Acclimate project. Every key is listed; the commented ones show their default."]
    for section, inner in sections().items():
        lines += ["", f"[{section}]  # {(inner.__doc__ or '').rstrip('.')}"]
        for key, field in inner.model_fields.items():
            if (section, key) == ("documents", "path"):
                lines.append(f"{key} = {shown(documents)}  # {field.description}")
            else:
                lines.append(f"# {key} = {shown(field.default)}  # {field.description}")
    kinds = ", ".join(source_keys())
    lines += ["", f"# [sources.NAME]  # What `acclimate sync` mirrors: {kinds}; docs/sources.md"]
    lines += ['# type = "web"', '# url = "https://docs.example.org/handbook/"']
    return "\n".join(lines) + "\n"


def set_key(file: Path, section: str, key: str, value: object) -> None:
    """Set one key of an `acclimate.toml`; every other line, comments too, stays as it is.

    Raises SettingsError, and changes nothing, where the file would not be valid by then.
    """
    lines = file.read_text(encoding="utf-8").removesuffix("\n").split("\n")
    opens = [place for place, line in enumerate(lines) if _SECTION.match(line)]
    begins = next(
        (place for place in opens if lines[place].split("]")[0].strip(" [") == section), None
    )
    if begins is None:
        lines += ["", f"[{section}]"]
        begins = len(lines) - 1
    ends = next((place for place in opens if place > begins), len(lines))
    known = re.compile(rf"\s*(#?)\s*{key}\s*=(?:[^#\"']|\"[^\"]*\"|'[^']*')*(#.*)?$")
    found = [
        (match, place) for place in range(begins + 1, ends) if (match := known.match(lines[place]))
    ]
    written = f"{key} = {shown(value)}"
    if found:  # a line that sets the key before one that only shows its default
        match, place = min(found, key=lambda pair: pair[0][1])
        lines[place] = f"{written}  {match[2]}" if match[2] else written
    else:
        lines.insert(begins + 1, written)
    text = "\n".join(lines) + "\n"
    make_settings(tomllib.loads(text), origin=str(file))
    part = file.with_name(file.name + ".part")
    part.write_text(text, encoding="utf-8")
    part.replace(file)


def shown(value: object) -> str:
    """A value as acclimate.toml writes it."""
    match value:
        case None:
            return "<unset>"
        case bool():
            return str(value).lower()
        case int() | float():
            return str(value)
        case tuple():
            return "[" + ", ".join(shown(item) for item in value) + "]"
        case _:
            text = str(value.as_posix() if isinstance(value, Path) else value)
            return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'
