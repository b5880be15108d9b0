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
from acclimate.files.places import as_typed
from acclimate.indexes.library import Library
from acclimate.indexes.readonly import can_write
from acclimate.models.catalogue import CATALOGUE
from acclimate.models.recommendation import measure_machine, recommend
from acclimate.models.store import cache_folder, locate
from acclimate.project import Project
from acclimate.settings_library import EmbedderSettings
from acclimate.settings_sections import ModelSettings
from acclimate.system.hardware import computes_bf16, cpu_flags
from acclimate.system.platforms import free_memory_gb, missing_limits
from acclimate.workspace.languages import language_gap

_SHOWN = 3  # files that are named
_DEFAULTS = {ModelSettings().name, EmbedderSettings().model}
_NEEDED_GB = {"memory": 4.0, "disk": 2.0}


@dataclass(frozen=True, slots=True)
class Finding:
    """One check: `state` is ok, warning (slower or not set up yet) or failed; `repair` is a command
    or advice."""

    check: str
    state: Literal["ok", "warning", "failed"]
    detail: str
    repair: str = ""


@click.command()
@click.option("--repair", is_flag=True, help="Build damaged indexes again from the record.")
@click.option(
    "--rates",
    is_flag=True,
    help="Measure instead what a core of this machine reads, embeds and stores of the project's "
    "documents, to plan for many (about a minute).",
)
@json_option
@project_option
def command(repair: bool, rates: bool, as_json: bool, folder: Path) -> int:
    """Check machine, models and library, and print the repair. Exit code 1 where something
    failed."""
    if rates:
        from acclimate.cli.rates import echo_rates  # what measures is not needed to check

        echo_rates(folder, as_json)
        return 0
    findings = [*_machine(), *_models(), _advice(), *_library(folder, repair)]
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
    flags = cpu_flags()
    if computes_bf16():
        yield Finding("cpu", "ok", "computes bfloat16")
    elif not flags:
        yield Finding(
            "cpu", "ok", f"is {platform.machine()}; this system does not report what it computes"
        )
    elif computes_bf16(environment={}):
        yield Finding(
            "cpu",
            "warning",
            "computes bfloat16, but ONEDNN_MAX_CPU_ISA or ATEN_CPU_CAPABILITY turns it off",
            "Unset both variables; with the first one OpenVINO may fail to answer.",
        )
    elif "avx2" in flags or "asimd" in flags:
        yield Finding(
            "cpu",
            "warning",
            "has no bfloat16: embedding, answering and tuning take two to four times as long",
        )
    else:
        yield Finding(
            "cpu",
            "failed",
            "has no AVX2, which OpenVINO needs",
            "Use [model] and [embedder] engine 'openai'.",
        )
    yield _room("memory", free_memory_gb(), "Close other programs, or use a smaller model.")
    yield _limits()
    try:
        cache_folder().mkdir(parents=True, exist_ok=True)
    except OSError as error:
        repair = "Set ACCLIMATE_CACHE to a folder that can be written."
        yield Finding(
            "disk", "failed", f"{cache_folder()} cannot be made: {error.strerror}", repair
        )
        return
    if not can_write(cache_folder()):
        detail = f"{cache_folder()} is read-only here: no model can be fetched or prepared"
        yield Finding("cache", "warning", detail, "Set ACCLIMATE_CACHE to a folder of yours.")
    yield _room(
        "disk",
        shutil.disk_usage(cache_folder()).free / 1e9,
        "Free space, or move the cache: ACCLIMATE_CACHE.",
    )


def _limits() -> Finding:
    missing = missing_limits()
    if not missing:
        return Finding("sandbox", "ok", "limits what a file may take while it is parsed")
    detail = f"this system limits no {' and no '.join(missing)} while a file is parsed"
    return Finding(
        "sandbox",
        "warning",
        detail,
        "Ingest files of people that you trust only: docs/security.md.",
    )


def _room(what: str, free: float | None, repair: str) -> Finding:
    if free is None:
        return Finding(what, "ok", "is not reported by this system")
    enough = free >= _NEEDED_GB[what]
    detail = f"{free:.1f} GB free" + ("" if enough else f", {_NEEDED_GB[what]:.0f} are wanted")
    return Finding(what, "ok" if enough else "warning", detail, "" if enough else repair)


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
            yield Finding(
                "model", "warning", f"{name} is not here yet", f"acclimate models fetch {name}"
            )


def _advice() -> Finding:
    found = recommend(measure_machine())
    detail = f"{found.name} is recommended: {found.reason}"
    return Finding(
        "advice", "ok", detail, "" if found.name in _DEFAULTS else "acclimate models recommend"
    )


def _library(folder: Path, repair: bool) -> Iterator[Finding]:
    try:
        project = Project.open(folder)
    except ProjectError as error:
        yield Finding("project", "warning", str(error), error.hint)
        return
    with project:
        yield Finding("project", "ok", str(project.file))
        if not project.ingested:
            yield Finding("library", "warning", "nothing is ingested yet", "acclimate ingest")
            return
        yield from _check_library(project.library, repair)
        if project.settings.store.record == "postgres":
            yield from _check_workers(project)
        yield from _check_documents(project)
        if gap := language_gap(project):
            yield Finding("languages", "warning", f"{gap}: it finds little there", gap.hint)


def _check_workers(project: Project) -> Iterator[Finding]:
    """What the workers of an ingest do, and which of them were lost."""
    status = project.ingest_status()
    if status.run is None or not status.run.open:
        return
    working = [worker for worker in status.workers if worker.state == "working"]
    lost = [f"{one.host}:{one.process}" for one in status.workers if one.state == "lost"]
    detail = f"{status.run.files - status.counts.left} of {status.run.files} files are done"
    detail += f"; {len(working)} workers are at it" + (f", {len(lost)} lost" if lost else "")
    repair = "" if working else "acclimate ingest --worker goes on from there"
    yield Finding("workers", "ok" if working else "warning", detail, repair)
    if lost:
        yield Finding("workers", "warning", f"lost, and their files are others': {_some(lost)}")


def _check_documents(project: Project) -> Iterator[Finding]:
    """Whether the library holds what is in the documents folder."""
    record, chosen, place = (
        project.library.record,
        project.settings.documents,
        project.documents_shown,
    )
    held = record.files()
    try:
        found = project.place.walk(chosen.include, chosen.exclude)
    except ProjectError as error:
        yield Finding("documents", "warning" if held else "failed", str(error), error.hint)
        return
    if not record.ingests.finished:
        detail = f"the last ingest did not finish: {len(held)} of {len(found.files)} files are in the library"
        yield Finding("documents", "failed", detail, "acclimate ingest goes on from there")
    elif not held:
        detail = f"the library holds no documents, and {place} has {len(found.files)} files"
        yield Finding("documents", "failed", detail, "Put files there, and run: acclimate ingest")
    elif missing := sorted(found.files.keys() - held.keys()):
        detail = f"{len(missing)} of {len(found.files)} files in {place} are not in the library: {_some(missing)}"
        yield Finding(
            "documents", "warning", detail, "acclimate ingest reads them, or says why it cannot"
        )
    elif gone := sorted(path for path in held.keys() - found.files.keys() if not found.keeps(path)):
        detail = f"{len(gone)} documents in the library are no longer in {place}: {_some(gone)}"
        yield Finding("documents", "warning", detail, "acclimate ingest removes them")
    else:
        yield Finding(
            "documents", "ok", f"all {len(found.files)} files in {place} are in the library"
        )
    for reason in record.ingests.failures[:_SHOWN]:
        yield Finding(
            "documents",
            "warning",
            f"not read: {reason}",
            "Mend the file, or leave it out: [documents] exclude",
        )
    if len(record.ingests.failures) > _SHOWN:
        yield Finding(
            "documents",
            "warning",
            f"and {len(record.ingests.failures) - _SHOWN} more that were not read",
        )


def _some(paths: Sequence[str]) -> str:
    """The first few, by name."""
    more = f" and {len(paths) - _SHOWN} more" if len(paths) > _SHOWN else ""
    return ", ".join(legible(path) for path in paths[:_SHOWN]) + more


def _check_library(library: Library, repair: bool) -> Iterator[Finding]:
    if repair:
        library.repair()
    problems = library.check()
    for problem in problems:
        yield Finding(
            "library",
            "failed",
            problem,
            "acclimate doctor --repair, or acclimate ingest --check-all",
        )
    if library.record.read_only:
        detail = f"{library.folder} is read-only here: it answers, but nothing new can be ingested, tuned or compared"
        yield Finding(
            "library",
            "warning",
            detail,
            "Run those commands where it can be written, or copy the project.",
        )
    if not problems:
        documents, chunks = len(library.record.files()), len(library.record.keys())
        detail = f"{documents} documents, {chunks} chunks; record and indexes are equal"
        yield Finding("library", "ok" if documents else "warning", detail)
