"""From mails in a folder to passages: what a reply says stands before what it quotes."""

from acclimate.project import Project
from acclimate.settings import load_settings
from acclimate.testing.embeddings import HashEmbedder

ORIGINAL = """From: Bo <bo@example.org>
Date: Mon, 4 May 2026 10:12:00 +0200
Subject: Price of the Tern 6

please note that the Tern 6 costs 1,200 euro, and that shipping is free.
"""
REPLY = """From: Ada <ada@example.org>
Date: Tue, 5 May 2026 09:00:00 +0200
Subject: Re: Price of the Tern 6

The Tern 6 costs 1,350 euro now.

On Mon, May 4, 2026 at 10:12 AM Bo <bo@example.org> wrote:
> please note that the Tern 6 costs 1,200 euro, and that shipping is free.
>
> The Tern 4 is sold out.
"""


def opened(tmp_path, **mails):
    docs = tmp_path / "docs"
    docs.mkdir()
    for name, text in mails.items():
        (docs / f"{name}.eml").write_text(text)
    (docs / "other.md").write_text("The Alba costs 900 euro.\n")
    made = Project.create(tmp_path, docs)
    made.file.write_text(made.file.read_text().replace('# method = "hybrid"', 'method = "text"'))
    project = Project(tmp_path, load_settings(made.file))
    project.__dict__["embedder"] = HashEmbedder()
    project.ingest()
    return project


def test_a_changed_price_stands_first_and_the_old_one_is_not_shown(tmp_path):
    with opened(tmp_path, reply=REPLY) as project:
        shown = [hit.chunk.text for hit in project.retrieve("What does the Tern 6 cost?", 4)]
        assert shown[0].endswith("The Tern 6 costs 1,350 euro now.")
        assert not any("1,200" in text for text in shown)


def test_what_only_the_quotation_says_is_found_with_its_author_and_date(tmp_path):
    with opened(tmp_path, reply=REPLY) as project:
        hits = project.retrieve("Is the Tern 4 sold out?", 4)
        quoted = next(hit.chunk for hit in hits if "sold out" in hit.chunk.text)
        assert quoted.text.startswith("Quoted from Bo, 2026-05-04 10:12\n")


def test_the_mail_that_was_answered_is_older_too(tmp_path):
    with opened(tmp_path, reply=REPLY, original=ORIGINAL) as project:
        shown = [hit.chunk.text for hit in project.retrieve("What does the Tern 6 cost?", 4)]
        assert shown[0].endswith("The Tern 6 costs 1,350 euro now.")
        assert not any("1,200" in text for text in shown)
        free = [
            hit.chunk.document for hit in project.retrieve("Is shipping of the Tern 6 free?", 4)
        ]
        assert "original.eml" in free
