"""Parses the files named on standard input with the library named, one JSON object a line; all by their defaults."""

import json
import resource
import sys
import time
import warnings
from importlib.metadata import version

warnings.filterwarnings("ignore")


def markdown(table):
    """Rows of a table as Markdown."""
    return "\n".join(
        "| " + " | ".join((cell or "").replace("\n", " ") for cell in row) + " |" for row in table
    )


def markitdown():
    from markitdown import MarkItDown

    converter = MarkItDown(enable_plugins=False)
    return lambda file: converter.convert_local(file).text_content


def docling():
    from docling.document_converter import DocumentConverter

    converter = DocumentConverter()
    return lambda file: converter.convert(file).document.export_to_markdown()


def kreuzberg():
    from kreuzberg import ExtractionConfig, extract_file_sync

    config = ExtractionConfig(output_format="markdown", use_cache=False)
    return lambda file: extract_file_sync(file, config=config).content


def pdfplumber():
    import pdfplumber as library

    def parse(file):
        with library.open(file) as pdf:
            return "\n\n".join(
                "\n\n".join([page.extract_text(), *map(markdown, page.extract_tables())])
                for page in pdf.pages
            )

    return parse


def pypdf():
    from pypdf import PdfReader

    return lambda file: "\n\n".join(page.extract_text() for page in PdfReader(file).pages)


name = sys.argv[1]
parse = {each.__name__: each for each in (markitdown, docling, kreuzberg, pdfplumber, pypdf)}[
    name
]()
for line in sys.stdin.read().splitlines():
    started = time.perf_counter()
    try:
        text = parse(line)
    except Exception as error:
        text = None
        print(f"{line}: {error}"[:200], file=sys.stderr)
    print(json.dumps({"file": line, "text": text, "seconds": time.perf_counter() - started}))
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
print(json.dumps({"peak_mb": peak, "version": version(name)}))
