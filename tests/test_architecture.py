"""What the house promises its next owner: small files, short functions, one owner for each thing."""

import ast
import re
import tomllib
from pathlib import Path

import pytest

import acclimate
from acclimate.documents.parsers import PARSERS

ROOT = Path(__file__).parents[1]
SOURCE = ROOT / "src" / "acclimate"
FILES = sorted(SOURCE.rglob("*.py"))
MOST_LINES, MOST_OF_A_FUNCTION = 400, 60


def tree_of(file):
    return ast.parse(file.read_text(encoding="utf-8"))


def functions(tree):
    """Every function and method below `tree`."""
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef)
    return (node for node in ast.walk(tree) if isinstance(node, kinds))


def test_files_are_short():
    lines = {file: len(file.read_text(encoding="utf-8").splitlines()) for file in FILES}
    assert {str(file): count for file, count in lines.items() if count > MOST_LINES} == {}


def test_functions_are_short():
    long = []
    for file in FILES:
        for node in functions(tree_of(file)):
            size = node.end_lineno - node.lineno
            if size > MOST_OF_A_FUNCTION:
                long.append(f"{file}:{node.lineno} {node.name}: {size} lines")
    assert long == []


def test_one_file_spells_the_state_folder():
    """A docstring or a hint may name `.acclimate`; only the layout makes a path of it."""
    spelled = [
        file for file in FILES if re.search(r'"\.acclimate"', file.read_text(encoding="utf-8"))
    ]
    assert spelled == [SOURCE / "workspace" / "layout.py"]


def test_every_room_says_what_it_is_for():
    rooms = [file for file in FILES if file.name == "__init__.py"]
    silent = [file for file in rooms if not ast.get_docstring(tree_of(file))]
    assert silent == []


@pytest.mark.parametrize("name", [name for name in acclimate.__all__ if name != "__version__"])
def test_every_public_name_is_documented(name):
    assert getattr(acclimate, name).__doc__
    assert re.search(rf"\b{name}\b", (ROOT / "docs" / "python.md").read_text(encoding="utf-8"))


def test_every_verb_of_a_project_is_documented():
    page = (ROOT / "docs" / "python.md").read_text(encoding="utf-8")
    verbs = [name for name in vars(acclimate.Project) if not name.startswith("_")]
    assert [name for name in verbs if f".{name}(" not in page] == []


def test_a_missing_package_is_named_by_an_extra_that_exists():
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"][
        "optional-dependencies"
    ]
    named = set()
    for file in FILES:
        for node in ast.walk(tree_of(file)):
            called = (
                isinstance(node, ast.Call) and getattr(node.func, "id", "") == "MissingExtraError"
            )
            given = [*node.args[1:], *(word.value for word in node.keywords)] if called else []
            named |= {one.value for one in given if isinstance(one, ast.Constant)}
    assert named
    assert named <= set(extras)


@pytest.mark.parametrize("row", sorted(set(PARSERS.values())))
def test_a_row_of_the_parsers_names_a_class(row):
    module, name = row
    tree = tree_of(SOURCE / "documents" / f"{module}.py")
    assert name in {node.name for node in tree.body if isinstance(node, ast.ClassDef)}
