"""acclimate.toml: what is written is read back, and what is wrong is named."""

from pathlib import Path

import pytest

from acclimate.errors import SettingsError
from acclimate.settings import Settings, known_keys, load_settings, render_settings


def write(tmp_path, text):
    file = tmp_path / "acclimate.toml"
    file.write_text(text)
    return file


def test_a_new_file_gives_the_defaults_and_names_every_key(tmp_path):
    text = render_settings(Path("my docs"))
    settings = load_settings(write(tmp_path, text))
    assert settings.documents.path == Path("my docs")
    assert settings.model_copy(update={"documents": Settings().documents}) == Settings()
    for key in known_keys():
        assert f"{key.split('.')[1]} = " in text


def test_every_key_has_a_description():
    assert all(field.description for field in known_keys().values())


@pytest.mark.parametrize(
    ("text", "part", "hint"),
    [
        ("[modl]\n", "unknown key 'modl'", "'model'"),
        ('[model]\nnam = "x"\n', "unknown key 'model.nam'", "'model.name'"),
        ("[retrieval]\nk = 0\n", "'retrieval.k' = 0", ""),
        ('[model]\nengine = "llama"\n', "'model.engine' = 'llama'", ""),
        ("x = \n", "not valid TOML", "quotes"),
    ],
)
def test_a_wrong_key_or_value_is_named(tmp_path, text, part, hint):
    with pytest.raises(SettingsError) as caught:
        load_settings(write(tmp_path, text))
    assert part in str(caught.value)
    assert hint in caught.value.hint


def test_the_environment_overrides_the_file(tmp_path, monkeypatch):
    monkeypatch.setenv("ACCLIMATE_MODEL__MAX_TOKENS", "64")
    settings = load_settings(write(tmp_path, '[model]\nname = "x"\nmax_tokens = 5\n'))
    assert (settings.model.name, settings.model.max_tokens) == ("x", 64)


def test_a_malformed_environment_variable_is_explained(tmp_path, monkeypatch):
    monkeypatch.setenv("ACCLIMATE_MODEL", "x")
    with pytest.raises(SettingsError, match="model") as caught:
        load_settings(write(tmp_path, ""))
    assert "__" in caught.value.hint
