"""The command line as a user meets it: two commands to an answer, pipes, JSON, and errors with their repair."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from acclimate.cli import doctor
from acclimate.cli.main import COMMANDS
from acclimate.cli.output import AnswerStream
from acclimate.system import hardware

from .commands import call

ROOT = Path(__file__).parents[2]
ACCLIMATE = [sys.executable, "-m", "acclimate"]
COMMAND_FILES = sorted(
    path
    for path in (Path(__file__).parents[2] / "src" / "acclimate" / "cli").glob("*.py")
    if path.stem != "__init__"
)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "docs").mkdir()
    (tmp_path / "nothing").mkdir()
    (tmp_path / "docs" / "museum.md").write_text(
        "# The museum\n\nIt opened in 1931. It was designed by Ada Holm.\n"
    )
    (tmp_path / "docs" / "prices.md").write_text(
        "# Prices\n\nA ticket costs 12 euros.\n\n# Hours\n\nOpen from 9 to 17.\n"
    )
    return tmp_path


def python(code):
    return subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    ).stdout.strip()


def test_two_commands_to_a_cited_answer(folder, capsys):
    code, out, _ = call(capsys, "ingest", "docs")
    assert (code, out.split(" in ")[0]) == (0, "2 documents")
    code, out, err = call(capsys, "ask", "Who designed the museum?")
    assert code == 0
    assert out.startswith("Ada Holm [")
    assert "museum.md, characters" in out
    assert "“It was designed by Ada Holm.”" in out
    assert "first token" in err


def test_json_is_one_object_with_exact_places(folder, capsys):
    call(capsys, "ingest", "docs")
    code, out, _ = call(capsys, "ask", "--json", "Who designed the museum?")
    answer = json.loads(out)
    (citation,) = answer["citations"]
    text = (folder / "docs" / citation["document"]).read_text()
    assert code == 0
    assert text[citation["start"] : citation["end"]] == citation["quote"]
    assert answer["usage"]["prompt_tokens"] == answer["prompt"]["tokens"]
    assert json.loads(call(capsys, "ingest", "--json")[1])["unchanged"] == 2
    for command in (
        ["doctor", "--json"],
        ["models", "list", "--json"],
        ["models", "verify", "--json"],
    ):
        code, out, _ = call(capsys, *command)
        assert code == 0
        assert json.loads(out)


def test_the_prompt_can_be_seen_and_a_recipe_chosen(folder, capsys):
    call(capsys, "ingest", "docs")
    _, _, err = call(
        capsys, "ask", "--show-prompt", "--recipe", "zero-shot", "Who designed the museum?"
    )
    assert "--- user\nQuestion: Who designed the museum?" in err
    assert "recipe zero-shot" in err


def test_questions_come_through_pipes(folder):
    subprocess.run([*ACCLIMATE, "ingest", "docs"], check=True, capture_output=True)
    question = "Who designed the museum?"
    done = subprocess.run(
        [*ACCLIMATE, "ask"], input=question, capture_output=True, text=True, check=True
    )
    assert done.stdout.startswith("Ada Holm [")
    chat = subprocess.run(
        [*ACCLIMATE, "chat"],
        input=f"{question}\nWhen did it open?\n\n",
        capture_output=True,
        text=True,
        check=True,
    )
    assert "Ada Holm [" in chat.stdout
    assert "1931 [" in chat.stdout
    assert "understood as: When did the museum open?" in chat.stderr
    with subprocess.Popen(
        [*ACCLIMATE, "ask", question], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as gone:
        gone.stdout.close()  # the reader of the pipe went away
        assert b"Traceback" not in gone.stderr.read()


@pytest.mark.parametrize(
    ("arguments", "code", "error", "repair"),
    [
        (["ask", "Who?"], 1, "is not a project", "acclimate ingest FOLDER"),
        (["ingest", "nowhere"], 1, "the folder nowhere does not exist", "acclimate ingest FOLDER"),
        (["ingest", "nothing"], 1, "there is no document in nothing", "acclimate ingest FOLDER"),
        (["models", "path", "smolm2"], 1, "not on this machine", "'smollm2-135m-instruct'"),
        (["models", "path", "a/b"], 1, "not on this machine", "acclimate models fetch a/b"),
        (["models", "fetch", "nonesuch"], 1, "no model 'nonesuch'", "smollm2-135m-instruct"),
        (["ask", "--recipe", "ragg", "Who?"], 2, "no recipe 'ragg'", "'rag'"),
        (["frobnicate"], 2, "No such command", ""),
        (["ask", " "], 2, "Give a question", ""),
    ],
)
def test_an_error_is_a_line_with_its_repair(folder, capsys, arguments, code, error, repair):
    got, out, err = call(capsys, *arguments)
    assert (got, out) == (code, "")
    assert error in err
    assert repair in err
    assert "Traceback" not in err


def test_an_unknown_key_is_named(folder, capsys):
    call(capsys, "init", "docs")
    (folder / "acclimate.toml").write_text("[retrieval]\nkk = 3\n")
    code, _, err = call(capsys, "ask", "Who?")
    assert code == 2
    assert "unknown key 'retrieval.kk'" in err
    assert "'retrieval.k'" in err


def test_asking_before_ingesting_names_the_command(folder, capsys):
    call(capsys, "init", "docs")
    code, _, err = call(capsys, "ask", "Who?")
    assert code == 1
    assert "repair: acclimate ingest" in err


def test_init_overwrites_nothing(folder, capsys):
    assert call(capsys, "init", "docs")[0] == 0
    before = (folder / "acclimate.toml").read_text()
    code, _, err = call(capsys, "init", "other")
    assert code == 1
    assert "exists already" in err
    assert (folder / "acclimate.toml").read_text() == before


def test_a_server_that_is_down_is_named(folder, capsys, monkeypatch):
    call(capsys, "ingest", "docs")
    for key, value in {
        "ENGINE": "openai",
        "BASE_URL": "http://127.0.0.1:9/v1",
        "TIMEOUT_S": "2",
    }.items():
        monkeypatch.setenv(f"ACCLIMATE_MODEL__{key}", value)
    code, _, err = call(capsys, "ask", "Who?")
    assert code == 1
    assert "127.0.0.1:9" in err
    assert "Start the server" in err


def test_an_unreadable_file_is_reported_and_the_rest_goes_on(folder, capsys):
    (folder / "docs" / "broken.pdf").write_bytes(b"%PDF-1.4 nothing")
    code, out, err = call(capsys, "ingest", "docs")
    assert code == 0
    assert "2 documents" in out
    assert "not read: broken.pdf" in err


def test_doctor_finds_and_repairs_damage(folder, capsys):
    call(capsys, "ingest", "docs")
    (rows,) = (folder / ".acclimate" / "indexes").glob("*/vector/*.rows")
    rows.write_bytes(bytes(rows.stat().st_size))
    code, out, _ = call(capsys, "doctor")
    assert code == 1
    assert "doctor --repair" in out
    assert call(capsys, "doctor", "--repair")[0] == 0


@pytest.mark.parametrize(
    ("flags", "limit", "state", "said"),
    [
        ("avx2 avx512f avx512_bf16", "", "ok", "computes bfloat16"),
        ("avx2 avx512f avx512_bf16", "AVX2", "warning", "ONEDNN_MAX_CPU_ISA"),
        ("avx2 avx512f avx512_vnni", "", "warning", "has no bfloat16"),
        ("avx2", "", "warning", "has no bfloat16"),
        ("asimd", "", "warning", "has no bfloat16"),
        ("sse4_2 avx", "", "failed", "has no AVX2"),
    ],
)
def test_doctor_tells_what_the_processor_computes(
    folder, capsys, monkeypatch, flags, limit, state, said
):
    for module in (hardware, doctor):
        monkeypatch.setattr(module, "cpu_flags", lambda: frozenset(flags.split()))
    monkeypatch.delenv("ATEN_CPU_CAPABILITY", raising=False)
    monkeypatch.setenv("ONEDNN_MAX_CPU_ISA", limit)
    (found,) = (
        one for one in json.loads(call(capsys, "doctor", "--json")[1]) if one["check"] == "cpu"
    )
    assert found["state"] == state
    assert said in found["detail"]


def test_help_names_every_command_and_imports_little():
    heavy = "[m for m in ('numpy', 'openvino', 'torch', 'pydantic', 'rich') if m in sys.modules]"
    out = python(f"import sys; from acclimate.cli.main import run; run(['--help']); print({heavy})")
    assert out.endswith("[]")
    assert all(f"\n  {name} " in out for name in COMMANDS)


def test_importing_the_package_is_light():
    heavy = (
        "[m for m in ('numpy', 'openvino', 'torch', 'transformers', 'click') if m in sys.modules]"
    )
    assert python(f"import sys, acclimate; print({heavy})") == "[]"


def test_asking_imports_no_pytorch(folder):
    subprocess.run([*ACCLIMATE, "ingest", "docs"], check=True, capture_output=True)
    heavy = "[m for m in ('torch', 'transformers', 'peft') if m in sys.modules]"
    out = python(
        f"import sys; from acclimate.cli.main import run; run(['ask', 'Who designed it?']); print({heavy})"
    )
    assert out.endswith("[]")


def test_the_cli_page_is_up_to_date():
    subprocess.run([sys.executable, "scripts/pages.py", "--check"], cwd=ROOT, check=True)


@pytest.mark.parametrize(
    ("pieces", "shown"),
    [
        (["Ada", " Holm", " [", "1", "]"], "Ada Holm"),
        (["a [x] b"], "a [x] b"),
        (["one [1], two [2, 3]."], "one, two."),
    ],
)
def test_marks_are_held_back_while_streaming(pieces, shown):
    written = []
    stream = AnswerStream(written.append)
    for piece in pieces:
        stream(piece)
    assert "".join(written) == shown


@pytest.mark.parametrize(
    "module", ["acclimate.project", *(f"acclimate.cli.{file.stem}" for file in COMMAND_FILES)]
)
def test_no_command_needs_an_extra_to_start(module):
    blocked = "import sys; sys.modules.update(dict.fromkeys(('torch', 'transformers', 'peft', 'sentence_transformers')))"
    code = f"{blocked}; import {module}"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    ("arguments", "part"),
    [
        (["lora", "--leave-out"], "go with --data"),
        (["lora", "--format", "chat"], "go with --data"),
        (["lora", "--data", "nowhere.jsonl"], "does not exist"),
        (["--inspect"], "Missing argument 'RECIPE'"),
    ],
)
def test_options_of_tune_that_do_not_fit_together_are_wrong_usage(folder, capsys, arguments, part):
    code, _, err = call(capsys, "tune", *arguments)
    assert code == 2
    assert part in err
