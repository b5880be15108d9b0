"""Which style a recipe answers in, and how many passages it is shown, by the model's size."""

from pathlib import Path

import pytest

from acclimate.errors import SettingsError
from acclimate.models.size import size_class
from acclimate.project import Project
from acclimate.prompting.recipes import find_recipe
from acclimate.types import Style
from acclimate.workspace.style import Manner, manner_of, passages_for

SERVED = '[model]\nengine = "openai"\nname = "big"\nbase_url = "http://127.0.0.1:9/v1"\n'


def project(folder: Path, toml: str = "") -> Project:
    (folder / "acclimate.toml").write_text(f'[documents]\npath = "."\n{toml}', encoding="utf-8")
    return Project.open(folder)


@pytest.mark.parametrize(
    ("recipe", "style", "manner"),
    [
        ("rag", None, "written"),
        ("rag", "short", "short"),
        ("rag+short", None, "short"),
        ("rag+short", "full", "written"),
        ("stuffing", "full", "written"),
        ("extract", None, "short"),
        ("extract+full", None, "quoted"),
        ("zero-shot", None, "short"),
        ("rag+few-shot", None, "short"),
        ("rag+cot", None, "short"),
    ],
)
def test_a_served_model_writes_full_answers(
    tmp_path: Path, recipe: str, style: Style | None, manner: Manner
) -> None:
    with project(tmp_path, SERVED) as subject:
        assert manner_of(subject, find_recipe(recipe), style) == manner


def test_acclimate_toml_decides_where_the_recipe_does_not(tmp_path: Path) -> None:
    with project(tmp_path, SERVED + '[answer]\nstyle = "short"\n') as subject:
        assert manner_of(subject, find_recipe("rag")) == "short"
        assert manner_of(subject, find_recipe("rag+full")) == "written"
    with project(tmp_path, SERVED + '[answer]\nstyle = "full"\n') as subject:
        assert manner_of(subject, find_recipe("zero-shot")) == "short"


@pytest.mark.parametrize("recipe", ["zero-shot", "rag+few-shot", "rag+cot"])
def test_full_answers_need_passages_and_no_examples(tmp_path: Path, recipe: str) -> None:
    with (
        project(tmp_path, SERVED) as subject,
        pytest.raises(SettingsError, match=r"has no full answers"),
    ):
        manner_of(subject, find_recipe(recipe), "full")


@pytest.mark.parametrize(
    ("recipe", "said"),
    [
        ("rag+short+full", "two styles"),
        ("zero-shot+full", "has no full answers"),
        ("extract+rag", "can only be combined"),
    ],
)
def test_recipes_that_contradict_themselves(recipe: str, said: str) -> None:
    with pytest.raises(SettingsError, match=said):
        find_recipe(recipe)


def test_a_template_of_ones_own_is_kept(tmp_path: Path) -> None:
    (tmp_path / "templates").mkdir()
    (tmp_path / "templates" / "rag.txt").write_text("--- user\n{{passages}}{{question}}", "utf-8")
    with project(tmp_path, SERVED) as subject:
        assert manner_of(subject, find_recipe("rag")) == "short"
        (tmp_path / "templates" / "rag-full.txt").write_text(
            "--- user\n{{passages}}{{question}}", "utf-8"
        )
        assert manner_of(subject, find_recipe("rag")) == "written"


def test_passages_by_size_unless_they_are_set(tmp_path: Path) -> None:
    with project(tmp_path, SERVED) as subject:
        assert passages_for(subject, find_recipe("rag")) == 8
        assert passages_for(subject, find_recipe("extract")) == 4
    with project(tmp_path, SERVED + "[retrieval]\nk = 3\n") as subject:
        assert passages_for(subject, find_recipe("rag")) == 3


def test_size_classes(tmp_path: Path) -> None:
    assert size_class("smollm2-135m-instruct", tmp_path / "x.gguf") == "tiny"
    assert size_class("qwen2.5-coder-1.5b-instruct", tmp_path / "x.gguf") == "medium"
    for size, wanted in ((1, "tiny"), (400, "small"), (1_100, "medium"), (2_500, "large")):
        file = tmp_path / "own.gguf"
        with file.open("wb") as out:
            out.truncate(size * 1_000_000)  # sparse: takes no room
        assert size_class(str(file), file) == wanted
    folder = tmp_path / "folder"
    folder.mkdir()
    for part in (1, 2):
        with (folder / f"model-{part}.safetensors").open("wb") as out:
            out.truncate(500 * 1_000_000)
    assert size_class(str(folder), folder / "model-1.safetensors") == "small"
