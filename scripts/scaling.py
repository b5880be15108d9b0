"""What libraries of several sizes take, from rates that `acclimate doctor --rates --json` measured.

    python scripts/scaling.py [RATES.json] [--chunks-per-document 10] [--cores 64] [--core-hour 0.04] [--gb-month 0.10]

Prints the tables of docs/scaling.md, made from the last line of `benchmarks/results/rates.jsonl`; `--check` compares
instead. Prices are those of no provider: give your own.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "scaling.md"
KEPT = ROOT / "benchmarks" / "results" / "rates.jsonl"
BEGIN, END = "<!-- made by scripts/scaling.py -->", "<!-- end -->"
SIZES = (10_000, 100_000, 1_000_000, 10_000_000)
LINKS_BYTES = 300  # of an HNSW graph, for a row: 16 neighbours on most levels, twice as many on the lowest, and heads
HOUR = 3600


@dataclass(frozen=True)
class Options:
    """What a plan is for."""

    chunks_per_document: float = 10
    cores: int = 64
    core_hour: float = 0.04
    gb_month: float = 0.10


def plan(rates: dict[str, Any], documents: int, chosen: Options) -> dict[str, float]:
    """Core-hours, hours, bytes and seconds for so many documents."""
    chunks = documents * chosen.chunks_per_document
    # A document of twice as many chunks as those that were measured takes twice as long to parse.
    like = chunks * rates["documents"] / rates["chunks"]
    apart = like * rates["parse_s"] + chunks * (rates["chunk_s"] + rates["embed_s"])
    store, index = chunks * rates["store_s"], chunks * rates["index_s"]
    dimensions = rates["dimensions"]
    return {
        "documents": documents,
        "chunks": chunks,
        "parse_h": like * rates["parse_s"] / HOUR,
        "embed_h": chunks * (rates["chunk_s"] + rates["embed_s"]) / HOUR,
        "store_h": store / HOUR,
        "index_h": index / HOUR,
        "core_h": (apart + store + index) / HOUR,
        # Documents are read side by side, and stored one transaction after another.
        "wall_h": max((apart + store) / chosen.cores, store) / HOUR,
        "most_cores": (apart + store) / store,
        "record_gb": chunks * rates["record_bytes"] / 1e9,
        "vector_gb": chunks * rates["vector_bytes"] / 1e9,
        "text_gb": chunks * rates["text_bytes"] / 1e9,
        "documents_gb": like * rates["megabytes"] / rates["documents"] / 1e3,
        "codes_gb": chunks * (dimensions + 8) / 1e9,
        "graph_gb": chunks * (2 * dimensions + LINKS_BYTES) / 1e9,
        "scan_s": chunks / rates["scan_rows_per_s"],
    }


def render(rates: dict[str, Any], chosen: Options) -> str:
    """The tables, as Markdown."""
    rows = [plan(rates, documents, chosen) for documents in SIZES]
    money = f"{chosen.core_hour:g} a core-hour, {chosen.gb_month:g} a GB-month"
    parts = [
        f"Of each document {chosen.chunks_per_document:g} chunks; {chosen.cores} cores; money at {money}.",
        _table(
            ("documents", "parse", "chunk, embed", "store", "index", "core-hours", "money",
             f"hours with {chosen.cores} cores", "more cores than this wait"),
            [(_count(row["documents"]), *(_hours(row[name]) for name in ("parse_h", "embed_h", "store_h", "index_h")),
              _hours(row["core_h"]), f"{row['core_h'] * chosen.core_hour:,.2f}", _hours(row["wall_h"]),
              f"{row['most_cores']:.0f}") for row in rows],
        ),
        _table(
            ("chunks", "documents read", "record", "vectors", "text index", "disk, money a month",
             "memory: exact", "memory: graph", "a core's seconds, exact"),
            [(_count(row["chunks"]), _gb(row["documents_gb"]), _gb(row["record_gb"]), _gb(row["vector_gb"]),
              _gb(row["text_gb"]),
              f"{(row['record_gb'] + row['vector_gb'] + row['text_gb']) * chosen.gb_month:,.2f}",
              _gb(row["codes_gb"]), _gb(row["graph_gb"]), f"{row['scan_s']:.3f}") for row in rows],
        ),
    ]  # fmt: skip
    return "\n\n".join(parts)


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _count(number: float) -> str:
    return f"{number:,.0f}"


def _hours(number: float) -> str:
    return f"{number:,.0f}" if number >= 10 else f"{number:.2g}"


def _gb(number: float) -> str:
    return f"{number:,.0f} GB" if number >= 10 else f"{number:.2g} GB"


def rates_in(file: Path) -> dict[str, Any]:
    """The rates in a file: one object, or the last line's."""
    found = json.loads(file.read_text(encoding="utf-8").strip().splitlines()[-1])
    return dict(found.get("rates", found))


def main() -> int:
    """Print or compare; the exit code."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("rates", type=Path, nargs="?", default=KEPT)
    parser.add_argument("--chunks-per-document", type=float, default=10)
    parser.add_argument("--cores", type=int, default=64)
    parser.add_argument("--core-hour", type=float, default=0.04)
    parser.add_argument("--gb-month", type=float, default=0.10)
    parser.add_argument("--check", action="store_true", help="compare with docs/scaling.md")
    parser.add_argument("--write", action="store_true", help="put the tables into docs/scaling.md")
    given = parser.parse_args()
    chosen = Options(given.chunks_per_document, given.cores, given.core_hour, given.gb_month)
    made = render(rates_in(given.rates), chosen)
    if not (given.check or given.write):
        print(made)
        return 0
    page = PAGE.read_text(encoding="utf-8")
    before, _, rest = page.partition(BEGIN)
    after = rest.partition(END)[2]
    wanted = f"{before}{BEGIN}\n\n{made}\n\n{END}{after}"
    if given.write:
        PAGE.write_text(wanted, encoding="utf-8")
    elif page != wanted:
        print("docs/scaling.md is out of date: python scripts/scaling.py --write", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
