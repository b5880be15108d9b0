"""The default model and its reader, for tests of every engine that runs them."""

import pytest

from acclimate.models.fetch import resolve
from acclimate.project import Project
from acclimate.prompting.recipes import find_recipe
from acclimate.settings import Settings

from ..tuning.conftest import tiny_file  # noqa: F401 -- a fixture of both rooms


@pytest.fixture(scope="module")
def model():
    return resolve("smollm2-135m-instruct", "language")


@pytest.fixture(scope="module")
def reader(tmp_path_factory):
    return Project(tmp_path_factory.mktemp("p"), Settings()).adapter(find_recipe("rag"))
