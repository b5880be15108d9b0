"""What others run: Ollama's template by a reader of Go's, vLLM's limits, the base's name, and a hub's protocol."""

import base64
import hashlib
import json
import re
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import ClassVar

import pytest
from huggingface_hub import constants
from tokenizers import Tokenizer, models

from acclimate.errors import EngineError, ModelError, SettingsError
from acclimate.models.base_ids import base_id, name_base
from acclimate.models.catalogue import CATALOGUE
from acclimate.models.chat import ChatFormat
from acclimate.models.store import LocalModel
from acclimate.tuning.export import vllm
from acclimate.tuning.export.go_template import go_template
from acclimate.tuning.export.push import push
from acclimate.types import Message

CHATML = (
    "{% if messages[0]['role'] != 'system' %}<|im_start|>system\nYou are kind.<|im_end|>\n{% endif %}"
    "{% for m in messages %}<|im_start|>{{ m['role'] }}\n{{ m['content'] }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
GEMMA = (
    "{{ bos_token }}{% if messages[0].role == 'system' %}{% set first = messages[0].content + '\n\n' %}"
    "{% set rest = messages[1:] %}{% else %}{% set first = '' %}{% set rest = messages %}{% endif %}"
    "{% for m in rest %}<start_of_turn>{{ 'model' if m.role == 'assistant' else m.role }}\n"
    "{{ first if loop.first else '' }}{{ m.content | trim }}<end_of_turn>\n{% endfor %}"
    "{% if add_generation_prompt %}<start_of_turn>model\n{% endif %}"
)
MISTRAL = (
    "{{ bos_token }}{% for m in messages %}{% if m.role == 'user' %}[INST] {{ m.content }}[/INST]"
    "{% elif m.role == 'system' %}[SYSTEM_PROMPT] {{ m.content }}[/SYSTEM_PROMPT]"
    "{% else %} {{ m.content }}{{ eos_token }}{% endif %}{% endfor %}"
)
QWEN3 = (
    "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n"
    "{% if enable_thinking is defined and enable_thinking is false %}<think>\n\n</think>\n\n{% endif %}{% endif %}"
)
COUNTING = "{% for m in messages %}{{ loop.index }} {{ m.content }}\n{% endfor %}"
BOS = {CHATML: "", GEMMA: "<s>", MISTRAL: "<s>", QWEN3: "", COUNTING: ""}
TALK = [
    Message("system", "Be short."),
    Message("user", "Where is {{ it }}?"),
    Message("assistant", "In room 3."),
    Message("user", "And the fan?"),
]


def chat_of(template):
    return ChatFormat(Tokenizer(models.BPE()), template, BOS[template], "</s>")


def run_go(template, messages):
    """What Go's text/template writes, of the actions that ours holds; anything else is an error."""
    parts = re.split(r"\{\{ (.*?) \}\}", template)
    assert parts[0] == ""
    assert parts[1] == "range $i, $_ := .Messages"
    assert parts[-2] == "end"
    assert parts[-1] == ""
    inside, text = parts[2:-2], ""
    for index, message in enumerate(messages):
        stack, last = [], False  # for each open if: whether a branch was taken, whether this one is
        for place, part in enumerate(inside):
            on = all(taken for _, taken in stack)
            if place % 2 == 0:
                text += part if on else ""
            elif part == "$last := eq (len (slice $.Messages $i)) 1":
                last = len(messages[index:]) == 1
            elif part == ".Content":
                text += message.content if on else ""
            elif part == '"{{"':
                text += "{{" if on else ""
            elif part == "end":
                stack.pop()
            elif part.startswith("if "):
                holds = true(part[3:], index, message, last)
                stack.append((holds, holds))
            elif part.startswith("else"):
                done, _ = stack.pop()
                holds = not done and (part == "else" or true(part[8:], index, message, last))
                stack.append((done or holds, holds))
            else:
                raise AssertionError(part)
        assert stack == []
    return text


def true(condition, index, message, last):
    if condition == "$last":
        return last
    if condition == 'and (eq $i 0) (ne .Role "system")':
        return index == 0 and message.role != "system"
    role = re.fullmatch(r'eq \.Role "(\w+)"', condition)
    assert role, condition
    return message.role == role[1]


@pytest.mark.parametrize("template", [CHATML, GEMMA, MISTRAL, QWEN3])
@pytest.mark.parametrize("talk", [TALK, TALK[1:], TALK[:2], TALK[1:2]], ids=len)
def test_ollamas_template_writes_what_the_models_own_does(template, talk):
    chat = chat_of(template)
    written = run_go(go_template(chat, BOS[template]), talk)
    assert written == chat.render(talk).removeprefix(BOS[template])


def test_a_template_that_counts_is_refused():
    with pytest.raises(ModelError, match="does more than"):
        go_template(chat_of(COUNTING), "")


def test_the_base_has_its_name_on_the_hub(tmp_path):
    for name in ("smollm2-135m-instruct", "qwen3-0.6b", "qwen2.5-coder-1.5b-instruct"):
        entry = CATALOGUE[name]
        found = base_id(LocalModel(name, tmp_path, tmp_path / "x.gguf", "", entry))
        assert found.split("/")[1].casefold() == name
    weights = tmp_path / "model.safetensors"
    assert base_id(LocalModel("org/model", tmp_path, weights, "")) == "org/model"
    for told, expected in (("org/My-Model", "org/My-Model"), ("org/parent", ""), ("/home/x", "")):
        (tmp_path / "config.json").write_text(json.dumps({"_name_or_path": told}))
        assert base_id(LocalModel("my-model", tmp_path, weights, "")) == expected


def test_vllm_gets_what_it_takes(tmp_path):
    def write(**more):
        config = {"peft_type": "LORA", "r": 24, "lora_alpha": 32.0} | more
        (tmp_path / "adapter_config.json").write_text(json.dumps(config))

    write()
    vllm.require_servable(tmp_path, "org/base")
    assert vllm.max_rank(tmp_path) == 32
    name_base(tmp_path, "org/base")
    vllm.as_vllm_reads(tmp_path)
    config = json.loads((tmp_path / "adapter_config.json").read_text())
    assert (config["base_model_name_or_path"], repr(config["lora_alpha"])) == ("org/base", "32")
    for more in ({"use_dora": True}, {"target_parameters": ["experts.x"]}, {"r": 600}):
        write(**more)
        with pytest.raises(SettingsError):
            vllm.require_servable(tmp_path, "org/base")


class Hub(BaseHTTPRequestHandler):
    """A hub that keeps what it is given: repositories, large files by their hash, commits."""

    repositories: ClassVar = {}
    large: ClassVar = {}

    def log_message(self, *_):
        pass

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if self.headers.get("Authorization") != "Bearer secret":
            return self.say(401, {"error": "Invalid user token."})
        if self.path == "/api/repos/create":
            told = json.loads(body)
            name = f"{told['organization']}/{told['name']}"
            known = name in self.repositories
            self.repositories.setdefault(name, {"is": told.get("visibility"), "files": {}})
            return self.say(409 if known else 200, {"url": f"http://{self.headers['Host']}/{name}"})
        if self.path == "/api/validate-yaml":  # of the card
            return self.say(200, {"errors": [], "warnings": []})
        if self.path.endswith("/preupload/main"):
            files = json.loads(body)["files"]
            modes = [
                {
                    "path": one["path"],
                    "uploadMode": "lfs" if one["path"].endswith("safetensors") else "regular",
                    "shouldIgnore": False,
                }
                for one in files
            ]
            return self.say(200, {"files": modes})
        if self.path.endswith("/info/lfs/objects/batch"):
            objects = [
                one
                | {
                    "actions": {
                        "upload": {"href": f"http://{self.headers['Host']}/large/{one['oid']}"}
                    }
                }
                for one in json.loads(body)["objects"]
            ]
            return self.say(200, {"transfer": "basic", "objects": objects})
        if self.path.endswith("/commit/main"):
            return self.commit([json.loads(line) for line in body.splitlines()])
        return self.say(404, {"error": self.path})

    def do_PUT(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.large[hashlib.sha256(body).hexdigest()] = body
        self.say(200, {})

    def commit(self, rows):
        name = self.path.split("/api/models/")[1].removesuffix("/commit/main")
        for row in rows:
            value = row["value"]
            if row["key"] == "file":
                self.repositories[name]["files"][value["path"]] = base64.b64decode(value["content"])
            elif row["key"] == "lfsFile":
                self.repositories[name]["files"][value["path"]] = self.large[value["oid"]]
        told = {
            "success": True,
            "commitOid": "0" * 40,
            "commitUrl": f"http://{self.headers['Host']}/{name}/commit/1",
        }
        self.say(200, told)

    def say(self, status, value):
        body = json.dumps(value).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


@pytest.fixture
def hub(monkeypatch):
    monkeypatch.setattr(Hub, "repositories", {})
    monkeypatch.setattr(Hub, "large", {})
    monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", True)  # as HF_HUB_DISABLE_XET=1 does
    server = ThreadingHTTPServer(("127.0.0.1", 0), Hub)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.mark.filterwarnings("ignore:Use 'content=:DeprecationWarning")  # of huggingface_hub
def test_an_export_is_uploaded_whole(tmp_path, hub, monkeypatch):
    folder = tmp_path / "helpdesk"
    folder.mkdir()
    held = {
        "README.md": b"# card",
        "adapter_config.json": b"{}",
        "adapter_model.safetensors": b"\0" * 5000,
    }
    for name, content in held.items():
        (folder / name).write_bytes(content)
    monkeypatch.setenv("HF_TOKEN", "wrong")
    with pytest.raises(EngineError, match="did not take helpdesk") as caught:
        push(folder, "org/helpdesk", "", hub)
    assert "HF_TOKEN" in caught.value.hint
    monkeypatch.setenv("HF_TOKEN", "secret")
    assert push(folder, "org/helpdesk", "", hub).endswith("/org/helpdesk/commit/1")
    assert Hub.repositories["org/helpdesk"] == {"is": "private", "files": held}
    (tmp_path / "m.gguf").write_bytes(b"GGUF")
    for _ in range(2):  # the second time it is there
        push(tmp_path / "m.gguf", "org/m", "# card", hub, public=True)
    assert Hub.repositories["org/m"]["is"] == "public"
    assert Hub.repositories["org/m"]["files"] == {"m.gguf": b"GGUF", "README.md": b"# card"}
