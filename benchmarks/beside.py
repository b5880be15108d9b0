"""LlamaIndex's answers to a domain set, by the same model, beside ours in one comparison.

    python -m benchmarks.beside --data examples/halden [--model qwen2.5-coder-0.5b-instruct] [--limit 12] --project FOLDER

LlamaIndex reads the documents with its own readers, cuts them with its own splitter (chunks as long as ours), finds as
many of them, and asks by its own prompt; the model (without an adapter) and the embedder are ours, behind
`benchmarks.model_server`. Its answers go to FOLDER/llamaindex.jsonl, and come in as `--answers llamaindex=FILE` would
bring them. Ours is `rag` with that model and `rag` as it comes.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from acclimate.evaluation.comparison_run import shuffled
from acclimate.project import Project
from acclimate.prompting.recipes import find_recipe
from acclimate.types import Question
from acclimate.workspace.style import passages_for
from benchmarks.harness import PEERS, emit, machine, require_peers

_SCRIPT = Path(__file__).parent / "peers" / "llamaindex_answers.py"


def answers_of_peer(project: Project, questions: Sequence[Question], model: str) -> Path:
    """The file with LlamaIndex's answers."""
    file = project.folder / "llamaindex.jsonl"
    known = (
        {json.loads(line)["id"] for line in file.read_text().splitlines()}
        if file.exists()
        else set()
    )
    left = [one for one in questions if one.id not in known]
    if not left:
        return file
    server = subprocess.Popen(
        [sys.executable, "-m", "benchmarks.model_server", "--model", model],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    with server:
        assert server.stdout is not None
        assert server.stdin is not None
        address = server.stdout.readline().strip()
        if not address:
            sys.exit("The model's server did not start.")
        k = passages_for(project, find_recipe("rag"))
        tokens = project.settings.chunking.max_tokens
        index = project.folder / "llamaindex-index"
        command = [
            str(PEERS),
            str(_SCRIPT),
            str(project.documents),
            address,
            str(k),
            str(tokens),
            str(index),
        ]
        asked = "".join(json.dumps({"id": one.id, "question": one.question}) + "\n" for one in left)
        with file.open("a") as out:
            subprocess.run(command, input=asked, stdout=out, text=True, check=True)
        server.stdin.close()
    return file


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--project", type=Path, required=True)
    parser.add_argument("--model", default="qwen2.5-coder-0.5b-instruct")
    parser.add_argument("--limit", type=int, default=12)
    options = parser.parse_args()
    require_peers()
    if not (options.project / "acclimate.toml").exists():
        shutil.copytree(options.data / "documents", options.project / "documents")
        shutil.copy(options.data / "questions.jsonl", options.project)
        Project.create(options.project, options.project / "documents").close()
    with Project.open(options.project) as project:
        project.ingest()
        test = [one for one in project.questions() if one.split == "test"]
        file = answers_of_peer(project, shuffled(test)[: options.limit], options.model)
        compared = project.compare(
            [f"rag@{options.model}", "rag"],
            answers=[f"llamaindex={file}"],
            limit=options.limit,
        )
    emit(
        {
            "benchmark": "beside",
            "model": options.model,
            "questions": len(compared.questions),
            "rows": [_row(one) for one in compared.rows],
            "pairs": [
                {"first": one.first, "second": one.second, **asdict(one.difference)}
                for one in compared.pairs
            ],
            "verdict": compared.verdict.sentence,
            "machine": machine(),
        }
    )


def _row(row: Any) -> dict[str, Any]:
    summary = row.summary
    return {
        "recipe": row.recipe,
        "f1": asdict(row.interval),
        "em": summary.em,
        "number_f1": summary.number_f1,
        "found": summary.found,
        "abstention_f1": summary.abstention_f1,
        "seconds_per_answer": row.total_s[0],
    }


if __name__ == "__main__":
    main()
