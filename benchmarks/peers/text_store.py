"""Run in .venv-peers: the same texts in another full-text index. Arguments: store, count, folder.

The folder holds texts.txt (a chunk a line), questions.txt (the first three warm up), and best.json: for each question
the keys of Acclimate's best ten, to see how far the two agree.
"""

import json
import sqlite3
import sys
from importlib.metadata import version
from pathlib import Path

from measuring import measure

TOP = 10
store, count, folder = sys.argv[1], int(sys.argv[2]), Path(sys.argv[3])
questions = (folder / "questions.txt").read_text(encoding="utf-8").splitlines()
best = json.loads((folder / "best.json").read_text())


def texts():
    with (folder / "texts.txt").open(encoding="utf-8") as lines:
        for key, line in zip(range(1, count + 1), lines, strict=False):
            yield key, line.rstrip("\n")


def fts5():
    """SQLite's own index, with Porter's endings; any of a question's words."""
    (folder / "fts5.db").unlink(missing_ok=True)
    database = sqlite3.connect(folder / "fts5.db")
    database.execute("PRAGMA journal_mode = OFF")
    # Without content: the text itself is kept elsewhere, as in ours.
    database.execute(
        "CREATE VIRTUAL TABLE t USING fts5(text, content='', tokenize='porter unicode61')"
    )
    database.executemany("INSERT INTO t (rowid, text) VALUES (?, ?)", texts())
    database.commit()
    database.close()
    sql = f"SELECT rowid FROM t WHERE t MATCH ? ORDER BY rank LIMIT {TOP}"  # noqa: S608

    def opened():
        found = sqlite3.connect(folder / "fts5.db")

        def search(question):
            words = " OR ".join(f'"{word}"' for word in question.replace('"', " ").split())
            return [row[0] for row in found.execute(sql, (words,))]

        return search

    return opened, None


def bm25s():
    """Scores computed when it is built; stop words and endings as it proposes."""
    import bm25s as library
    import Stemmer

    stemmer = Stemmer.Stemmer("english")
    tokens = library.tokenize(
        [text for _, text in texts()], stopwords="en", stemmer=stemmer, show_progress=False
    )
    made = library.BM25()
    made.index(tokens, show_progress=False)
    made.save(folder / "bm25s")

    def opened():
        index = library.BM25.load(folder / "bm25s", mmap=True)

        def search(question):
            asked = library.tokenize(
                [question], stopwords="en", stemmer=stemmer, show_progress=False
            )
            found, _ = index.retrieve(asked, k=TOP, show_progress=False)
            return (found[0] + 1).tolist()

        return search

    return opened, "bm25s"


found, package, figures = measure({"fts5": fts5, "bm25s": bm25s}[store], questions, "bm25")
shared = [len(set(theirs) & set(ours)) / TOP for theirs, ours in zip(found, best, strict=True)]
files = [
    file for file in folder.rglob("*") if file.is_file() and file.suffix not in (".txt", ".json")
]
files += (folder / "bm25s").rglob("*.json")
print(
    json.dumps(
        {
            "chunks": count,
            **figures,
            "shared": round(sum(shared) / len(shared), 2),
            "disk_mb": round(sum(file.stat().st_size for file in files) / 1e6),
            "version": version(package) if package else sqlite3.sqlite_version,
        }
    )
)
