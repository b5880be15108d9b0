"""`pytest --fast` leaves out what needs a model, PyTorch, a browser or a server, and notices a test that hides it."""

import importlib.util
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

TESTS = Path(__file__).parent


@pytest.fixture(scope="module")
def tables():
    """The module of tests/conftest.py."""
    spec = importlib.util.spec_from_file_location("levels", TESTS / "conftest.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def fast(tmp_path):
    """Runs the fast set of a folder with these files; gives what pytest did."""
    shutil.copy(TESTS / "conftest.py", tmp_path)
    shutil.copy(TESTS.parent / "pyproject.toml", tmp_path)

    def run(*options, **files):
        for name, code in files.items():
            (tmp_path / f"{name}.py").write_text(code, encoding="utf-8")
        command = [
            sys.executable,
            "-m",
            "pytest",
            "--fast",
            "-q",
            "-p",
            "no:cacheprovider",
            *options,
            str(tmp_path),
        ]
        return subprocess.run(
            command, cwd=tmp_path, capture_output=True, encoding="utf-8", check=False
        )

    return run


def test_what_needs_more_is_left_out(fast):
    browser = "def test_page(chromium):\n    assert False\n"
    marked = "import pytest\n\n@pytest.mark.slow\ndef test_long():\n    assert False\n"
    plain = "def test_plain():\n    pass\n"
    # A file of the table is not even imported: it would import PyTorch.
    done = fast(
        test_page=browser, test_long=marked, test_plain=plain, test_readme="raise RuntimeError\n"
    )
    assert done.returncode == 0, done.stdout
    assert "1 passed, 2 deselected" in done.stdout


def test_pytorch_may_not_be_imported(fast):
    done = fast(test_hidden="import sys\n\ndef test_it():\n    sys.modules['torch'] = sys\n")
    assert done.returncode == 1
    assert "imported PyTorch" in done.stdout


def test_no_model_can_be_had(fast):
    code = """
from acclimate.models.fetch import resolve

def test_it():
    resolve("smollm2-135m-instruct", "language")
"""
    done = fast(test_model=code)
    assert done.returncode == 1
    assert "could not be fetched" in done.stdout


def test_the_cpu_seconds_of_children_count(fast):
    code = """
import subprocess, sys

CHILD = "import time\\nwhile time.process_time() < 1.5: pass"

def test_parent():
    subprocess.run([sys.executable, "-c", CHILD], check=True)

def test_idle():
    pass
"""
    done = fast("--cpu", "1", "-n", "1", test_cpu=code)
    assert done.returncode == 0, done.stdout
    told = done.stdout.partition("CPU seconds")[2].splitlines()[1:3]
    cost, place = told[1].split()
    assert place.endswith("test_cpu.py::test_parent")
    assert 1.5 <= float(cost) <= float(told[0].split()[0])


def test_every_row_names_something(tables):
    places = [*tables.PLACES, *tables.LONG]
    assert [place for place in places if not (TESTS / place).exists()] == []
    for row in tables.TESTS:
        file, _, name = row.partition("::")
        assert f"def {name}(" in (TESTS / file).read_text(encoding="utf-8"), row
    levels = {*tables.FIXTURES.values(), *tables.PLACES.values(), *tables.TESTS.values()}
    assert {level for row in levels for level in row.split()} == set(tables.LEVELS)
