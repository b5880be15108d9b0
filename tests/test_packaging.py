"""What the wheel and the sdist hold; `scripts/package` checks the built files by the same tests."""

import os
import re
import shutil
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from pathlib import Path

import pytest
from hatchling.builders.sdist import SdistBuilder
from hatchling.builders.wheel import WheelBuilder
from hatchling.metadata.core import ProjectMetadata
from hatchling.metadata.spec import get_core_metadata_constructors
from hatchling.plugin.manager import PluginManager
from trove_classifiers import classifiers

import acclimate

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
VERSIONS = ("3.11", "3.12", "3.13")  # those that `scripts/package` was run with


def planned(builder):
    """The names of the files that a builder would take, in the archive."""
    return {Path(one.distribution_path).as_posix() for one in builder.recurse_included_files()}


def built(pattern):
    """A file that `scripts/package` has built, or None where only what is planned is tested."""
    folder = os.environ.get("ACCLIMATE_DIST")
    return next((ROOT / folder).glob(pattern)) if folder else None


@pytest.fixture(scope="module")
def wheel():
    """The names in the wheel, without its metadata."""
    file = built("*.whl")
    if file is None:
        return planned(WheelBuilder(str(ROOT)))
    with zipfile.ZipFile(file) as opened:
        return {name for name in opened.namelist() if ".dist-info/" not in name}


@pytest.fixture(scope="module")
def sdist():
    """The names in the sdist, below its folder."""
    file = built("*.tar.gz")
    if file is None:
        return planned(SdistBuilder(str(ROOT)))
    with tarfile.open(file) as opened:
        return {member.name.partition("/")[2] for member in opened if member.isfile()} - {
            "PKG-INFO"
        }


@pytest.fixture(scope="module")
def metadata():
    """The wheel's metadata, as installers read it."""
    file = built("*.whl")
    if file is None:
        made = ProjectMetadata(str(ROOT), PluginManager())
        return get_core_metadata_constructors()["2.4"](made)
    with zipfile.ZipFile(file) as opened:
        (name,) = [name for name in opened.namelist() if name.endswith(".dist-info/METADATA")]
        return opened.read(name).decode()


def kept(*folders):
    """What git has below these folders, or would have: all that it does not ignore."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard", *folders]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, check=True)
    return {name for name in done.stdout.decode().split("\0") if (ROOT / name).is_file()}


def test_the_wheel_holds_the_package_and_the_examples_and_nothing_else(wheel):
    package = {name.removeprefix("src/") for name in kept("src")}
    examples = {f"acclimate/{name}" for name in kept("examples")}
    assert wheel == package | examples


@pytest.mark.parametrize(
    "name",
    [
        "acclimate/py.typed",
        "acclimate/adapters/minilm-extractor/extractor.safetensors",
        "acclimate/adapters/smollm2-135m-reader/adapter_model.safetensors",
        "acclimate/adapters/smollm2-135m-writer/adapter_model.safetensors",
        "acclimate/evaluation/templates/report.html",
        "acclimate/examples/halden/questions.jsonl",
        "acclimate/prompting/templates/rag.txt",
        "acclimate/serving/web/index.html",
    ],
)
def test_the_wheel_holds_what_is_no_python(wheel, name):
    assert name in wheel


def test_no_tests_and_no_benchmarks_are_installed(wheel):
    rooms = {name.split("/")[1] for name in wheel}
    assert {name.split("/")[0] for name in wheel} == {"acclimate"}
    assert rooms & {"tests", "benchmarks", "training", "scripts", "docs"} == set()


def test_the_sdist_holds_what_is_tested_and_built(sdist):
    assert {
        "LICENSE",
        "README.md",
        "pyproject.toml",
        "constraints.txt",
        "tests/conftest.py",
        "scripts/test",
    } <= sdist
    assert kept("src", "examples", "tests", "docs") <= sdist
    assert sdist <= kept(".")


def test_what_git_ignores_is_not_shipped(tmp_path):
    """Whoever tries the examples where they lie leaves a library there, of megabytes and with their questions."""
    for name in ("pyproject.toml", ".gitignore", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, tmp_path)
    for name in (
        "src/acclimate/_version.py",
        "src/acclimate/__pycache__/a.pyc",
        "examples/a/questions.jsonl",
        "examples/a/.acclimate/library.db",
    ):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text('__version__ = "1"\n', encoding="utf-8")
    wanted = {"acclimate/_version.py", "acclimate/examples/a/questions.jsonl"}
    assert planned(WheelBuilder(str(tmp_path))) == wanted
    assert not [
        name
        for name in planned(SdistBuilder(str(tmp_path)))
        if ".acclimate" in name or "pycache" in name
    ]


def test_metadata_names_licence_version_and_pythons(metadata):
    lines = metadata.splitlines()
    assert f"Version: {acclimate.__version__}" in lines
    assert "License-Expression: Apache-2.0" in lines
    assert "License-File: LICENSE" in lines
    assert "Requires-Python: >=3.11" in lines
    named = {line.removeprefix("Classifier: ") for line in lines if line.startswith("Classifier: ")}
    assert named <= set(classifiers)
    minor = {one.rpartition(" ")[2] for one in named if re.search(r":: Python :: 3\.\d+$", one)}
    assert minor == set(VERSIONS)
    assert "Typing :: Typed" in named


def test_the_command_is_an_entry_point_that_runs():
    assert PROJECT["scripts"] == {"acclimate": "acclimate.__main__:main"}
    module, _, function = PROJECT["scripts"]["acclimate"].partition(":")
    code = f"import sys; from {module} import {function}; sys.argv = ['acclimate', '--version']; {function}()"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, encoding="utf-8", check=True
    )
    assert acclimate.__version__ in done.stdout


def test_every_dependency_is_pinned_in_the_constraints():
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    pinned = {line.partition("==")[0].lower().replace("_", "-") for line in lines if "==" in line}
    named = {
        re.match(r"[\w.-]+", one)[0].lower().replace("_", "-") for one in PROJECT["dependencies"]
    }
    assert named - pinned == set()
