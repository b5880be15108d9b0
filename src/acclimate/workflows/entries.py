"""What is compared, as it is written: `RECIPE[key=value,…]@MODEL`, every recipe with every model.

The recipe is read by `acclimate.prompting.recipes`, keys and values by the settings' own schema.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from pydantic import BaseModel, ValidationError

from acclimate.errors import SettingsError, nearest
from acclimate.prompting.recipes import Recipe, find_recipe
from acclimate.settings import Settings
from acclimate.settings_sections import ModelSettings

OWN = "default"
"""The model that acclimate.toml names."""
_FORM = re.compile(r"(?P<recipe>[^\[\]@]+)(?:\[(?P<settings>.*)\])?(?:@(?P<model>\S+))?", re.DOTALL)
_SECTIONS = ("retrieval", "answer", "model")
# These are built into the library or the project, so another value needs another folder.
_FIXED = {
    "retrieval.language": "the text index is built for it",
    "retrieval.graph": "the graph is built once",
    "answer.recipe": "the entry names its recipe itself",
    "model.name": "an entry's model comes after its @",
    "model.engine": "an entry's model comes after its @",
    "model.base_url": "an entry's model comes after its @",
}


@dataclass(frozen=True, slots=True)
class Wanted:
    """A entry as asked for: a recipe, `changed` settings by section, and a model's
    specification (`OWN` for the project's)."""

    recipe: Recipe
    changed: Mapping[str, Mapping[str, Any]]
    written: str = ""
    model: str = OWN

    @property
    def name(self) -> str:
        """As the report shows it; the project's own model is not said."""
        base = f"{self.recipe.name}[{self.written}]" if self.written else self.recipe.name
        return base if self.model == OWN else f"{base}@{shown_model(self.model)}"


def read_entries(texts: Sequence[str], models: Sequence[str] = ()) -> list[Wanted]:
    """The entries, each with every one of `models` unless it names its own; in order, none
    twice. What asks no language model takes part once.

    Raises SettingsError for what cannot be read, naming the nearest known key.
    """
    for model in models:
        require_model(model)
    found: dict[str, Wanted] = {}
    for text in texts:
        one, named = read_entry(text)
        several = models if models and not named and not one.recipe.extracts else (one.model,)
        for model in several:
            wanted = replace(one, model=model)
            if (same := found.get(wanted.name)) is not None and same.model != model:
                raise SettingsError(
                    f"the models '{same.model}' and '{model}' would both be called "
                    f"'{shown_model(model)}'.",
                    hint="Compare them one after the other, with --against LAST.",
                )
            found[wanted.name] = wanted
    return list(found.values())


def read_entry(text: str) -> tuple[Wanted, bool]:
    """A entry, and whether it names its model. Raises SettingsError as `read_entries`."""
    match = _FORM.fullmatch(text.strip())
    if match is None:
        raise SettingsError(
            f"'{text}' is no entry.", hint="Write 'rag', 'rag[k=8]' or 'rag[k=8]@MODEL'."
        )
    recipe = find_recipe(match["recipe"].strip())
    changed: dict[str, dict[str, Any]] = {}
    parts = _parts(match["settings"] or "", text)
    for key, value in parts:
        section, name = _key(key, text)
        if name in changed.get(section, {}):
            raise SettingsError(f"'{text}' sets '{key}' twice.")
        changed.setdefault(section, {})[name] = value
    for section, values in changed.items():
        _validated(type(Settings.model_fields[section].default), section, values, text)
    model = match["model"] or OWN
    require_model(model)
    written = ",".join(f"{key}={_shown(value)}" for key, value in parts)
    return Wanted(recipe, changed, written, model), match["model"] is not None


def settings_of(own: Settings, wanted: Wanted) -> Settings:
    """The project's settings with the entry's model and what it changes. Raises SettingsError
    for values that do not go together."""
    update: dict[str, Any] = {}
    if wanted.model != OWN:
        update["model"] = model_of(own.model, wanted.model)
    for section, values in wanted.changed.items():
        before: BaseModel = update.get(section, getattr(own, section))
        update[section] = _validated(
            type(before), section, {**before.model_dump(exclude_unset=True), **values}, wanted.name
        )
    return own.model_copy(update=update) if update else own


def model_of(own: ModelSettings, spec: str) -> ModelSettings:
    """`[model]` for another model: what is about answers stays (their length, temperature, seed),
    what is about the project's own model does not (its adapter, window and prices)."""
    foreign = {"context_tokens": None, "prompt_price": None, "answer_price": None}
    adapter = "none" if own.adapter == "none" else "auto"
    url, _, name = spec.partition("#")
    if _is_url(spec):
        return own.model_copy(
            update={
                **foreign, "engine": "openai", "base_url": url, "name": name, "adapter": adapter
            }
        )  # fmt: skip
    engine = "auto" if own.engine == "openai" else own.engine
    return own.model_copy(
        update={**foreign, "engine": engine, "base_url": None, "name": spec, "adapter": adapter}
    )


def require_model(spec: str) -> None:
    """Raises SettingsError for an address without a model's name."""
    if not spec.strip():
        raise SettingsError(
            "--model is empty.", hint="Give a name, a path, or http://HOST/v1#NAME."
        )
    if _is_url(spec) and (not urlsplit(spec).fragment or not urlsplit(spec).hostname):
        raise SettingsError(
            f"--model {spec} does not say which of the server's models.",
            hint=f"Write {spec.partition('#')[0]}#NAME.",
        )


def shown_model(spec: str) -> str:
    """A model's name in tables: the last part of an address or a path."""
    if _is_url(spec):
        return spec.partition("#")[2]
    return Path(spec).name if "/" in spec or "\\" in spec else spec


def _is_url(spec: str) -> bool:
    return spec.startswith(("http://", "https://"))


def _parts(text: str, whole: str) -> list[tuple[str, Any]]:
    """The keys and values between the brackets; a comma inside quotes separates nothing."""
    found = []
    for part in re.findall(r'(?:"[^"]*"|[^,"])+', text):
        key, equals, value = part.partition("=")
        if not key.strip() or not equals or not value.strip():
            raise SettingsError(
                f"'{whole}': '{part.strip()}' is no setting.", hint="Write 'rag[k=8,neighbours=1]'."
            )
        found.append((key.strip(), _value(value.strip())))
    return found


def _value(text: str) -> Any:
    """A value as acclimate.toml has it; a bare word is a text."""
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        return text


def _shown(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return f'"{value}"' if isinstance(value, str) and "," in value else str(value)


def _key(text: str, whole: str) -> tuple[str, str]:
    """Section and key of `k` or `retrieval.k`. Raises SettingsError naming the nearest."""
    known = {
        f"{section}.{key}": (section, key)
        for section in _SECTIONS
        for key in type(Settings.model_fields[section].default).model_fields
    }
    found = [full for full, (_, key) in known.items() if text in (full, key)]
    if len(found) > 1:
        raise SettingsError(
            f"'{whole}': '{text}' is a key of several sections.",
            hint=f"Write {' or '.join(found)}.",
        )
    if not found:
        section = text.partition(".")[0]
        if section in Settings.model_fields and section not in _SECTIONS:
            raise SettingsError(
                f"'{whole}': [{section}] cannot differ between entries.",
                hint="What decides how documents are read, or where they are kept, needs a project "
                "folder of its own.",
            )
        free = [full for full in known if full not in _FIXED]
        names = free if "." in text else [known[full][1] for full in free]
        raise SettingsError(f"'{whole}': unknown key '{text}'.", hint=nearest(text, names))
    if found[0] in _FIXED:
        raise SettingsError(
            f"'{whole}': {found[0]} cannot differ between entries: {_FIXED[found[0]]}.",
            hint="Use --model, or a project folder of its own.",
        )
    return known[found[0]]


def _validated(
    kind: type[BaseModel], section: str, values: Mapping[str, Any], whole: str
) -> BaseModel:
    try:
        return kind.model_validate(dict(values))
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join((section, *(str(part) for part in first["loc"])))
        raise SettingsError(f"'{whole}': '{key}' = {first['input']!r}: {first['msg']}.") from error
