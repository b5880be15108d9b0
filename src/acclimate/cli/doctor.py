"""`acclimate doctor`."""

from __future__ import annotations

import platform
import shutil
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import click

from acclimate.cli.output import echo_json, json_option, project_option
from acclimate.errors import AcclimateError, ProjectError
from acclimate.hardware import computes_bf16, cpu_flags
from acclimate.indexes.library import Library
from acclimate.models.catalogue import CATALOGUE
from acclimate.models.store import cache_folder, locate
from acclimate.project import Project

_NEEDED_GB = {"memory": 4.0, "disk": 2.0}


@dataclass(frozen=True, slots=True)
class Finding:
    """One check: `state` is ok, warning (slower or not set up yet) or failed; `repair` is a command or advice."""

    check: str
    state: Literal["ok", "warning", "failed"]
    detail: str
    repair: str = ""


@click.command()
@click.option("--repair", is_flag=True, help="Build damaged indexes again from the record.")
@json_option
@project_option
def command(repair: bool, as_json: bool, folder: Path) -> int:
    """Check machine, models and library, and print the repair. Exit code 1 where something failed."""
    findings = [*_machine(), *_models(), *_library(folder, repair)]
    if as_json:
        echo_json(findings)
    else:
        for finding in findings:
            click.echo(f"{finding.state:8} {finding.check:10} {finding.detail}")
            if finding.repair:
                click.echo(f"{'':8} {'':10} repair: {finding.repair}")
    return int(any(finding.state == "failed" for finding in findings))


def _machine() -> Iterator[Finding]:
    yield Finding("python", "ok", f"{platform.python_version()} at {sys.executable}")
    flags = cpu_flags()
    if computes_bf16():
        yield Finding("cpu", "ok", "computes bfloat16")
    elif computes_bf16(environment={}):
        yield Finding(
            "cpu",
            "warning",
            "computes bfloat16, but ONEDNN_MAX_CPU_ISA or ATEN_CPU_CAPABILITY turns it off",
            "Unset both variables; with the first one OpenVINO may fail to answer.",
        )
    elif "avx2" in flags or "asimd" in flags or not flags:
        yield Finding(
            "cpu", "warning", "has no bfloat16: embedding, answering and tuning take two to four times as long"
        )
    else:
        yield Finding(
            "cpu", "failed", "has no AVX2, which OpenVINO needs", "Use [model] and [embedder] engine 'openai'."
        )
    yield _room("memory", _memory_gb(), "Close other programs, or use a smaller model.")
    cache_folder().mkdir(parents=True, exist_ok=True)
    yield _room("disk", shutil.disk_usage(cache_folder()).free / 1e9, "Free space, or move the cache: ACCLIMATE_CACHE.")


def _room(what: str, free: float, repair: str) -> Finding:
    enough = free >= _NEEDED_GB[what]
    detail = f"{free:.1f} GB free" + ("" if enough else f", {_NEEDED_GB[what]:.0f} are wanted")
    return Finding(what, "ok" if enough else "warning", detail, "" if enough else repair)


def _memory_gb() -> float:
    file = Path("/proc/meminfo")
    lines = file.read_text(encoding="utf-8").splitlines() if file.exists() else []
    return next((int(line.split()[1]) / 1e6 for line in lines if line.startswith("MemAvailable")), 0.0)


def _models() -> Iterator[Finding]:
    for name in CATALOGUE:
        try:
            here = locate(name)
        except AcclimateError as error:
            yield Finding("model", "failed", str(error), error.hint)
            continue
        if here:
            yield Finding("model", "ok", f"{name} at {here.weights}")
        else:
            yield Finding("model", "warning", f"{name} is not here yet", f"acclimate models fetch {name}")


def _library(folder: Path, repair: bool) -> Iterator[Finding]:
    try:
        project = Project.open(folder)
    except ProjectError as error:
        yield Finding("project", "warning", str(error), error.hint)
        return
    with project:
        yield Finding("project", "ok", str(project.file))
        if not (project.folder / ".acclimate" / "library.db").exists():
            yield Finding("library", "warning", "nothing is ingested yet", "acclimate ingest")
            return
        yield from _check_library(project.library, repair)


def _check_library(library: Library, repair: bool) -> Iterator[Finding]:
    if repair:
        library.repair()
    problems = library.check()
    for problem in problems:
        yield Finding("library", "failed", problem, "acclimate doctor --repair, or acclimate ingest --check-all")
    if not problems:
        documents, chunks = len(library.record.files()), len(library.record.keys())
        yield Finding("library", "ok", f"{documents} documents, {chunks} chunks; record and indexes are equal")
