"""`acclimate.toml`: few keys, each with its unit and default; unknown keys are refused by name.

Environment variables override the file: `ACCLIMATE_MODEL__MAX_TOKENS=64` is `[model] max_tokens`.
"""

from __future__ import annotations

import os
import tomllib
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field, StringConstraints, ValidationError
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict
from pydantic_settings.exceptions import SettingsError as SourceError

from acclimate.errors import SettingsError, nearest
from acclimate.settings_cluster import ClusterSettings
from acclimate.settings_library import (
    ChunkingSettings,
    DocumentsSettings,
    EmbedderSettings,
    ImagesSettings,
    Section,
    StoreSettings,
)
from acclimate.settings_sections import (
    AnswerSettings,
    JudgeSettings,
    LoginSettings,
    ModelSettings,
    RetrievalSettings,
    ServeSettings,
)
from acclimate.settings_sources import SOURCE_NAME, SourceSettings, source_keys

FILE_NAME = "acclimate.toml"


class Settings(BaseSettings):
    """Everything a project decides. Sections and keys are those of `acclimate.toml`."""

    model_config = SettingsConfigDict(
        extra="forbid",
        frozen=True,
        env_prefix="ACCLIMATE_",
        env_nested_delimiter="__",
        nested_model_default_partial_update=True,
    )

    documents: DocumentsSettings = DocumentsSettings()
    chunking: ChunkingSettings = ChunkingSettings()
    embedder: EmbedderSettings = EmbedderSettings()
    images: ImagesSettings = ImagesSettings()
    store: StoreSettings = StoreSettings()
    retrieval: RetrievalSettings = RetrievalSettings()
    model: ModelSettings = ModelSettings()
    answer: AnswerSettings = AnswerSettings()
    judge: JudgeSettings = JudgeSettings()
    serve: ServeSettings = ServeSettings()
    sources: dict[Annotated[str, StringConstraints(pattern=SOURCE_NAME)], SourceSettings] = Field(
        default_factory=dict
    )
    login: LoginSettings = LoginSettings()
    cluster: ClusterSettings = ClusterSettings()

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """The environment before the file."""
        return env_settings, init_settings


def load_settings(file: Path) -> Settings:
    """Read `file`. Raises SettingsError naming the key that is wrong and, for an unknown key, the
    nearest known."""
    try:
        values = tomllib.loads(file.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingsError(
            f"{file} is not valid TOML: {error}.", hint='Strings need quotes: path = "docs"'
        ) from error
    return make_settings(values, origin=str(file))


def make_settings(values: dict[str, Any], origin: str) -> Settings:
    """Settings from nested `values`; `origin` names where they come from in errors."""
    _check_environment()
    try:
        return Settings(**values)
    except SourceError as error:
        raise SettingsError(
            f"{error}.", hint="Write ACCLIMATE_SECTION__KEY=value, with two underscores."
        ) from error
    except ValidationError as error:
        first = error.errors()[0]
        place, kind = [str(part) for part in first["loc"]], ""
        if place[0] == "sources" and len(place) > 3:  # sources.NAME.KIND.KEY
            place, kind = place[:2] + place[3:], place[2]
        key = ".".join(place)
        if first["type"] == "extra_forbidden":
            known: Iterable[str] = known_keys() if "." in key else Settings.model_fields
            if place[0] == "sources":
                known = (f"sources.{place[1]}.{name}" for name in source_keys()[kind])
            raise SettingsError(
                f"{origin}: unknown key '{key}'.", hint=nearest(key, known)
            ) from error
        value = "" if place[0] == "sources" else f" = {first['input']!r}"  # a URL has passwords
        said = first["msg"].removeprefix("Value error, ")
        raise SettingsError(f"{origin}: '{key}'{value}: {said}.") from error


def _check_environment() -> None:
    """Raises SettingsError for a variable that looks like a key and is none."""
    for name in os.environ:
        section, _, key = name.removeprefix("ACCLIMATE_").lower().partition("__")
        if name.upper().startswith("ACCLIMATE_") and key and section not in Settings.model_fields:
            known = (f"ACCLIMATE_{one.upper().replace('.', '__')}" for one in known_keys())
            raise SettingsError(
                f"the environment variable {name} sets no key.", hint=nearest(name, known)
            )


def known_keys() -> dict[str, FieldInfo]:
    """Every key as 'section.key', with its default and description; those of sources, which the
    user names, are `source_keys`."""
    return {
        f"{section}.{key}": field
        for section, inner in sections().items()
        for key, field in inner.model_fields.items()
    }


def sections() -> dict[str, type[Section]]:
    """The sections that every `acclimate.toml` has, by name."""
    return {
        name: type(outer.default)
        for name, outer in Settings.model_fields.items()
        if isinstance(outer.default, Section)
    }
