"""Coverage-guided fuzzing of the parsers, each in a process of its own: crashes, hangs, memory.

    pip install atheris
    python -m benchmarks.fuzz_parsers [--minutes 60] [--kinds html,pdf,…] [--out FOLDER]

The minutes are shared by the kinds. Starts from small real files, made by the tests. A DocumentError is a refusal, as
it should be; a crash, more than 20 s for one input, or more than 2 GB is a finding, and its input is kept in --out.
Prints one JSON object for each kind; exit code 1 where anything was found.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib
import importlib.util
import re
import subprocess
import sys
import tempfile
from pathlib import Path

from benchmarks.harness import emit, machine

KINDS = (
    "html",
    "md",
    "txt",
    "pdf",
    "docx",
    "pptx",
    "xlsx",
    "odt",
    "epub",
    "eml",
    "rtf",
    "json",
    "csv",
    "rst",
    "tgz",
)
SLOWEST, MEMORY = 20, 2048  # seconds, MB


def main() -> None:
    """Fuzz each kind in a process of its own."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=60)
    parser.add_argument("--kinds", default=",".join(KINDS))
    parser.add_argument("--out", type=Path, default=Path("fuzz"))
    parser.add_argument("--one", help=argparse.SUPPRESS)
    options, rest = parser.parse_known_args()
    if options.one:
        fuzz(options.one, rest)
        return
    kinds = options.kinds.split(",")
    seconds = max(5, int(60 * options.minutes / len(kinds)))
    bad = 0
    for kind in kinds:
        folder = options.out.resolve() / kind
        corpus = folder / "corpus"
        corpus.mkdir(parents=True, exist_ok=True)
        seed(kind, corpus)
        command = [
            sys.executable,
            "-m",
            "benchmarks.fuzz_parsers",
            "--one",
            kind,
            str(corpus),
            f"-max_total_time={seconds}",
        ]
        command += [
            f"-timeout={SLOWEST}",
            f"-rss_limit_mb={MEMORY}",
            "-max_len=60000",
            f"-artifact_prefix={folder}/found-",
        ]
        done = subprocess.run(
            command, capture_output=True, text=True, errors="replace", check=False
        )
        runs = re.findall(r"^#(\d+)", done.stderr, re.MULTILINE)
        coverage = re.findall(r"cov: (\d+)", done.stderr)
        found = sorted(path.name for path in folder.glob("found-*"))
        bad += bool(found) or done.returncode != 0
        figures = {
            "runs": int(runs[-1]) if runs else 0,
            "coverage": int(coverage[-1]) if coverage else 0,
        }
        emit(
            {
                "benchmark": "fuzz",
                "kind": kind,
                "seconds": seconds,
                **figures,
                "exit": done.returncode,
                "found": found,
            }
        )
        if done.returncode:
            print(done.stderr[-1500:], file=sys.stderr)
    emit({"benchmark": "fuzz", "kinds": len(kinds), "bad": bad, "machine": machine()})
    sys.exit(bool(bad))


def seed(kind: str, corpus: Path) -> None:
    """The tests' small file of a kind, as a first input."""
    maker = Path(__file__).parents[1] / "tests" / "documents" / "conftest.py"
    found = importlib.util.spec_from_file_location("made", maker)
    assert found is not None
    assert found.loader is not None
    module = importlib.util.module_from_spec(found)
    found.loader.exec_module(module)
    if kind in module.MAKERS:
        module.MAKERS[kind](corpus / f"seed.{kind}")


def fuzz(kind: str, arguments: list[str]) -> None:
    """Run libFuzzer over `parse` for files called x.KIND, until its time is up."""
    import atheris

    with atheris.instrument_imports(include=["acclimate.documents"]):
        from acclimate.documents import parsers

        for module, _ in parsers.PARSERS.values():
            importlib.import_module(f"acclimate.documents.{module}")
        from acclimate.errors import DocumentError

    file = Path(tempfile.mkdtemp()) / f"x.{kind}"

    def one(content: bytes) -> None:
        file.write_bytes(content)
        with contextlib.suppress(DocumentError):
            document = parsers.parse(file, file.name)
            for element in document.elements:
                if not 0 <= element.start < element.end <= len(document.text):
                    raise AssertionError(f"{element} lies outside the text")

    atheris.Setup([sys.argv[0], *arguments], one)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
