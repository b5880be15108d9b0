"""Consoles that are not UTF-8: every command ends without a traceback, and its output is in the console's encoding."""

import json
import os
import subprocess
import sys

import pytest

from acclimate.cli.console import repair

PLAIN = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0", "PYTHONIOENCODING": ""}
CONSOLES = {
    "ascii": {"PYTHONIOENCODING": "ascii"},
    "latin-1": {"PYTHONIOENCODING": "latin-1"},
    "cp1252": {"PYTHONIOENCODING": "cp1252"},
    "C": PLAIN,
}
ENCODINGS = {"C": "ascii"}
DOCUMENT = "# Fährpläne – “Ōsaka” 大阪\n\n"
DOCUMENT += "The ferry to 大阪 leaves at 9:40 from the “Ōsaka” pier. It was built by Žižek & Søn…\n"
QUESTION = "Who built the ferry to 大阪 – “Ōsaka”?"


def call(console, *arguments, stdin=b"", folder):
    """Its exit code, and what it printed, which must be of the console's encoding."""
    environment = {
        name: value for name, value in os.environ.items() if not name.startswith("PYTHONIO")
    }
    environment |= {name: value for name, value in CONSOLES[console].items() if value}
    done = subprocess.run(
        [sys.executable, "-m", "acclimate", *arguments],
        input=stdin,
        capture_output=True,
        cwd=folder,
        env=environment,
        check=False,
        timeout=300,
    )
    encoding = ENCODINGS.get(console, console)
    out, err = done.stdout.decode(encoding), done.stderr.decode(encoding)
    assert "Traceback" not in err
    assert "Logging error" not in err
    return done.returncode, out, err


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("console")
    (folder / "docs").mkdir()
    (folder / "docs" / "ferry.md").write_text(DOCUMENT, encoding="utf-8")
    assert call("ascii", "ingest", "docs", folder=folder)[0] == 0
    added = [
        QUESTION,
        "--answer",
        "Žižek & Søn",
        "--document",
        "ferry.md",
        "--evidence",
        "Žižek & Søn",
    ]
    assert call("C", "questions", "add", *added, folder=folder)[0] == 0
    return folder


@pytest.mark.parametrize("console", CONSOLES)
def test_answers_are_shown_as_far_as_the_console_can(folder, console):
    code, out, err = call(console, "ask", QUESTION, folder=folder)
    assert (code, "9:40" in out or "k & S" in out) == (0, True)
    assert "ferry.md, characters" in out
    code, out, err = call(
        console, "ask", "--json", "--show-prompt", stdin=QUESTION.encode(), folder=folder
    )
    assert code == 0
    assert "大阪" in json.loads(out)["prompt"]["messages"][-1]["content"]  # nothing is lost in JSON
    assert "--- user" in err


def test_places_and_quotes_stay_readable_in_ascii(folder):
    _, out, _ = call("ascii", "ask", QUESTION, folder=folder)
    place = next(line for line in out.splitlines() if line.startswith("[1]"))
    start, _, end = place.partition("characters ")[2].partition(" ")[0].partition("-")
    assert 0 <= int(start) < int(end) <= len(DOCUMENT)


def test_chat_reads_what_is_piped_in_any_encoding(folder):
    for console, encoding in (("C", "utf-8"), ("latin-1", "latin-1"), ("ascii", "latin-1")):
        asked = "Who built the fährt?\nAnd when does it leave?\n\n".encode(encoding)
        code, out, _ = call(console, "chat", stdin=asked, folder=folder)
        assert (code, out.count("ferry.md, characters") > 0) == (0, True)


@pytest.mark.parametrize(
    "arguments",
    [
        ["doctor"],
        ["doctor", "--json"],
        ["questions", "show"],
        ["questions", "show", "--json"],
        ["questions", "split"],
        ["models", "list"],
        ["tune", "--methods"],
        ["keys", "add", "Žižek 大阪"],
        ["keys", "list"],
        ["compare", "zero-shot", "--split", "", "--limit", "1"],
        ["compare", "zero-shot", "--split", "", "--limit", "1", "--json"],
        ["ask", "--recipe", "大阪", "x"],
        ["ask", "--where", "大阪=Ō", "x"],
        ["models", "path", "大阪"],
        ["init", "大阪"],
        ["大阪"],
        ["--help"],
    ],
    ids=" ".join,
)
def test_every_command_ends_with_its_own_words(folder, arguments):
    code, out, err = call("C", *arguments, folder=folder)
    assert code in (0, 1, 2)
    assert out or err
    if "--json" in arguments:
        json.loads(out)


def test_names_of_files_are_utf8_in_every_locale(tmp_path):
    (tmp_path / "大阪").mkdir()
    (tmp_path / "大阪" / "fähre.md").write_text(DOCUMENT, encoding="utf-8")
    assert call("C", "init", "大阪", folder=tmp_path)[0] == 0
    assert 'path = "大阪"' in (tmp_path / "acclimate.toml").read_text(encoding="utf-8")
    code, out, _ = call("C", "ingest", "--json", folder=tmp_path)
    assert (code, json.loads(out)["added"]) == (0, 1)
    code, out, _ = call("C", "ask", "--json", QUESTION, folder=tmp_path)
    assert (code, {one["document"] for one in json.loads(out)["citations"]}) == (0, {"fähre.md"})
    code, out, _ = call("latin-1", "ingest", "--json", folder=tmp_path)
    assert (code, json.loads(out)["unchanged"]) == (0, 1)


def test_a_folder_that_the_settings_cannot_name_is_refused(tmp_path):
    (tmp_path / os.fsdecode(b"f\xe4hre")).mkdir()
    done = subprocess.run(
        [sys.executable, "-m", "acclimate", "init", b"f\xe4hre"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, "is not UTF-8" in done.stderr, "Traceback" in done.stderr) == (
        1,
        True,
        False,
    )
    assert not (tmp_path / "acclimate.toml").exists()


def test_the_question_that_was_typed_is_the_one_that_is_kept(folder):
    (row,) = map(json.loads, (folder / "questions.jsonl").read_text(encoding="utf-8").splitlines())
    assert (row["question"], row["answers"]) == (QUESTION, ["Žižek & Søn"])


def test_review_shows_and_keeps_what_the_console_cannot_show(folder):
    code, out, _ = call("C", "questions", "review", "--all", stdin=b"a\n", folder=folder)
    assert (code, "k & S" in out) == (0, True)
    (row,) = map(json.loads, (folder / "questions.jsonl").read_text(encoding="utf-8").splitlines())
    assert (row["question"], row["status"]) == (QUESTION, "accepted")


def test_bytes_that_are_no_text_are_replaced_in_a_question():
    assert (
        repair(os.fsdecode("Wieviel wiegt die Fähre?".encode("latin-1")))
        == "Wieviel wiegt die F\N{REPLACEMENT CHARACTER}hre?"
    )
    assert repair("Fähre 大阪") == "Fähre 大阪"


def test_a_question_whose_bytes_are_no_text_is_answered(folder):
    done = subprocess.run(
        [sys.executable, "-m", "acclimate", "ask", b"Who built the f\xe4hre \xff ferry?"],
        cwd=folder,
        capture_output=True,
        check=False,
    )
    assert (done.returncode, b"Traceback" in done.stderr) == (0, False)


def test_a_closed_output_is_no_fault(folder):
    closed = f"exec '{sys.executable}' -m acclimate doctor >&-"
    done = subprocess.run(
        ["sh", "-c", closed], cwd=folder, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
