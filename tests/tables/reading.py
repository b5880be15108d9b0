"""Asking one table."""

from acclimate.documents.delimited import DelimitedParser
from acclimate.documents.markdown import MarkdownParser
from acclimate.tables.reader import TableReader
from acclimate.types import Chunk, Hit


def read(text, question, folder):
    """The answer to a question about a file with this text, as the reader of tables gives it."""
    file = folder / ("table.csv" if ";" in text else "table.md")
    file.write_text(text, encoding="utf-8")
    parser = DelimitedParser() if ";" in text else MarkdownParser()
    document = parser.parse(file, file.name)
    chunk = Chunk("c", file.name, 0, len(document.text), document.text, document.title)
    return TableReader(lambda path: document).read(question, [Hit(chunk, 1.0, 1)])
