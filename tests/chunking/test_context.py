"""Contexts are searched by, are not shown, and go with their chunk."""

import sqlite3

from acclimate.chunking.chunkers import Cut, make_chunker
from acclimate.documents.parsers import parse
from acclimate.indexes.library import Library
from acclimate.indexes.schema import UPGRADES
from acclimate.ingest import ingest
from acclimate.project import Project
from acclimate.prompting.passages import render_passages
from acclimate.prompting.templates import load_template
from acclimate.settings import load_settings
from acclimate.testing.chunking import no_embedder, word_spans
from acclimate.testing.embeddings import HashEmbedder
from acclimate.testing.models import ScriptedEngine
from acclimate.workspace.parsing import with_contexts

TEXT = (
    "# Plan\n\n"
    + "One two three four five six. " * 4
    + "\n\n## Later\n\n"
    + "Seven eight nine ten. " * 6
    + "\n"
)


def test_each_chunk_of_several_gets_one_and_the_writer_is_in_the_fingerprint(tmp_path):
    asked = []

    def write(messages, max_tokens):
        asked.append(messages[-1].content)
        return f"It is\nnumber {len(asked)}." + " more" * 100

    plain, template = (
        make_chunker("structure", word_spans, no_embedder, Cut(20)),
        load_template("context"),
    )
    made = with_contexts(plain, template, "m", write)
    (tmp_path / "a.md").write_text(f"# The plan\n\n{TEXT}")
    document = parse(tmp_path / "a.md", "a.md")
    chunks = made.split(document)
    assert [chunk.text for chunk in chunks] == [chunk.text for chunk in plain.split(document)]
    assert len(asked) == len(chunks) > 1
    assert all(
        "The plan" in prompt and chunk.text in prompt
        for prompt, chunk in zip(asked, chunks, strict=True)
    )
    assert chunks[1].context.startswith("It is number 2. more")
    assert all(len(chunk.context) <= 300 for chunk in chunks)
    other = with_contexts(plain, template, "other", write)
    assert len({plain.fingerprint, made.fingerprint, other.fingerprint}) == 3
    (tmp_path / "b.md").write_text("One chunk.")
    assert [chunk.context for chunk in made.split(parse(tmp_path / "b.md", "b.md"))] == [""]


def test_a_project_finds_by_contexts_and_does_not_show_them(tmp_path):
    docs = tmp_path / "docs"
    docs.mkdir()
    (docs / "a.md").write_text(TEXT)
    made = Project.create(tmp_path, docs)
    text = made.file.read_text().replace('# context = "headings"', 'context = "model"')
    made.file.write_text(
        text.replace("# max_tokens = 200 ", "max_tokens = 20 ").replace(
            '# method = "hybrid"', 'method = "text"'
        )
    )
    with Project(tmp_path, load_settings(made.file)) as project:
        project.__dict__["embedder"] = HashEmbedder()
        said = ScriptedEngine(
            lambda messages: (
                "About zebras." if "Seven eight" in messages[-1].content[-200:] else "About ants."
            )
        )
        project._engines[None] = said
        project.ingest()
        hits = project.retrieve("zebras", 3)
        assert hits
        assert all(hit.chunk.context == "About zebras." for hit in hits)
        assert "zebras" not in render_passages([hit.chunk for hit in hits])
        calls = len(said.prompts)
        project.ingest()
        assert len(said.prompts) == calls, "what is unchanged is not asked about again"


def test_a_record_without_contexts_and_windows_is_brought_up_to_date(tmp_path):
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "a.md").write_text(TEXT)
    chunker = make_chunker("structure", word_spans, no_embedder, Cut(20))
    library = Library(tmp_path / "lib")
    ingest(tmp_path / "docs", library, parse, chunker, HashEmbedder())
    before = library.fetch(library.record.keys())
    assert len(before) > 1
    library.close()
    with sqlite3.connect(tmp_path / "lib" / "library.db") as database:
        database.execute("ALTER TABLE chunks DROP COLUMN context")
        database.execute("DROP INDEX long_chunks")
        database.execute("ALTER TABLE vectors DROP COLUMN windows")
        database.execute("DROP INDEX chunks_by_same")
        database.execute("ALTER TABLE chunks DROP COLUMN same")
        database.execute("ALTER TABLE documents DROP COLUMN sketch")
        database.execute("PRAGMA user_version = 2")
    database.close()
    assert {2, 3, 4} <= UPGRADES.keys()
    library = Library(tmp_path / "lib")
    assert library.fetch(library.record.keys()) == before
    assert library.check() == []
    library.close()
