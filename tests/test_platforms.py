"""macOS and Windows, simulated: what they lack is taken from every process before ours begins."""

import ast
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from acclimate.documents.sandbox import Limits, Sandbox
from acclimate.errors import DocumentError
from acclimate.serving.listening import Listening
from acclimate.system import ending, platforms

SOURCE = Path(__file__).parents[1] / "src" / "acclimate"

# Python reads `sitecustomize` at its start, so processes that ours start are without them too.
# Other packages keep theirs: they have been ported, and here they run as on Linux.
WITHOUT = """
import builtins, os, select, signal, subprocess, sys

_import = builtins.__import__
_missing = {modules!r}

def _refuse(name, globals=None, *rest, **named):
    if name in _missing and str((globals or {{}}).get("__name__", "")).startswith(("acclimate", "importlib")):
        raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)
    return _import(name, globals, *rest, **named)

builtins.__import__ = _refuse
import importlib
_import_module = importlib.import_module

def _refuse_module(name, package=None):
    if name in _missing:
        raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)
    return _import_module(name, package)

importlib.import_module = _refuse_module
for module, names in {attributes!r}.items():
    for name in names:
        if hasattr(sys.modules[module], name):
            delattr(sys.modules[module], name)
{more}
"""
WINDOWS = WITHOUT.format(
    modules=("fcntl", "resource", "pwd", "grp", "termios", "pty", "tty", "readline"),
    attributes={
        "os": (
            "killpg",
            "setsid",
            "fork",
            "getuid",
            "sched_getaffinity",
            "sysconf",
            "getloadavg",
            "O_DIRECTORY",
        ),
        "signal": ("SIGHUP", "alarm", "pthread_sigmask", "setitimer", "SIG_BLOCK", "SIG_UNBLOCK"),
    },
    more="""
_select, _start = select.select, subprocess.Popen.__init__

def _sockets_only(read, write, error, *rest):
    assert not any(isinstance(one, int) for one in (*read, *write)), "Windows waits for no pipe"
    return _select(read, write, error, *rest)

def _portable(self, *given, process_group=None, preexec_fn=None, start_new_session=False, **options):
    assert not (process_group or preexec_fn or start_new_session), "Windows has no such option"
    _start(self, *given, **options)

select.select, subprocess.Popen.__init__ = _sockets_only, _portable
""",
)
MACOS = WITHOUT.format(
    modules=(),
    attributes={"os": ("sched_getaffinity",)},
    more="""
import resource
_set = resource.setrlimit

def _refused(kind, limits):
    if kind == resource.RLIMIT_AS:
        raise ValueError("current limit exceeds maximum limit")
    _set(kind, limits)

resource.setrlimit = _refused
""",
)
SYSTEMS = {"windows": WINDOWS, "macos": MACOS}


@pytest.fixture(params=SYSTEMS)
def system(request, tmp_path, monkeypatch):
    """The name of a system; every Python that is started is as if on it."""
    folder = tmp_path / "system"
    folder.mkdir()
    (folder / "sitecustomize.py").write_text(SYSTEMS[request.param], encoding="utf-8")
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(folder), str(SOURCE.parent)]))
    return request.param


def run(code, **options):
    """What a new process prints for `code`."""
    options = {"capture_output": True, "encoding": "utf-8", "check": False} | options
    done = subprocess.run([sys.executable, "-c", code], **options)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_every_module_of_the_core_imports(system):
    """Those of extras need packages that may not be here; they are ours in the same style."""
    modules = [
        ".".join(file.relative_to(SOURCE.parent).with_suffix("").parts)
        for folder in (
            "cli",
            "documents",
            "workspace",
            "workflows",
            "indexes",
            "questions",
            "evaluation",
        )
        for file in sorted((SOURCE / folder).glob("*.py"))
    ]
    code = f"""
import importlib, sys
for name in {modules!r}:
    try:
        importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name.partition(".")[0] == "acclimate" or error.name in ("fcntl", "resource", "pwd"):
            raise
print("all")
"""
    assert run(code) == "all"


def test_the_command_line_works(system):
    done = subprocess.run(
        [sys.executable, "-m", "acclimate", "--help"],
        capture_output=True,
        encoding="utf-8",
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "ingest" in done.stdout


def test_a_file_is_parsed_in_the_sandbox(system, tmp_path):
    (tmp_path / "note.md").write_text(
        "# Pumps\n\nThe tank holds 300 litres – à peu près.\n", encoding="utf-8"
    )
    code = f"""
from pathlib import Path
from acclimate.documents.sandbox import Sandbox
sandbox = Sandbox(workers=1)
print(ascii(sandbox(Path({str(tmp_path / "note.md")!r}), "note.md").text))
sandbox.close()
"""
    assert ast.literal_eval(run(code)) == "# Pumps\n\nThe tank holds 300 litres – à peu près.\n"


# What a hostile file would make its parser do; the worker's `parse` is put in the place of ours.
HOSTILE = """
import sys
from acclimate.documents import parsers, worker
import socket, subprocess, os, tempfile, shutil, pathlib

def parse(file, path, *rest):
    {attack}

worker.parse = parse
sys.argv = ["worker", str(1 << 32), str(1 << 30), ""]
worker.main()
"""
ATTACKS = {
    "socket": "socket.socket()",
    "program": "subprocess.Popen([sys.executable, '-c', ''])",
    "write": "open({outside!r}, 'w')",
    "remove": "os.remove({outside!r})",
    "rename": "os.rename({outside!r}, tempfile.mkdtemp() + '/x')",
}


@pytest.mark.parametrize("attack", ATTACKS)
def test_a_hostile_parser_is_held(system, attack, tmp_path):
    outside = tmp_path / "mine.txt"
    outside.write_text("kept", encoding="utf-8")
    own = tmp_path / "own"
    own.mkdir()
    code = HOSTILE.format(attack=ATTACKS[attack].format(outside=str(outside)))
    asked = f'{{"file": {str(outside)!r}, "path": "x", "seconds": 60, "pictures": false, "hidden": "skip"}}\n'
    done = subprocess.run(
        [sys.executable, "-c", code],
        input=asked.replace("'", '"'),
        env=os.environ | {"TMPDIR": str(own)},
        capture_output=True,
        encoding="utf-8",
        check=False,
    )
    assert "PermissionError: parsing may not" in done.stderr
    assert done.returncode != 0
    assert outside.read_text(encoding="utf-8") == "kept"


def test_its_own_folder_may_be_written_and_cleared(system, tmp_path):
    """Clearing a folder names files relative to an open folder where the system can."""
    attack = "d = tempfile.mkdtemp(); pathlib.Path(d, 'a').write_text('1'); shutil.rmtree(d); os._exit(7)"
    asked = '{"file": "x", "path": "x", "seconds": 60, "pictures": false, "hidden": "skip"}\n'
    done = subprocess.run(
        [sys.executable, "-c", HOSTILE.format(attack=attack)],
        input=asked,
        env=os.environ | {"TMPDIR": str(tmp_path)},
        capture_output=True,
        encoding="utf-8",
        check=False,
    )
    assert (done.returncode, done.stderr) == (7, "")


def test_a_file_that_takes_too_long_is_ended(system, tmp_path):
    """The parser of a program that never ends, under the limit of our own side."""
    (tmp_path / "slow.md").write_text("x", encoding="utf-8")
    (tmp_path / "endless.py").write_text(
        "import sys\nfor line in sys.stdin:\n    while True: pass\n", encoding="utf-8"
    )
    code = f"""
from pathlib import Path
from acclimate.documents import sandbox
from acclimate.errors import DocumentError
import sys
one = sandbox.Sandbox(sandbox.Limits(seconds=0.3), workers=1)
one._command = [sys.executable, {str(tmp_path / "endless.py")!r}]
try:
    one(Path({str(tmp_path / "slow.md")!r}), "slow.md")
except DocumentError as error:
    print(error, error.hint)
one.close()
"""
    assert run(code) == "slow.md took longer than 0.3 s to parse. [documents] parse_seconds"


def test_the_worker_ends_itself_when_nobody_waits(system):
    """Its limit holds where the process that started it is gone."""
    code = HOSTILE.format(attack="import time\n    time.sleep(3600)").replace(
        "worker.main()", "worker._LATE_S = 0\nworker.main()"
    )
    asked = '{"file": "x", "path": "x", "seconds": 0.2, "pictures": false, "hidden": "skip"}\n'
    with subprocess.Popen(
        [sys.executable, "-c", code],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    ) as process:
        process.stdin.write(asked.encode())
        process.stdin.flush()  # and stays open: the end of the input would end it too
        assert process.wait(300) == (1 if system == "windows" else -signal.SIGALRM)


def test_doctor_tells_what_is_not_limited(system, tmp_path):
    done = subprocess.run(
        [sys.executable, "-m", "acclimate", "doctor"],
        cwd=tmp_path,
        env=os.environ | {"ACCLIMATE_CACHE": str(tmp_path / "cache")},
        capture_output=True,
        encoding="utf-8",
        check=False,
    )
    (line,) = [line for line in done.stdout.splitlines() if " sandbox " in line]
    wanted = {
        "windows": "limits no memory and no file size while",
        "macos": "limits no memory while",
    }
    assert wanted[system] in line
    assert line.startswith("warning")


def test_here_everything_is_limited():
    assert platforms.missing_limits() == ()


def test_a_limit_that_is_taken_but_not_kept_is_told(tmp_path, monkeypatch):
    (tmp_path / "sitecustomize.py").write_text(
        "import resource\nresource.setrlimit = lambda kind, limits: None\n", encoding="utf-8"
    )
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(tmp_path), str(SOURCE.parent)]))
    assert platforms.missing_limits() == ("memory",)


def test_a_second_interruption_ends_at_once(system):
    """Signals wake the thread that watches, on a socket."""
    code = """
import signal, sys, threading
from acclimate.cli.signals import Signals
from acclimate.system import ending
with Signals() as signals:
    try:
        print("ready", flush=True)
        threading.Event().wait()
    except ending.Interrupted:
        signals.report()
sys.exit(signals.code)
"""
    with subprocess.Popen(
        [sys.executable, "-c", code],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        encoding="utf-8",
    ) as process:
        assert process.stdout.readline() == "ready\n"
        process.send_signal(signal.SIGTERM)
        _, said = process.communicate(timeout=300)
    assert (process.returncode, said) == (128 + signal.SIGTERM, "Told to end.\n")


class TestWithoutGroups:
    @pytest.fixture(autouse=True)
    def windows(self, monkeypatch):
        monkeypatch.delattr(os, "killpg")

    def test_a_process_is_killed_with_what_it_started(self, monkeypatch):
        calls = []
        monkeypatch.setattr(platforms.subprocess, "run", lambda command, **_: calls.append(command))
        process = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
        platforms.kill_group(process)
        process.communicate()
        assert process.returncode == -signal.SIGKILL
        assert calls == [["taskkill", "/T", "/F", "/PID", str(process.pid)]]

    def test_without_taskkill_the_process_itself_is_killed(self, monkeypatch):
        monkeypatch.setenv("PATH", "")
        process = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
        platforms.kill_group(process)
        process.communicate()
        assert process.returncode == -signal.SIGKILL

    def test_options_are_those_of_windows(self, monkeypatch):
        monkeypatch.setattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 512, raising=False)
        assert platforms.group_options() == {"creationflags": 512}


@pytest.fixture(params=["flock", "beside"])
def locks(request, monkeypatch):
    if request.param == "beside":
        monkeypatch.setattr(platforms, "fcntl", None)
    return request.param


def test_a_folder_in_use_is_not_taken_by_another(locks, tmp_path):
    folder = tmp_path / "one"
    folder.mkdir()
    first, second = platforms.FolderLock(folder), platforms.FolderLock(folder)
    assert first.acquire()
    assert not second.acquire()
    first.release()
    assert second.acquire()
    second.release()
    assert list(tmp_path.iterdir()) == [folder]


def test_an_abandoned_scratch_folder_goes_and_a_used_one_stays(locks, tmp_path):
    for name in ("work-used", "work-left"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "file").write_text("x", encoding="utf-8")
        os.utime(tmp_path / name, (0, 0))
    lock = platforms.FolderLock(tmp_path / "work-used")
    assert lock.acquire()
    with ending.scratch(tmp_path, "work-") as made:
        folders = {one.name for one in tmp_path.iterdir() if one.is_dir()}
        assert folders == {"work-used", made.name}
        made.rename(tmp_path / "done")  # what was made there may be put in its place as a whole
    lock.release()
    assert {one.name for one in tmp_path.iterdir()} == {"work-used", "done"}


def test_without_links_a_model_is_copied(tmp_path, monkeypatch):
    def refused(source, target):
        raise OSError("A required privilege is not held by the client")

    source, tries = tmp_path / "model.gguf", []
    source.write_bytes(b"weights")
    for name in ("", "symlink", "link"):
        if name:
            monkeypatch.setattr(os, name, refused)
        target = tmp_path / f"after-{name}"
        platforms.link_or_copy(source, target)
        tries.append(
            (target.read_bytes(), target.is_symlink(), target.stat().st_ino == source.stat().st_ino)
        )
    assert tries == [
        (b"weights", True, True),
        (b"weights", False, True),
        (b"weights", False, False),
    ]


def test_nobody_else_may_listen_on_our_port_on_windows(monkeypatch):
    """There SO_REUSEADDR lets them; another option that is off by itself stands for the one that does not."""
    monkeypatch.setattr(socket, "SO_EXCLUSIVEADDRUSE", socket.SO_KEEPALIVE, raising=False)
    with Listening("127.0.0.1", 0, None, None, 0.0, 1.0).bind() as listening:
        assert listening.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
        assert not listening.getsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR)


def test_a_place_below_an_open_folder_is_told_as_macos_does(tmp_path, monkeypatch):
    class MacOS:
        F_GETPATH = 50

        @staticmethod
        def fcntl(descriptor, number, room):
            assert number == 50
            return os.fsencode(tmp_path).ljust(len(room), b"\0")

    descriptor = os.open(tmp_path, os.O_RDONLY)
    try:
        assert platforms.place_of(descriptor, "a") == str(tmp_path / "a")
        monkeypatch.setattr(os.path, "isdir", lambda place: False)
        monkeypatch.setattr(platforms, "fcntl", None)
        assert platforms.place_of(descriptor, "a") is None
        monkeypatch.setattr(platforms, "fcntl", MacOS)
        assert platforms.place_of(descriptor, "a") == str(tmp_path / "a")
    finally:
        os.close(descriptor)


def test_an_answer_in_time_leaves_no_clock_behind(tmp_path):
    (tmp_path / "note.md").write_text("# One\n\nText.\n", encoding="utf-8")
    before = threading.active_count()
    sandbox = Sandbox(Limits(seconds=3600), workers=1)
    started = time.monotonic()
    for _ in range(3):
        assert sandbox(tmp_path / "note.md", "note.md").text
    assert time.monotonic() - started < 3600
    assert threading.active_count() == before
    sandbox.close()


def test_a_late_answer_counts_as_late(tmp_path):
    """The clock and the answer may come together: then the process is gone, and the next file gets another."""
    (tmp_path / "note.md").write_text("# One\n\nText.\n", encoding="utf-8")
    sandbox = Sandbox(Limits(seconds=1e-9), workers=1)
    with pytest.raises(DocumentError, match="took longer than 1e-09 s to parse"):
        sandbox(tmp_path / "note.md", "note.md")
    sandbox.limits = Limits()
    assert sandbox(tmp_path / "note.md", "note.md").text
    sandbox.close()


def _calls(tree):
    return (node for node in ast.walk(tree) if isinstance(node, ast.Call))


def test_no_text_is_read_or_written_in_the_systems_own_encoding():
    """On Windows it is a code page: a file that a Linux wrote would be read as something else."""
    loose = []
    for file in sorted(SOURCE.rglob("*.py")):
        for call in _calls(ast.parse(file.read_text(encoding="utf-8"))):
            name = (
                call.func.attr
                if isinstance(call.func, ast.Attribute)
                else getattr(call.func, "id", "")
            )
            given = {one.arg for one in call.keywords}
            modes = [one.value for one in call.args if isinstance(one, ast.Constant)]
            text = any(
                isinstance(mode, str) and mode in ("r", "w", "a", "x", "w+", "r+") for mode in modes
            )
            opens = name in ("open", "fdopen", "NamedTemporaryFile", "TemporaryFile") and text
            whole = name == "write_text" or (name == "read_text" and not call.args)
            if (opens or whole) and "encoding" not in given:
                loose.append(f"{file.relative_to(SOURCE)}:{call.lineno} {name}")
    assert loose == []


@pytest.mark.parametrize(
    "name", ["fcntl", "resource", "pwd", "grp", "termios", "killpg", "sched_getaffinity"]
)
def test_one_file_knows_what_systems_lack(name):
    found = []
    for file in sorted(SOURCE.rglob("*.py")):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            imported = isinstance(node, ast.Import | ast.ImportFrom) and name in [
                one.name for one in node.names
            ]
            if imported or (isinstance(node, ast.Attribute) and node.attr == name):
                found.append(file.relative_to(SOURCE).as_posix())
    assert set(found) <= {"system/platforms.py"}
