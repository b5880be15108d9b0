"""The parsers' contract on our own readers, and how files are shared with an engine that another interpreter runs."""

import sys
import venv
from dataclasses import replace

import pytest

from acclimate.documents.engines import ENGINES, require_engine
from acclimate.documents.parsers import PARSERS, parse
from acclimate.documents.sandbox import EngineSandbox, Limits
from acclimate.errors import AcclimateError, DocumentError
from acclimate.testing.documents import SAMPLES, check_document, check_parser


@pytest.mark.parametrize("kind", SAMPLES)
def test_our_own_readers_keep_the_contract(kind, tmp_path):
    check_parser(parse, tmp_path, [kind])


@pytest.mark.parametrize(
    ("kind", "change", "rule"),
    [
        ("md", lambda document: {"elements": document.elements[::-1]}, "without overlap"),
        ("pdf", lambda document: {"page_starts": (0, 0)}, "on the page where it begins"),
        (
            "html",
            lambda document: {"text": document.text.replace("AX-3", "AX\x003")},
            "control characters",
        ),
        ("csv", lambda document: {"elements": ()}, "rows of cells"),
        ("docx", lambda document: {"path": "other"}, "path that was given"),
    ],
)
def test_the_contract_notices_what_is_wrong(kind, change, rule, tmp_path):
    def wrong(file, path):
        document = parse(file, path)
        return replace(document, **change(document))

    with pytest.raises(AssertionError, match=rule):
        check_parser(wrong, tmp_path, [kind])


def test_every_format_of_an_engine_is_one_that_is_detected():
    for engine in ENGINES.values():
        assert engine.formats <= PARSERS.keys()


@pytest.mark.parametrize("name", ["docling", "dedoc"])
def test_a_missing_engine_says_what_installs_it(name):
    with pytest.raises(AcclimateError) as caught:
        require_engine(name)
    assert f"engine = '{name}'" in str(caught.value)
    assert {"docling": "acclimate[docling]", "dedoc": "pip install dedoc"}[
        name
    ] in caught.value.hint


def test_an_engine_that_another_interpreter_has_not_costs_its_formats_only(tmp_path):
    """The other interpreter really runs, with our sources and none of our packages."""
    venv.create(tmp_path / "other", with_pip=False, symlinks=True)
    (site,) = (tmp_path / "other").glob("lib/python3*/site-packages")
    source = next(path for path in sys.modules["acclimate"].__path__)
    (site / "acclimate").symlink_to(source)
    sandbox = EngineSandbox(
        Limits(seconds=60), 1, "docling", str(tmp_path / "other" / "bin" / "python")
    )
    try:
        for kind in ("md", "csv"):
            SAMPLES[kind](tmp_path / f"a.{kind}")
        (tmp_path / "a.json").write_text('{"name": "Ada"}')
        document = sandbox(
            tmp_path / "a.json", "a.json"
        )  # docling does not read JSON: our own reader does
        check_document(document, "a.json")
        assert document.text == "name: Ada"
        with pytest.raises(DocumentError, match=r"a\.md needs a package .*docling"):
            sandbox(tmp_path / "a.md", "a.md")
    finally:
        sandbox.close()
