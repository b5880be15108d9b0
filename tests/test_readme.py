"""What the README shows happens: its commands' answer, its Python's answer."""

import re
import subprocess
import sys
from pathlib import Path

from acclimate.types import Answer, Citation, Prompt, Timings, Usage

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def run(folder, *arguments):
    done = subprocess.run(
        [sys.executable, *arguments],
        cwd=folder,
        capture_output=True,
        text=True,
        encoding="utf-8",
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return [line.rstrip() for line in done.stdout.strip().splitlines()]


def test_the_readmes_answer_and_python_are_real(tmp_path):
    documents = tmp_path / "examples" / "halden" / "documents"
    documents.parent.mkdir(parents=True)
    documents.symlink_to(ROOT / "examples" / "halden" / "documents")
    console = re.search(r"```console\n(.*?)```", README, re.DOTALL)[1]
    ingest, _, question, *shown = console.strip().splitlines()
    run(tmp_path, "-m", *ingest.removeprefix("$ ").split())
    asked = re.fullmatch(r'\$ acclimate ask "(.*)"', question)[1]
    assert run(tmp_path, "-m", "acclimate", "ask", asked) == [line.rstrip() for line in shown]
    code = re.search(r"```python\n(.*?)```", README, re.DOTALL)[1]
    assert f'answer("{asked}")' in code
    answer, document, page = re.match(r"(.*) (\S+) (\d+)$", run(tmp_path, "-c", code)[0]).groups()
    assert shown[0].startswith(answer)
    assert f"{document}, page {page}" in console


def test_every_block_of_the_python_page_runs(tmp_path):
    """In order, in one folder, as a reader would type them."""
    page = (ROOT / "docs" / "python.md").read_text(encoding="utf-8")
    blocks = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    (tmp_path / "handbook").mkdir()
    documents = ROOT / "examples" / "halden" / "documents"
    (tmp_path / "handbook" / "documents").symlink_to(documents)
    printed = run(tmp_path, "-c", "\n".join(blocks))
    assert printed[0] == "39 74"
    assert "117 kg" in printed[1]
    assert any("Fjell 12" in line for line in printed), (
        "the question that pointed back was completed"
    )


def test_an_answer_and_a_comparison_show_themselves_in_a_notebook():
    citation = Citation(1, "a<b>.md", 0, 4, "<script>", page=2)
    timings, usage = Timings(0.0, 0.0, 0.0), Usage(1, 1)
    answer = Answer(
        "?", "<x>", "<x> [1]", False, (citation,), Prompt((), 0), usage, timings, "rag", "m"
    )
    shown = answer._repr_html_()
    assert "&lt;x&gt; [1]" in shown
    assert "a&lt;b&gt;.md, page 2" in shown
    assert "<script>" not in shown
