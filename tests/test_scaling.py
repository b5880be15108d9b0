"""Plans for large libraries: what is measured, what is calculated from it, and the page that shows it."""

import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest

from acclimate.errors import ProjectError
from acclimate.project import Project
from acclimate.settings import make_settings
from acclimate.testing.embeddings import HashEmbedder
from acclimate.workflows.rates import measure_rates

ROOT = Path(__file__).parents[1]
RATES = {
    "documents": 2,
    "megabytes": 1.0,
    "chunks": 20,
    "dimensions": 100,
    "parse_s": 0.36,
    "chunk_s": 0.006,
    "embed_s": 0.03,
    "store_s": 0.012,
    "index_s": 0.001,
    "record_bytes": 5000,
    "vector_bytes": 400,
    "text_bytes": 600,
    "scan_rows_per_s": 1e6,
}


@pytest.fixture(scope="module")
def scaling():
    spec = importlib.util.spec_from_file_location("scaling", ROOT / "scripts" / "scaling.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules["scaling"] = module
    spec.loader.exec_module(module)
    yield module
    del sys.modules["scaling"]


def test_a_plan_is_the_rates_times_the_documents(scaling):
    made = scaling.plan(RATES, 10_000, scaling.Options(chunks_per_document=10, cores=4))
    expected = {"parse_h": 1.0, "embed_h": 1.0, "store_h": 1 / 3, "index_h": 1 / 36}
    expected |= {"core_h": 2 + 1 / 3 + 1 / 36, "wall_h": 7 / 12, "most_cores": 7.0}
    expected |= {"record_gb": 0.5, "vector_gb": 0.04, "text_gb": 0.06, "documents_gb": 5.0}
    expected |= {"codes_gb": 0.0108, "graph_gb": 0.05, "scan_s": 0.1, "chunks": 100_000}
    assert {name: made[name] for name in expected} == pytest.approx(expected)
    long = scaling.plan(RATES, 5_000, scaling.Options(chunks_per_document=20, cores=4))
    assert long["parse_h"] == pytest.approx(1.0), "longer documents take longer"
    crowded = scaling.plan(RATES, 10_000, scaling.Options(chunks_per_document=10, cores=70))
    assert crowded["wall_h"] == pytest.approx(crowded["store_h"]), "the one writer is the limit"


def test_the_page_shows_what_the_script_makes(scaling):
    done = subprocess.run(
        [sys.executable, ROOT / "scripts" / "scaling.py", "--check"], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr


def test_rates_are_measured_on_the_projects_documents(tmp_path, scaling):
    (tmp_path / "documents").mkdir()
    for number in range(3):
        text = "\n\n".join(f"Pump {number} has part {part}, of {part} kg." for part in range(60))
        (tmp_path / "documents" / f"{number}.md").write_text(f"# Pump {number}\n\n{text}\n")
    (tmp_path / "documents" / "broken.pdf").write_bytes(b"%PDF-1.4 and no more")
    with Project(tmp_path, make_settings({}, "test")) as project:
        project.__dict__["embedder"] = HashEmbedder()
        found = measure_rates(project)
        assert not project.ingested, "nothing is left in the project"
    assert (found.documents, found.dimensions) == (3, HashEmbedder().dimensions)
    size = sum(file.stat().st_size for file in (tmp_path / "documents").glob("*.md"))
    assert found.megabytes == pytest.approx(size / 1e6)
    assert found.chunks >= 9
    assert found.vector_bytes == pytest.approx(4 * found.dimensions + 8, rel=0.3)
    for name in ("chunk_s", "embed_s", "store_s", "index_s", "retrieve_s", "scan_rows_per_s"):
        assert getattr(found, name) > 0, name
    assert scaling.plan(vars_of(found), 1000, scaling.Options())["core_h"] > 0


def test_more_chunks_than_are_needed_are_left_out_with_their_documents(tmp_path, monkeypatch):
    (tmp_path / "documents").mkdir()
    for number in range(4):
        (tmp_path / "documents" / f"{number}.md").write_text(f"# Pump {number}\n\nIt turns.\n")
    monkeypatch.setattr("acclimate.workflows.rates._MOST_CHUNKS", 2)
    with Project(tmp_path, make_settings({}, "test")) as project:
        project.__dict__["embedder"] = HashEmbedder()
        found = measure_rates(project)
    assert (found.documents, found.chunks) == (2, 2)
    assert found.megabytes == pytest.approx(2 * 20 / 1e6)


def vars_of(rates):
    return {name: getattr(rates, name) for name in rates.__slots__}


def test_without_a_document_there_is_nothing_to_measure(tmp_path):
    (tmp_path / "documents").mkdir()
    with Project(tmp_path, make_settings({}, "test")) as project:
        project.__dict__["embedder"] = HashEmbedder()
        with pytest.raises(ProjectError, match="no document in"):
            measure_rates(project)
