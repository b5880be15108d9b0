"""Ingest a folder of documents, beside LlamaIndex doing the same.

    python -m benchmarks.ingest --data DOMAINSET [--peer llamaindex] [--limit N]

Both are whole processes from start to a saved index: the same files, chunks of the same length in tokens (no overlap),
the same embedder. LlamaIndex runs with its own defaults: SimpleDirectoryReader, SentenceSplitter, HuggingFaceEmbedding,
VectorStoreIndex over SimpleVectorStore, persisted.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path
from typing import Any

from acclimate.models.fetch import resolve
from acclimate.project import Project
from benchmarks.harness import PEERS, copy_documents, emit, machine, peak_mb, require_peers, run

CHUNK_TOKENS = 200


def ours(folder: Path) -> None:
    """Ingest the project in `folder` in this process."""
    with Project.open(folder) as project:
        report = project.ingest()
    emit(
        {
            "documents": report.documents,
            "chunks": report.chunks,
            "embedded": report.embedded,
            "inside_seconds": round(report.seconds, 3),
            "peak_mb": round(peak_mb()),
        }
    )


def summary(result: dict[str, Any], seconds: float) -> dict[str, Any]:
    """The keys of a summary, for one program."""
    return {
        "documents": result["documents"],
        "chunks": result["chunks"],
        "chunks_per_s": round(result["chunks"] / seconds, 1),
        "seconds": round(seconds, 2),
        "peak_mb": result["peak_mb"],
    }


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--peer", choices=["llamaindex"])
    parser.add_argument("--limit", type=int, help="first N documents only")
    parser.add_argument("--run", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.run:
        ours(options.run)
        return
    model = resolve("all-minilm-l6-v2", "embedder")
    with tempfile.TemporaryDirectory() as scratch:
        documents = Path(scratch) / "documents"
        files = sorted(path for path in (options.data / "documents").rglob("*") if path.is_file())[
            : options.limit
        ]
        copy_documents(options.data, files, Path(scratch))
        Project.create(Path(scratch), Path("documents")).close()
        command = [
            sys.executable,
            "-m",
            "benchmarks.ingest",
            "--data",
            str(options.data),
            "--run",
            scratch,
        ]
        size = {"ACCLIMATE_CHUNKING__MAX_TOKENS": str(CHUNK_TOKENS)}
        first, seconds, _ = run(command, **size)
        again, second_seconds, _ = run(command, **size)
        result = {"benchmark": "ingest", "data": options.data.name, **summary(first, seconds)}
        result["unchanged"] = {"seconds": round(second_seconds, 2), "embedded": again["embedded"]}
        result["unchanged"]["inside_seconds"] = again["inside_seconds"]
        emit(result)
        if options.peer:
            require_peers()
            script = str(Path(__file__).parent / "peers" / "llamaindex_ingest.py")
            store = f"{scratch}/peer"
            peer, peer_seconds, _ = run(
                [str(PEERS), script, str(documents), str(model.folder), store, str(CHUNK_TOKENS)]
            )
            result["peer"] = {
                "name": "llamaindex",
                "version": peer["version"],
                **summary(peer, peer_seconds),
            }
            result["ratio"] = {
                "chunks_per_s": round(result["chunks_per_s"] / result["peer"]["chunks_per_s"], 2),
                "seconds": round(peer_seconds / seconds, 2),
                "peak_mb": round(peer["peak_mb"] / first["peak_mb"], 2),
            }
        emit({**result, "machine": machine()})


if __name__ == "__main__":
    main()
