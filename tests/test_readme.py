"""What the README shows happens: its commands' answer, its Python's answer."""

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def run(folder, *arguments):
    done = subprocess.run(
        [sys.executable, *arguments], cwd=folder, capture_output=True, text=True, encoding="utf-8", check=False
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
