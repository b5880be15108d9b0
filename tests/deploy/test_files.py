"""What `deploy/` holds is well formed, closed by default, and names settings that there are."""

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from acclimate.settings import known_keys

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"
COMPOSE = sorted((DEPLOY / "compose").glob("compose*.yaml"))
UNIT = DEPLOY / "systemd" / "acclimate.service"
EXPOSURE = 15  # tenths of what `systemd-analyze security` calls 1.5; the unit has 1.2


def run(*command, **options):
    done = subprocess.run(
        command, capture_output=True, encoding="utf-8", check=False, timeout=120, **options
    )
    return done.returncode, done.stdout + done.stderr


def tool(name):
    """A program of a package of the tests, beside the interpreter."""
    return str(Path(sys.executable).parent / name)


def test_the_containerfile_has_no_finding():
    assert run(tool("hadolint"), str(DEPLOY / "Containerfile")) == (0, "")


def test_a_finding_in_a_containerfile_is_noticed(tmp_path):
    """Held to the same rules, so that the test above can fail."""
    wrong = (DEPLOY / "Containerfile").read_text(encoding="utf-8")
    wrong = wrong.replace("--no-install-recommends", "").replace("USER 10001:10001", "USER root")
    (tmp_path / "Containerfile").write_text(wrong, encoding="utf-8")
    code, said = run(tool("hadolint"), str(tmp_path / "Containerfile"))
    assert code == 1
    assert {"DL3002", "DL3015"} <= set(re.findall(r"DL\d+", said))


def test_compose_files_keep_the_compose_specification(tmp_path):
    asked = [tool("check-jsonschema"), "--builtin-schema", "vendor.compose-spec"]
    assert run(*asked, *map(str, COMPOSE))[0] == 0
    (tmp_path / "wrong.yaml").write_text("services: {a: {image: b, port: [80]}}", encoding="utf-8")
    assert run(*asked, str(tmp_path / "wrong.yaml"))[0] == 1


def test_services_are_closed_and_bound_to_this_machine():
    services = {}
    for file in COMPOSE:
        for name, service in yaml.safe_load(file.read_text(encoding="utf-8"))["services"].items():
            services.setdefault(name, {}).update(service)
    server, proxy = services["acclimate"], services["proxy"]
    for closed in (server, proxy):
        assert closed["read_only"] is True
        assert closed["cap_drop"] == ["ALL"]
    for service in services.values():
        assert "no-new-privileges:true" in service["security_opt"]
        assert "privileged" not in service
    assert all(port.startswith("127.0.0.1:") for port in server["ports"])
    assert "ports" not in services["postgres"]
    proxied = yaml.safe_load((DEPLOY / "compose" / "compose.proxy.yaml").read_text())
    assert proxied["networks"]["default"] == {"internal": True}
    assert "networks" not in server  # else it would leave the internal network


def test_no_secret_is_written_down():
    """A password comes from the environment of whoever starts it, and its absence is an error."""
    for file in COMPOSE:
        for name in re.findall(r"\$\{(\w*(?:PASSWORD|KEY|TOKEN)\w*)", file.read_text()):
            assert re.search(rf"\$\{{{name}:\?", file.read_text())
    for file in DEPLOY.rglob("*"):
        if file.is_file():
            assert not re.search(r"acc_[\w-]{20}|BEGIN [A-Z ]*PRIVATE KEY", file.read_text())


def test_settings_that_are_set_exist():
    """Read from the text of every file, also of templates: ACCLIMATE_SECTION__KEY is a key."""
    known = {f"ACCLIMATE_{key.upper().replace('.', '__')}" for key in known_keys()}
    named = {
        name
        for file in [*DEPLOY.rglob("*"), ROOT / "docs" / "running.md"]
        if file.is_file()
        for name in re.findall(r"ACCLIMATE_[A-Z]+__[A-Z_]+", file.read_text(encoding="utf-8"))
    }
    assert len(named) > 5
    assert named <= known


@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="there is no systemd")
def test_the_unit_is_well_formed_and_hardened(tmp_path):
    text = UNIT.read_text(encoding="utf-8")
    here = text.replace("/opt/acclimate/bin/acclimate", "/bin/true")
    assert here != text
    unit = tmp_path / UNIT.name
    unit.write_text(here, encoding="utf-8")
    assert run("systemd-analyze", "verify", "--man=no", str(unit)) == (0, "")
    security = ("systemd-analyze", "security", "--offline=true", "--no-pager")
    assert run(*security, f"--threshold={EXPOSURE}", str(unit))[0] == 0
    unit.write_text(here.replace("ProtectSystem=strict", "ProtectSystems=strict"), encoding="utf-8")
    assert "ProtectSystems" in run("systemd-analyze", "verify", "--man=no", str(unit))[1]


def test_the_schema_of_the_charts_values_is_a_schema(tmp_path):
    chart = DEPLOY / "helm" / "acclimate"
    schema = chart / "values.schema.json"
    assert run(tool("check-jsonschema"), "--check-metaschema", str(schema))[0] == 0
    values = [str(file) for file in sorted((chart / "ci").glob("*.yaml"))]
    # Helm judges values merged with the chart's own; these name alone what the schema requires.
    merged = json.loads(schema.read_text(encoding="utf-8")) | {"required": ["image"]}
    (tmp_path / "schema.json").write_text(json.dumps(merged), encoding="utf-8")
    asked = (tool("check-jsonschema"), "--schemafile", str(tmp_path / "schema.json"))
    assert run(*asked, *values)[0] == 0
