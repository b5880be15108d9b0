"""`acclimate doctor`."""

from __future__ import annotations

import platform
import shutil
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import click

from acclimate.cli.output import echo_json, json_option, project_option
from acclimate.errors import AcclimateError, ProjectError, legible
from acclimate.indexes.library import Library
from acclimate.models.catalogue import CATALOGUE
from acclimate.models.store import cache_folder, locate
from acclimate.places import as_typed
from acclimate.project import Project
from acclimate.settings import EmbedderSettings, ModelSettings
from acclimate.walking import walk

_SHOWN = 3  # files that are named
_DEFAULTS = {ModelSettings().name, EmbedderSettings().model}
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
            click.echo(f"{finding.state:8} {finding.check:10} {as_typed(finding.detail)}")
            if finding.repair:
                click.echo(f"{'':8} {'':10} repair: {as_typed(finding.repair)}")
    return int(any(finding.state == "failed" for finding in findings))


def _machine() -> Iterator[Finding]:
    yield Finding("python", "ok", f"{platform.python_version()} at {sys.executable}")
    flags = _cpu_flags()
    if "avx512_bf16" in flags or "amx_bf16" in flags:
        yield Finding("cpu", "ok", "computes bfloat16")
    elif "avx2" in flags or not flags:
        yield Finding("cpu", "warning", "has no bfloat16: embedding and answering take two to four times as long")
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


def _cpu_flags() -> set[str]:
    file = Path("/proc/cpuinfo")
    lines = file.read_text(encoding="utf-8").splitlines() if file.exists() else []
    return next((set(line.split()) for line in lines if line.startswith("flags")), set())


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
        elif name in _DEFAULTS:
            yield Finding("model", "warning", f"{name} is not here yet", f"acclimate models fetch {name}")


def _library(folder: Path, repair: bool) -> Iterator[Finding]:
    try:
        project = Project.open(folder)
    except ProjectError as error:
        yield Finding("project", "warning", str(error), error.hint)
        return
    with project:
        yield Finding("project", "ok", str(project.file))
        if not project.layout.ingested:
            yield Finding("library", "warning", "nothing is ingested yet", "acclimate ingest")
            return
        yield from _check_library(project.library, repair)
        yield from _check_documents(project)


def _check_documents(project: Project) -> Iterator[Finding]:
    """Whether the library holds what is in the documents folder."""
    record, chosen, place = project.library.record, project.settings.documents, project.documents_shown
    held = record.files()
    try:
        found = walk(project.documents, chosen.include, chosen.exclude)
    except ProjectError as error:
        yield Finding("documents", "warning" if held else "failed", str(error), error.hint)
        return
    if not record.ingest_finished:
        detail = f"the last ingest did not finish: {len(held)} of {len(found.files)} files are in the library"
        yield Finding("documents", "failed", detail, "acclimate ingest goes on from there")
    elif not held:
        detail = f"the library holds no documents, and {place} has {len(found.files)} files"
        yield Finding("documents", "failed", detail, "Put files there, and run: acclimate ingest")
    elif missing := sorted(found.files.keys() - held.keys()):
        detail = f"{len(missing)} of {len(found.files)} files in {place} are not in the library: {_some(missing)}"
        yield Finding("documents", "warning", detail, "acclimate ingest reads them, or tells why it cannot")
    elif gone := sorted(path for path in held.keys() - found.files.keys() if not found.keeps(path)):
        detail = f"{len(gone)} documents in the library are no longer in {place}: {_some(gone)}"
        yield Finding("documents", "warning", detail, "acclimate ingest removes them")
    else:
        yield Finding("documents", "ok", f"all {len(found.files)} files in {place} are in the library")
    for reason in record.ingest_failures[:_SHOWN]:
        yield Finding(
            "documents", "warning", f"not read: {reason}", "Mend the file, or leave it out: [documents] exclude"
        )
    if len(record.ingest_failures) > _SHOWN:
        yield Finding("documents", "warning", f"and {len(record.ingest_failures) - _SHOWN} more that were not read")


def _some(paths: Sequence[str]) -> str:
    """The first few, by name."""
    more = f" and {len(paths) - _SHOWN} more" if len(paths) > _SHOWN else ""
    return ", ".join(legible(path) for path in paths[:_SHOWN]) + more


def _check_library(library: Library, repair: bool) -> Iterator[Finding]:
    if repair:
        library.repair()
    problems = library.check()
    for problem in problems:
        yield Finding("library", "failed", problem, "acclimate doctor --repair, or acclimate ingest --check-all")
    if not problems:
        documents, chunks = len(library.record.files()), len(library.record.keys())
        detail = f"{documents} documents, {chunks} chunks; record and indexes are equal"
        yield Finding("library", "ok" if documents else "warning", detail)
