"""An ingest by actors of a simulated Ray cluster, while a node and the driver are killed; see `benchmarks.cluster`.

Nodes are killed when a fifth of the files are stored, the driver when three fifths are; new nodes join, and the driver is
started again. Another ingest, of real documents with the default embedder and nothing killed, tells what actors cost:
CPU seconds of the driver and of its actors, each with its parsers' processes, beside those of one process. Ray's own
services are not in it: they cost the same whatever is ingested.
"""

from __future__ import annotations

import json
import multiprocessing
import os
import random
import shutil
import signal
import sys
import tempfile
import time
from argparse import Namespace
from contextlib import closing
from functools import partial
from multiprocessing.context import SpawnContext
from multiprocessing.process import BaseProcess
from pathlib import Path

from acclimate.cluster.nodes import Share, nodes
from acclimate.cluster.pool import Pool
from acclimate.cluster.session import joined
from acclimate.embeddings.base import Embedder
from acclimate.indexes.library import Library
from acclimate.ingest import ingest
from acclimate.ingest_reading import reader_name
from acclimate.ingest_report import NoProgress
from acclimate.settings import Settings
from acclimate.settings_cluster import ClusterSettings
from acclimate.settings_library import ChunkingSettings
from acclimate.testing.clusters import SimulatedCluster, make_hash_reading, simulated_cluster
from acclimate.testing.embeddings import HashEmbedder
from acclimate.workflows.cluster_ingest import ClusterReader, Wanted, make_reading
from acclimate.workspace.parsing import open_chunker, open_sandbox, parser_name
from acclimate.workspace.workspace import Workspace
from benchmarks.cluster import hashes

DOCUMENTS = Path(__file__).parents[1] / "examples" / "halden" / "documents"
SHORT = Settings(chunking=ChunkingSettings(max_tokens=40))  # many chunks, so many transactions


def notes(root: Path, count: int, rng: random.Random) -> None:
    """Files to be read, and one that cannot be."""
    root.mkdir(parents=True)
    for number in range(count):
        body = "\n\n".join(f"Paragraph {n} of note {number}. " + f"It says {rng.randint(0, 10**6)}. " * rng.randint(4, 12)
                           for n in range(rng.randint(10, 40)))  # fmt: skip
        (root / f"note-{number}.md").write_text(f"# Note {number}\n\n{body}\n", encoding="utf-8")
    (root / "bad.txt").write_bytes(b"\0\1")


def drive(
    project: Path, state: Path, settings: Settings, address: str, told: Path, hashed: bool
) -> None:
    """An ingest, by actors where there is an address, in a process of its own; tells what it cost."""
    own: Embedder = HashEmbedder() if hashed else Workspace(project, settings).embedder
    workspace = Workspace(project, settings, embedder=own)
    own.embed_passages(["A sentence."])  # compiled before the clock starts, as actors are
    chunker = open_chunker(settings, own, workspace.layout.templates, workspace.write)
    parser = parser_name(settings.documents, None)
    before, actors_s = spent(), 0.0
    with (
        closing(Library(state)) as library,
        closing(open_sandbox(settings.documents, False)) as parse,
    ):
        if address:
            make = make_hash_reading if hashed else make_reading
            wanted = Wanted(parser, chunker.fingerprint, own.fingerprint)
            with joined(ClusterSettings(engine="ray", address=address)):
                with Pool(partial(make, project, settings, wanted), Share(), nodes=nodes) as pool:
                    name = reader_name(parser, chunker)
                    reader = ClusterReader(name, lambda: pool, library.record, own, NoProgress())
                    report = ingest(
                        workspace.documents,
                        library,
                        parse,
                        chunker,
                        own,
                        parser=parser,
                        reader=reader,
                    )
                actors_s = pool.cpu_s
        else:
            report = ingest(
                workspace.documents, library, parse, chunker, own, parser=parser, parallel=2
            )
    found = {
        "documents": report.documents,
        "chunks": report.chunks,
        "failures": len(report.failures),
    }
    told.write_text(
        json.dumps(found | {"cpu_s": spent() - before, "actors_s": actors_s}), encoding="ascii"
    )


def spent() -> float:
    """CPU seconds of this process and of the children that it has waited for."""
    used = os.times()
    return used.user + used.system + used.children_user + used.children_system


def start(context: SpawnContext, *arguments: object) -> BaseProcess:
    """A driver."""
    process = context.Process(target=drive, args=arguments)
    process.start()
    return process


def stored(state: Path) -> int:
    """How many documents a library holds."""
    if not (state / "library.db").exists():
        return 0
    with closing(Library(state)) as library:
        return len(library.record.files())


def await_share(driver: BaseProcess, state: Path, least: float) -> bool:
    """Wait until so many documents are stored; False where the driver ended before."""
    while driver.is_alive():
        if stored(state) >= least:
            return True
        time.sleep(0.05)
    return False


def disturbed(
    cluster: SimulatedCluster, context: SpawnContext, scratch: Path, options: Namespace
) -> dict[str, object]:
    """An ingest while nodes and the driver are killed, beside one of one process."""
    project, started, problems = scratch / "project", time.perf_counter(), list[str]()
    notes(project / "documents", options.files, random.Random(options.seed))
    state, told = scratch / "many", scratch / "told.json"
    given = (project, state, SHORT, cluster.address, told, True)
    driver = start(context, *given)
    killed = 0
    if await_share(driver, state, options.files / 5):
        for _ in range(options.kill):
            cluster.kill(0)
            killed += 1
    if await_share(driver, state, options.files * 3 / 5) and driver.pid:
        os.kill(driver.pid, signal.SIGKILL)
    driver.join()
    at_kill, again = stored(state), driver.exitcode == -signal.SIGKILL
    if not again or killed < options.kill:
        problems.append(
            f"killed {killed} nodes, the driver ended with {driver.exitcode}: give more --files"
        )
    for _ in range(killed):
        cluster.add()
    driver = start(context, *given)
    driver.join()
    if driver.exitcode:
        problems.append(f"the driver ended with {driver.exitcode}")
    drive(project, scratch / "one", SHORT, "", scratch / "alone.json", True)
    with closing(Library(state)) as many, closing(Library(scratch / "one")) as one:
        held, expected = hashes(many.record), hashes(one.record)
        problems += many.check()
    lost = expected.keys() - held.keys()
    problems += [f"too many: {path}" for path in held.keys() - expected.keys()]
    problems += [
        f"differs: {path}" for path in expected.keys() & held.keys() if held[path] != expected[path]
    ]
    return {"documents": len(held), "nodes_killed": killed, "driver_killed_at": at_kill, "equal": held == expected,
            "lost": len(lost), "problems": problems, "seconds": round(time.perf_counter() - started, 1)}  # fmt: skip


def costs(cluster: SimulatedCluster, context: SpawnContext, scratch: Path) -> dict[str, object]:
    """CPU seconds of an ingest by actors beside those of one process, in turns."""
    project, rows = scratch / "real", dict[str, dict[str, float]]()
    shutil.copytree(DOCUMENTS, project / "documents")
    for name, address in (("local", ""), ("ray", cluster.address)):
        told = scratch / f"{name}.json"
        driver = start(context, project, scratch / name, Settings(), address, told, False)
        driver.join()
        rows[name] = json.loads(told.read_text(encoding="ascii"))
    local, ray = rows["local"]["cpu_s"], rows["ray"]["cpu_s"] + rows["ray"]["actors_s"]
    return {"chunks": rows["ray"]["chunks"], "same": rows["ray"]["chunks"] == rows["local"]["chunks"],
            "local_cpu_s": round(local, 1), "driver_cpu_s": round(rows["ray"]["cpu_s"], 1),
            "actors_cpu_s": round(rows["ray"]["actors_s"], 1), "extra": round(ray / local - 1, 3)}  # fmt: skip


def main(options: Namespace) -> int:
    """Run it; the exit code."""
    context = multiprocessing.get_context("spawn")
    with tempfile.TemporaryDirectory() as folder, simulated_cluster(options.nodes) as cluster:
        row = disturbed(cluster, context, Path(folder), options)
        print(json.dumps(row), flush=True)
        cost = costs(cluster, context, Path(folder)) if options.cost else {}
    print(
        json.dumps({"cluster": {"nodes": options.nodes, "kill": options.kill, **row, "cost": cost}})
    )
    return 1 if row["problems"] or not row["equal"] else 0


if __name__ == "__main__":
    sys.exit("python -m benchmarks.cluster --nodes 3 --kill 1")
