"""Documents of other programs' stores become files that are ingested with their metadata."""

import json

from acclimate.cli.main import run
from acclimate.indexes.filters import Filter
from acclimate.project import Project
from acclimate.settings import make_settings
from acclimate.testing.embeddings import HashEmbedder

ROWS = [
    {
        "page_content": "The boiler weighs 84 kg.",
        "metadata": {"source": "x/boiler.md", "team": "heat"},
    },
    {"page_content": "--- is a rule.\n\n# A heading", "metadata": {"source": "y/boiler.md"}},
]


def test_a_store_is_written_once_and_its_metadata_filters(tmp_path, capsys):
    (tmp_path / "documents").mkdir()
    (tmp_path / "acclimate.toml").write_text('[documents]\npath = "documents"\nworkers = 1\n')
    store = tmp_path / "team store.json"
    store.write_text(json.dumps(ROWS), encoding="utf-8")
    command = ["library", "import", str(store), "--project", str(tmp_path)]
    assert run(command) == 0
    assert capsys.readouterr().out == "2 documents written.\n"
    assert run(command) == 0
    assert capsys.readouterr().out == "0 documents written. 2 were there already.\n"
    settings = make_settings({"documents": {"path": "documents", "workers": 1}}, "test")
    with Project(tmp_path, settings, embedder=HashEmbedder()) as project:
        assert project.ingest().documents == 2
        (hit,) = project.retrieve("What does the boiler weigh?", where=Filter.parse(["team=heat"]))
        assert (hit.chunk.document, hit.chunk.text) == (
            "team-store/boiler.md",
            "The boiler weighs 84 kg.",
        )
        (other,) = [name for name in project.library.record.files() if name != hit.chunk.document]
        assert project.library.record.document(other).text.startswith("--- is a rule.")
