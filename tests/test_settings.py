"""acclimate.toml: what is written is read back, and what is wrong is named."""

from pathlib import Path

import pytest

from acclimate.errors import SettingsError
from acclimate.project import Project
from acclimate.settings import FILE_NAME, Settings, known_keys, load_settings, make_settings
from acclimate.settings_file import render_settings, set_key


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


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ('[answer]  # how\n# recipe = "rag"  # see\n', '[answer]  # how\nrecipe = "lora+rag"  # see\n'),
        ('[answer]\n# recipe = "a"\nrecipe = \'b # c\'\n', '[answer]\n# recipe = "a"\nrecipe = "lora+rag"\n'),
        ("[model]\nmax_tokens = 9\n", '[model]\nmax_tokens = 9\n\n[answer]\nrecipe = "lora+rag"\n'),
        ("[answer]\nshots = 2\n[model]\n", '[answer]\nrecipe = "lora+rag"\nshots = 2\n[model]\n'),
    ],
)  # fmt: skip
def test_one_key_is_set_and_every_other_line_stays(tmp_path, before, after):
    file = tmp_path / FILE_NAME
    file.write_text(before)
    set_key(file, "answer", "recipe", "lora+rag")
    assert file.read_text() == after
    assert load_settings(file).answer.recipe == "lora+rag"


def test_a_key_that_is_not_valid_changes_nothing(tmp_path):
    file = tmp_path / FILE_NAME
    file.write_text(render_settings(Path("docs")))
    before = file.read_text()
    with pytest.raises(SettingsError, match=r"answer\.shots"):
        set_key(file, "answer", "shots", 0)
    assert file.read_text() == before
    set_key(file, "answer", "shots", 2)
    assert load_settings(file).answer.shots == 2


def test_an_address_of_documents_keeps_its_slashes(tmp_path):
    with Project.create(tmp_path / "one", "s3://bucket/folder") as project:
        assert project.settings.documents.path == "s3://bucket/folder"
        assert project.documents_shown == "s3://bucket/folder"
        with pytest.raises(SettingsError, match="needs a folder of this machine"):
            _ = project.documents
    text = (tmp_path / "one" / "acclimate.toml").read_text()
    assert 'path = "s3://bucket/folder"' in text
    assert "# storage_options = {}" in text
    options = {"endpoint_url": "http://127.0.0.1:9", "anon": True}
    set_key(tmp_path / "one" / "acclimate.toml", "documents", "storage_options", options)
    held = load_settings(tmp_path / "one" / "acclimate.toml").documents.storage_options
    assert held == options
    assert make_settings({"documents": {"path": "a:b/c"}}, "x").documents.path == Path("a:b/c")
