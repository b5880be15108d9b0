"""No command asks the network for what the user did not ask for, or writes outside project, cache and temporary folder.

Each command runs as a user runs it, in processes that are watched twice: by an audit hook in every Python process
(`sitecustomize` beside this file), and by strace, which also sees what compiled code does. The home folder is empty but
for a link to the models. Online each command is a process of its own; offline one process runs them all. The default
model answers one question and serves; what takes many answers has a tiny network, which asks and writes the same.
"""

import importlib.util
import json
import os
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import httpx
import pytest
import torch

from acclimate.cli.main import COMMANDS, cli
from acclimate.models.fetch import resolve
from acclimate.models.store import cache_folder
from acclimate.tuning.attached import attach
from acclimate.tuning.methods import METHODS
from acclimate.tuning.run import load_network

HERE = Path(__file__).parent
# Variables by which telemetry spares build servers, and those that would move what is watched.
UNSET = (
    "CI",
    "TF_BUILD",
    "JENKINS_URL",
    "ACCLIMATE_CACHE",
    "HF_HOME",
    "XDG_CACHE_HOME",
    "XDG_CONFIG_HOME",
    "GLIBC_TUNABLES",
)
UNSET += (
    "ACCLIMATE_OFFLINE",
    "HF_HUB_OFFLINE",
    "DO_NOT_TRACK",
    "HF_HUB_DISABLE_TELEMETRY",
    "TRANSFORMERS_OFFLINE",
)
CALLS = "connect,bind,sendto,sendmsg,sendmmsg,openat,open,creat,mkdir,mkdirat,rename,renameat,renameat2,link,linkat"
CALLS += ",symlink,symlinkat"
LOOPBACK = re.compile(r'inet_addr\("127\.|"::1"|"::ffff:127\.')
LOCAL = re.compile(r"AF_UNIX|AF_NETLINK|AF_UNSPEC")
WRITES = re.compile(r"O_WRONLY|O_RDWR|O_CREAT|^(?!open)")


# Runs commands one after another, each with its own input.
DRIVER = """
import json, os, sys
from acclimate.cli.main import run

for arguments, given, codes in json.loads(sys.argv[1]):
    with open(os.path.join(os.environ["TMPDIR"], "stdin"), "w+", encoding="utf-8") as file:
        file.write(given)
        file.seek(0)
        os.dup2(file.fileno(), 0)
    sys.stdin = open(0, encoding="utf-8", closefd=False)
    code = run(arguments)
    if code not in codes:
        sys.exit(f"{arguments}: {code}")
"""


class Watch:
    """A home, a project and a temporary folder; `run` runs a command in the project and keeps what was noted."""

    def __init__(self, root, offline):
        self.root, self.together = root.resolve(), offline
        self.project, self.temporary, self.home = (
            self.root / name for name in ("project", "tmp", "home")
        )
        for folder in (self.project / "docs", self.temporary, self.home / ".cache"):
            folder.mkdir(parents=True)
        self.cache = self.home / ".cache" / "acclimate"
        self.cache.symlink_to(cache_folder(), target_is_directory=True)
        self.notes = self.root / "notes"
        self.may_write = [self.project, self.temporary, self.cache, cache_folder()]
        self.environment = {name: value for name, value in os.environ.items() if name not in UNSET}
        self.environment |= {
            "HOME": str(self.home),
            "TMPDIR": str(self.temporary),
            "WATCH_NOTES": str(self.notes),
            "WATCH_MAY_WRITE": os.pathsep.join(map(str, self.may_write)),
            "PYTHONPATH": os.pathsep.join(filter(None, (str(HERE), os.environ.get("PYTHONPATH")))),
            "PYTHONDONTWRITEBYTECODE": "1",
            "OMP_NUM_THREADS": "1",  # tiny networks spend their time waiting for threads
        }
        if offline:
            # The second variable is what training sets, to start again with it.
            self.environment |= {"ACCLIMATE_OFFLINE": "1", "GLIBC_TUNABLES": ""}

    def command(self, *command):
        """The command, under strace where there is one."""
        if not (strace := shutil.which("strace")):
            return [sys.executable, *command]
        out = ["-o", str(self.root / "calls"), "-A", "-f", "-qq", "-s", "300", "--seccomp-bpf"]
        return [
            strace,
            *out,
            "-e",
            f"trace={CALLS}",
            "-e",
            "signal=none",
            "--",
            sys.executable,
            *command,
        ]

    def run(self, *command, stdin="", codes=(0,)):
        done = subprocess.run(
            self.command(*command),
            cwd=self.project,
            env=self.environment,
            input=stdin,
            capture_output=True,
            text=True,
            check=False,
            timeout=500,
        )
        assert done.returncode in codes, f"{command}: {done.stdout[-500:]}{done.stderr[-2000:]}"
        return done.stdout

    def acclimate(self, *arguments, **options):
        return self.run("-m", "acclimate", *arguments, **options)

    def all(self, steps):
        """Commands with their inputs and exit codes."""
        if self.together:
            self.run("-c", DRIVER, json.dumps(steps))
            return
        for arguments, stdin, codes in steps:
            self.acclimate(*arguments, stdin=stdin, codes=codes)

    def use_tiny(self):
        """A network that answers at once, in what follows."""
        write_tiny(self.project / "tiny.gguf")
        settings = self.project / "acclimate.toml"
        text = settings.read_text(encoding="utf-8")
        assert DEFAULT in text
        text = text.replace(DEFAULT, 'name = "tiny.gguf"\nmax_tokens = 8')
        settings.write_text(text, encoding="utf-8")

    def heard(self):
        """What the audit hooks noted, but for the starts."""
        noted = [json.loads(line) for line in self.notes.read_text(encoding="utf-8").splitlines()]
        assert any(event == "started" for _, event, _ in noted)
        return [note for note in noted if note[1] != "started"]

    def seen(self):
        """What strace saw; [] where there is none."""
        calls = self.root / "calls"
        lines = (
            calls.read_text(encoding="utf-8", errors="replace").splitlines()
            if calls.exists()
            else []
        )
        return [line for line in lines if self._foreign(line)]

    def _foreign(self, line):
        call = line.partition(" ")[2].lstrip()
        if call.startswith(("connect", "bind", "send")):
            here = LOCAL.search(call) or (
                LOOPBACK.search(call) and "htons(53)" not in call
            )  # a resolver asks on
            return "sa_family=" in call and not here
        if not WRITES.search(call) or " = -1 " in call or "O_TMPFILE" in call:
            return False
        places = [
            place for place in re.findall(r'"((?:[^"\\]|\\.)*)"', call) if place.startswith("/")
        ]
        return any(not self._may_write(place) for place in places[-1:])

    def _may_write(self, place):
        full = os.path.join(os.path.realpath(os.path.dirname(place)), os.path.basename(place))
        inside = any(
            Path(one).is_relative_to(root) for root in self.may_write for one in (place, full)
        )
        return inside or place.startswith(("/dev/", "/proc/")) or place == str(self.notes)

    def require_quiet(self):
        assert self.heard() == []
        assert self.seen() == []
        assert [
            path
            for path in self.home.rglob("*")
            if path != self.cache and path.parent != self.cache
        ] == [self.home / ".cache"]


@pytest.fixture(params=[False, True], ids=["online", "offline"])
def watch(request, tmp_path):
    return Watch(tmp_path, request.param)


def write_documents(folder):
    texts = {
        "pump": "The Fjell pump weighs 98 kg and is made in Oslo.",
        "fan": "The fan turns 900 times a minute.",
    }
    for name, text in (texts | {"shop": "The shop opens at nine."}).items():
        (folder / "docs" / f"{name}.md").write_text(f"# The {name}\n\n{text}\n", encoding="utf-8")
    (folder / "docs" / "prices.csv").write_text("part,price\npump,120\nfan,40\n", encoding="utf-8")


QUESTIONS = """question,answer,document,evidence,split
How heavy is the pump?,98 kg,pump.md,weighs 98 kg,train
Where is the pump made?,Oslo,pump.md,made in Oslo,train
How fast does the fan turn?,900 times a minute,fan.md,900 times a minute,dev
What turns 900 times a minute?,The fan,fan.md,The fan,dev
Does the fan turn?,900 times,fan.md,The fan turns,dev
How often does it turn?,900 times,fan.md,turns 900 times,dev
When does the shop open?,nine,shop.md,opens at nine,test
"""


DEFAULT = '# name = "smollm2-135m-instruct"'
# A source that is on this machine already.
EXPORT = """
[sources.notes]
type = "notion"
path = "export"
"""
# Where a project lies already, `acclimate try` takes its settings.
TRIED = """
[documents]
path = "documents"
[model]
name = "tiny.gguf"
max_tokens = 4
"""


def names(group, before=()):
    """Every command below a group, by its words."""
    import click

    for name in COMMANDS if group is cli else group.commands:
        found = group.get_command(None, name)
        if isinstance(found, click.Group):
            yield from names(found, (*before, name))
        else:
            yield (*before, name)


def step(*arguments, stdin="", codes=(0,)):
    return arguments, stdin, codes


# By the default model.
BEGIN = [step("init", "docs"), step("ingest"), step("ask", "How heavy is the pump?")]
# By a tiny one. What has commands of its own is listed with them. Servers come below.
STEPS = [
    step("ask", "--json", "--recipe", "zero-shot", "How heavy is the pump?"),
    step("chat", stdin="How heavy is the pump?\nWhere is it made?\n\n"),
    step("questions", "add", "What colour is the pump?"),
    step("questions", "import", "questions.csv"),
    step("questions", "make", "--count", "1", "--kind", "table", "--unchecked"),
    step("questions", "review", stdin="a\nq\n"),
    step("questions", "split"),
    step("feedback", "give", "How heavy is the pump?", "--wrong", "--correct", "98 kg"),
    step("feedback", "list"),
    step("feedback", "review", stdin="a\n"),
    step("feedback", "pairs", "pairs.jsonl", codes=(0, 2)),  # an abstention makes no pair
    step("questions", "show"),
    step("compare", "rag", "zero-shot", "--limit", "1"),
    step("questions", "label", stdin="y\nq\n"),
    # So short a search asks a few questions, and then says that it was too short.
    step("optimise", "rag", "--minutes", "0.02", codes=(0, 2)),
    step("keys", "add", "ann"),
    step("keys", "list"),
    step("keys", "remove", "ann"),
    step("models", "list"),
    step("models", "path", "all-minilm-l6-v2"),
    step("models", "verify", "all-minilm-l6-v2"),
    step("models", "fetch", "all-minilm-l6-v2"),
    step("models", "recommend"),
    step("sync"),
    step("doctor"),
    step("backup", "kept.tar"),
    step("restore", "kept.tar", "restored"),
    step("try"),
]
TUNING = [
    step("ingest"),
    step("questions", "import", "questions.csv"),
    step("tune", "--methods"),
    step("tune", "lora", "--inspect"),
    # Answers of random weights are near ties: they may be refused at the end, which is no matter
    # here.
    step("tune", "lora", "--minutes", "0.01", codes=(0, 1)),
    step("tune", "--target", "embedder", "--minutes", "0.01"),
]
FORMS = ("peft", "gguf-lora", "gguf", "openvino", "merged")
EXPORTS = [step("export", "lora", f"out-{form}", "--to", form) for form in FORMS]
# The first three come below; moving a library asks the server that the settings name.
ELSEWHERE = {("serve",), ("mcp",), ("watch",), ("library", "move")}


def test_every_command_is_run_here():
    run = {
        words[:2] if words[0] in ("questions", "feedback", "keys", "models") else words[:1]
        for words, _, _ in BEGIN + STEPS + TUNING + EXPORTS
    }
    assert run | ELSEWHERE == set(names(cli))


def test_commands_ask_and_write_nothing_elsewhere(watch):
    write_documents(watch.project)
    (watch.project / "questions.csv").write_text(QUESTIONS, encoding="utf-8")
    watch.all(BEGIN)
    watch.use_tiny()
    (watch.project / "export").mkdir()
    (watch.project / "export" / "note.md").write_text("# A note", encoding="utf-8")
    with (watch.project / "acclimate.toml").open("a", encoding="utf-8") as settings:
        settings.write(EXPORT)
    (watch.project / "acclimate-try").mkdir()
    (watch.project / "acclimate-try" / "acclimate.toml").write_text(TRIED, encoding="utf-8")
    watch.all(STEPS)
    watch.require_quiet()


# What somebody's telemetry would do, in Python, and as compiled code does it.
TELLING = """
import pathlib, socket
try:
    socket.getaddrinfo("analytics.invalid", 443)
except OSError:
    pass
(pathlib.Path.home() / "stats").write_text("1")
"""
COMPILED = """
import ctypes, os
ctypes.CDLL(None).creat(os.fsencode(os.path.expanduser("~/compiled")), 0o644)
ctypes.CDLL(None).gethostbyname(b"analytics.invalid")
"""


def test_the_watch_sees_what_it_is_there_for(tmp_path):
    watch = Watch(tmp_path, offline=False)
    watch.run("-c", TELLING)
    assert [(event, Path(what).name) for _, event, what in watch.heard()] == [
        ("socket.getaddrinfo", "'analytics.invalid'"),
        ("open", "stats"),
    ]
    with pytest.raises(AssertionError):
        watch.require_quiet()


@pytest.mark.skipif(
    not shutil.which("strace"), reason="there is no strace to see what compiled code does"
)
def test_strace_sees_what_compiled_code_does(tmp_path):
    watch = Watch(tmp_path, offline=False)
    watch.run("-c", COMPILED)
    assert watch.heard() == []  # which is why it is needed
    seen = " ".join(watch.seen())
    assert "/compiled" in seen
    # Where a machine has no resolver at all, nothing is sent.
    servers = Path("/etc/resolv.conf").read_text() if Path("/etc/resolv.conf").exists() else ""
    assert "htons(53)" in seen or "nameserver" not in servers


def test_openvino_tells_its_makers_unless_it_is_kept_from_it(tmp_path):
    """If it no longer did, `acclimate.system.quiet` could go."""
    watch = Watch(tmp_path, offline=True)
    watch.run("-c", "import openvino")
    assert {event for _, event, _ in watch.heard()} >= {"open", "os.mkdir"}
    quiet = Watch(tmp_path / "quiet", offline=True)
    quiet.run("-c", "import acclimate, openvino, openvino_genai, openvino_tokenizers")
    quiet.run("-c", "from acclimate.models import openvino")
    quiet.require_quiet()


EXTRAS = """
import importlib
from importlib.util import find_spec

for name in ("models.transformers", "models.entailment", "models.peft_tuners", "models.virtual", "embeddings.clip",
             "embeddings.sentence_transformers", "embeddings.openai", "models.http", "chunking.langchain",
             "documents.ocr", "indexes.hnsw", "indexes.postgres", "tuning.run", "tuning.trainer", "tuning.export",
             "serving.server", "serving.tracing", "serving.mcp_server",
             "serving.mcp_stdio"):
    importlib.import_module(f"acclimate.{name}")
for name in ("torch", "transformers", "peft", "sentence_transformers", "rapidocr", "usearch.index", "psycopg",
             "docling", "docling.document_converter", "opentelemetry.trace", "xllamacpp", "langchain_text_splitters",
             "llguidance", "ray", "tantivy", "tokenizers", "pypdfium2"):
    if find_spec(name.partition(".")[0]):
        importlib.import_module(name)
from acclimate.embeddings.sentence_transformers import SentenceTransformersEmbedder
from acclimate.embeddings.spec import read_spec
from acclimate.models.store import locate
here = locate("all-minilm-l6-v2")
embedder = SentenceTransformersEmbedder(here.folder, spec=read_spec(here.folder), weights_sha256=here.sha256)
assert embedder.embed_queries(["a pump"]).shape == (1, 384)
"""


@pytest.mark.parametrize("watch", [False], indirect=True, ids=["online"])
def test_the_extras_ask_and_write_nothing_elsewhere(watch):
    from PIL import Image, ImageDraw

    picture = Image.new("RGB", (500, 80), "white")
    ImageDraw.Draw(picture).text((20, 20), "The pump weighs 98 kg", fill="black", font_size=32)
    picture.save(watch.project / "docs" / "scan.png")
    watch.run("-c", EXTRAS)
    watch.acclimate("init", "docs")
    assert json.loads(watch.acclimate("ingest", "--json"))["added"] == 1
    watch.require_quiet()


@pytest.fixture(scope="module")
def ingested(tmp_path_factory):
    """A project as `test_commands_ask_and_write_nothing_elsewhere` makes it too."""
    made = Watch(tmp_path_factory.mktemp("ingested"), offline=True)
    write_documents(made.project)
    made.all(BEGIN[:2])
    return made.project


def test_serving_asks_and_writes_nothing_elsewhere(watch, ingested):
    shutil.copytree(ingested, watch.project, dirs_exist_ok=True)
    command = watch.command("-m", "acclimate", "serve", "--port", "0")
    with subprocess.Popen(
        command, cwd=watch.project, env=watch.environment, stdout=subprocess.PIPE, text=True
    ) as server:
        address = server.stdout.readline().strip()
        with httpx.Client(base_url=address, timeout=300, trust_env=False) as client:
            asked = {
                "model": "rag",
                "messages": [{"role": "user", "content": "How heavy is the pump?"}],
            }
            assert client.post("/v1/chat/completions", json=asked).is_success
            assert client.post(
                "/v1/documents", files={"file": ("new.md", b"# New\n\nText.\n")}
            ).is_success
            assert client.get("/").is_success
        os.kill(_child(server.pid), signal.SIGTERM)
        assert server.wait(120) == 0
    watch.require_quiet()


# One request of revision 2026-07-28, which needs no handshake.
META = {
    "io.modelcontextprotocol/protocolVersion": "2026-07-28",
    "io.modelcontextprotocol/clientCapabilities": {},
}
ASK = {"name": "ask", "arguments": {"question": "How heavy is the pump?"}, "_meta": META}


def test_mcp_asks_and_writes_nothing_elsewhere(watch, ingested):
    shutil.copytree(ingested, watch.project, dirs_exist_ok=True)
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    command = watch.command("-m", "acclimate", "mcp")
    with subprocess.Popen(command, cwd=watch.project, env=watch.environment, **pipes) as server:
        request = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": ASK}
        server.stdin.write(json.dumps(request) + "\n")
        server.stdin.flush()
        assert "98 kg" in json.loads(server.stdout.readline())["result"]["content"][0]["text"]
        server.stdin.close()
        assert server.wait(120) == 0
    watch.require_quiet()


@pytest.mark.parametrize("watch", [False], indirect=True, ids=["online"])
def test_watching_asks_and_writes_nothing_elsewhere(watch):
    write_documents(watch.project)
    watch.acclimate("init", "docs")
    command = watch.command("-m", "acclimate", "watch", "--json")
    with subprocess.Popen(
        command, cwd=watch.project, env=watch.environment, stdout=subprocess.PIPE, text=True
    ) as watching:
        assert json.loads(watching.stdout.readline())["added"] == 4
        (watch.project / "docs" / "new.md").write_text("# New\n\nText.\n")
        assert json.loads(watching.stdout.readline())["added"] == 1
        os.kill(_child(watching.pid), signal.SIGINT)
        assert watching.wait(120) == 130
    watch.require_quiet()


def _child(pid):
    """What strace runs; without strace, the process itself."""
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return int(children[0]) if shutil.which("strace") and children else pid


def test_tuning_and_exports_ask_and_write_nothing_elsewhere(watch):
    write_documents(watch.project)
    (watch.project / "questions.csv").write_text(QUESTIONS, encoding="utf-8")
    watch.acclimate("init", "docs")
    watch.use_tiny()
    watch.all(TUNING)
    write_adapter(watch.project / "tiny.gguf", watch.project / ".acclimate" / "adapters" / "lora")
    watch.all(EXPORTS)
    watch.require_quiet()


def write_adapter(model, folder):
    """One that changes answers enough for an export to be checked by it; so short a run learns too little."""
    torch.manual_seed(0)
    attached = attach(load_network(model, torch.float32), METHODS["lora"], 4, 8.0)
    with torch.no_grad():
        for parameter in attached.parameters:
            parameter.add_(0.1 * torch.randn_like(parameter))
    shutil.rmtree(folder, ignore_errors=True)
    attached.save(folder, "tiny")


def write_tiny(target):
    file = HERE.parent / "tuning" / "conftest.py"
    spec = importlib.util.spec_from_file_location("tiny_models", file)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    source = resolve("smollm2-135m-instruct", "language").weights
    module.write_tiny(target, source, "llama", window=8192)
