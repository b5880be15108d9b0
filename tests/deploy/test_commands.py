"""What image, unit, compose files and chart start is run: in an environment that has only what they give it."""

import json
import re
import shlex
import signal
import subprocess
import sys
from pathlib import Path

import httpx
import pytest
import yaml

import acclimate
from acclimate.cli.main import cli
from acclimate.models.store import cache_folder
from acclimate.project import Project
from acclimate.serving.keys import keys_of
from acclimate.testing.states import STATE_S, wait_until

DEPLOY = Path(__file__).parents[2] / "deploy"
CONTAINERFILE = (DEPLOY / "Containerfile").read_text(encoding="utf-8")


def instruction(name, indent=""):
    """The JSON list of an instruction; HEALTHCHECK's CMD is indented."""
    (found,) = re.findall(rf"^{indent}{name} (\[.+\])$", CONTAINERFILE, re.M)
    return json.loads(found)


def environment():
    """The ENV of the final stage."""
    (lines,) = re.findall(r"^ENV (PATH=.+?[^\\])$", CONTAINERFILE, re.M | re.S)
    return dict(part.split("=", 1) for part in lines.replace("\\\n", " ").split())


def commands():
    """All that is started to serve, without the program."""
    unit = (DEPLOY / "systemd" / "acclimate.service").read_text(encoding="utf-8")
    (started,) = re.findall(r"^ExecStart=(.+)$", unit, re.M)
    compose = yaml.safe_load((DEPLOY / "compose" / "compose.yaml").read_text(encoding="utf-8"))
    found = {
        "image": instruction("CMD"),
        "unit": shlex.split(started)[1:],
        "compose": compose["services"]["acclimate"]["command"],
    }
    for file in (Path(__file__).parent / "rendered").glob("*.yaml"):
        made = {one["kind"]: one for one in yaml.safe_load_all(file.read_text(encoding="utf-8"))}
        pod = made["StatefulSet"]["spec"]["template"]["spec"]
        found[f"chart, {file.stem}"] = pod["containers"][0]["args"]
    return found


@pytest.mark.parametrize("where", commands())
def test_a_command_is_one_that_the_command_line_takes(where, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    name, *arguments = commands()[where]
    assert name == "serve"
    made = cli.get_command(None, name).make_context(name, arguments)
    # A unit is behind a proxy of its own machine; what runs in a container is reached from outside.
    assert made.params["host"] == (None if where == "unit" else "0.0.0.0")  # noqa: S104


@pytest.fixture
def plain(tmp_path):
    """A folder for programs with `acclimate` and `python`, and an environment of the image's own."""
    programs = tmp_path / "bin"
    programs.mkdir()
    source = Path(acclimate.__file__).parents[1]
    for name, rest in (("acclimate", "-m acclimate"), ("python", "")):
        (programs / name).write_text(f'#!/bin/sh\nexec {sys.executable} {rest} "$@"\n')
        (programs / name).chmod(0o755)
    return environment() | {
        "PATH": f"{programs}:/usr/bin:/bin",
        "HOME": str(tmp_path),
        "ACCLIMATE_CACHE": str(cache_folder()),
        "ACCLIMATE_SERVE__PORT": "0",
        "PYTHONPATH": str(source),
    }


def test_the_image_starts_is_healthy_asks_for_a_key_and_ends(plain, tmp_path):
    folder = tmp_path / "project"
    (folder / "documents").mkdir(parents=True)
    (folder / "documents" / "a.md").write_text("# Pumps\n\nThe pump weighs 117 kg.\n")
    Project.create(folder, folder / "documents").close()
    command = [*instruction("ENTRYPOINT"), *instruction("CMD")]
    refused = subprocess.run(
        command, env=plain, cwd=folder, capture_output=True, text=True, check=False, timeout=STATE_S
    )
    assert (refused.returncode, "acclimate keys add NAME" in refused.stderr) == (2, True)
    key = keys_of(folder).add("someone", ["ask"], [])
    with subprocess.Popen(
        command, env=plain, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as server:
        try:
            port = server.stdout.readline().strip().rpartition(":")[2]
            assert port.isdigit()
            ready = f"http://127.0.0.1:{port}/readyz"
            wait_until(lambda: httpx.get(ready, timeout=STATE_S).status_code == 200, "readiness")
            health = [part.replace("8080", port) for part in instruction("CMD", indent="    ")]
            assert subprocess.run(health, env=plain, check=False).returncode == 0
            address = f"http://127.0.0.1:{port}/v1/models"
            assert httpx.get(address, timeout=STATE_S).status_code == 401
            held = {"Authorization": f"Bearer {key}"}
            assert httpx.get(address, headers=held, timeout=STATE_S).status_code == 200
            server.send_signal(signal.SIGTERM)
            assert server.wait(STATE_S) == 0
            gone = subprocess.run(health, env=plain, capture_output=True, check=False)
            assert gone.returncode != 0
        finally:
            server.kill()
    assert {one.name for one in tmp_path.iterdir()} == {"bin", "project"}


def test_the_first_container_of_the_chart_makes_a_project_and_keeps_one(plain, tmp_path):
    rendered = Path(__file__).parent / "rendered" / "plain.yaml"
    made = {one["kind"]: one for one in yaml.safe_load_all(rendered.read_text(encoding="utf-8"))}
    (first,) = made["StatefulSet"]["spec"]["template"]["spec"]["initContainers"]
    folder = tmp_path / "project"
    folder.mkdir()
    for _ in range(2):
        subprocess.run(first["command"], env=plain, cwd=folder, check=True, capture_output=True)
        assert {one.name for one in folder.iterdir()} == {
            ".acclimate",
            "acclimate.toml",
            "documents",
        }
        (folder / "acclimate.toml").write_text("# mine\n")
    assert (folder / "acclimate.toml").read_text() == "# mine\n"
