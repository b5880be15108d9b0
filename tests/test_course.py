"""The course runs. Cells that train or compare take minutes: they are run by hand, and here held to names that exist."""

import ast
import re
import sys
from pathlib import Path

from acclimate import Project

COURSE = Path(__file__).parents[1] / "examples" / "course.py"
TEXT = COURSE.read_text(encoding="utf-8")
CELLS = re.split(r"^# %% ", TEXT, flags=re.M)[1:]
DEAR = "(minutes)"


def test_cells_are_numbered_and_the_dear_ones_say_so():
    titles = [cell.partition("\n")[0] for cell in CELLS]
    assert [title.split(".")[0] for title in titles] == [str(n + 1) for n in range(len(titles))]
    assert [title for title in titles if title.endswith(DEAR)] == [titles[4], titles[5], titles[6]]
    for cell in CELLS:
        dear = re.search(r"project\.(compare|tune)\(", cell) is not None
        assert dear == cell.partition("\n")[0].endswith(DEAR)


def test_every_verb_of_the_project_that_is_used_exists():
    used = {
        node.func.attr
        for node in ast.walk(ast.parse(TEXT))
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and isinstance(node.func.value, ast.Name)
        and node.func.value.id == "project"
    }
    assert used >= {"ingest", "answer", "retrieve", "compare", "tune"}
    assert [name for name in used if not hasattr(Project, name)] == []


def test_cells_that_take_seconds_run(monkeypatch, capsys, tmp_path):
    """The short form, on a few of the documents, in the test's own folder."""
    monkeypatch.setattr(sys, "argv", ["course.py", "--short"])
    names = {"__file__": str(COURSE), "__name__": "course"}
    code = [cell for cell in CELLS if not cell.partition("\n")[0].endswith(DEAR)]
    first = code[0]
    for text, here in (
        ('tempfile.mkdtemp(prefix="acclimate-course-")', repr(str(tmp_path / "course"))),
        (
            'HERE / "documents", folder / "documents")',
            'HERE / "documents" / "products", folder / "documents" / "products")',
        ),
    ):
        assert text in first
        first = first.replace(text, here)
    for cell in [first, *code[1:]]:
        exec(compile(f"# {cell}", str(COURSE), "exec"), names)  # noqa: S102
    told = capsys.readouterr().out
    assert "rag: '117 kg" in told
    assert "products/fjell-series.pdf, page 1" in told
    assert "not in the documents: abstained=True" in told
    assert "Fjell 12" in told.partition("and then:")[2].partition("\n")[0]
    assert not (tmp_path / "course").exists()
