"""`acclimate serve` and `acclimate keys`, as commands."""

import json
import signal

import httpx
import pytest

from acclimate.cli import serve
from acclimate.project import Project
from acclimate.testing.states import STATE_S

from .commands import call


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "documents").mkdir()
    Project.create(tmp_path, tmp_path / "documents").close()
    return tmp_path


def test_keys_are_added_listed_and_removed(folder, capsys):
    code, token, err = call(
        capsys, "keys", "add", "ann", "--scope", "ask", "--scope", "manage", "--label", "hr"
    )
    assert (code, token[:4]) == (0, "acc_")
    assert "cannot be shown again" in err
    _, out, _ = call(capsys, "keys", "list")
    assert out.split()[:3] == ["ann", "ask,", "manage"]
    assert token.strip() not in out + (folder / ".acclimate" / "keys.json").read_text()
    (row,) = json.loads(call(capsys, "keys", "list", "--json")[1])
    assert (row["name"], row["labels"], "sha256" in row) == ("ann", ["hr"], False)
    assert (folder / ".acclimate" / "keys.json").stat().st_mode & 0o077 == 0
    assert call(capsys, "keys", "add", "ann")[0] == 2
    assert call(capsys, "keys", "remove", "ann")[0] == 0
    code, _, err = call(capsys, "keys", "remove", "ann")
    assert (code, "acclimate keys list" in err) == (2, True)


def test_what_the_command_line_leaves_alone_stays_unset(folder):
    """Full answers are longer where nobody set a length."""
    with Project.open(folder) as project:
        before, path = project.settings.model.model_fields_set, project.settings.documents.path
        served = serve._with(project, {"serve": {"port": 0}, "documents": {"watch": True}})
        assert served.settings.model.model_fields_set == before
        assert "max_tokens" not in before
        assert (served.settings.serve.port, served.settings.documents.watch) == (0, True)
        assert served.settings.documents.path == path


def test_a_widgets_key_is_made_for_its_pages(folder, capsys):
    page = ("--widget", "--origin", "HTTPS://Intranet.example:443", "--origin", "http://wiki:8000")
    code, token, err = call(capsys, "keys", "add", "intranet", *page, "--per-minute", "30")
    assert (code, token[:11]) == (0, "acc_widget_")
    assert f'/widget.js" data-key="{token.strip()}" defer></script>' in err
    assert "public" in err
    assert "cannot be shown again" not in err
    (row,) = json.loads(call(capsys, "keys", "list", "--json")[1])
    origins = ["https://intranet.example", "http://wiki:8000"]
    assert row["scopes"] == ["widget"]
    assert row["widget"] == {"origins": origins, "per_minute": 30, "per_address": 20}
    assert "for https://intranet.example, http://wiki:8000" in call(capsys, "keys", "list")[1]


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        (["--widget"], "needs the origin"),
        (["--widget", "--origin", "https://*.example"], "'https://*.example' is not an origin"),
        (["--widget", "--origin", "https://a.example", "--label", "*"], "cannot open every label"),
        (["--widget", "--origin", "https://a.example", "--scope", "ask"], "--scope is not for"),
        (["--origin", "https://a.example"], "--origin needs --widget"),
        (["--per-minute", "60"], "--per-minute needs --widget"),
        (["--per-address", "3"], "--per-address needs --widget"),
        (["--widget", "--origin", "https://a.example", "--per-address", "0"], "0 is not in"),
    ],
)
def test_what_a_widget_may_not_have_is_refused(folder, capsys, arguments, error):
    code, out, err = call(capsys, "keys", "add", "intranet", *arguments)
    assert (code, out) == (2, "")
    assert error in err
    assert call(capsys, "keys", "list")[1] == ""


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        (["--host", "0.0.0.0"], "acclimate keys add NAME"),  # noqa: S104 - it is refused
        (["--host", "no.such.host.invalid"], "acclimate keys add NAME"),
        (["--tls-cert", "cert.pem"], "only one is set"),
        (["--tls-cert", "cert.pem", "--tls-key", "key.pem"], "cannot be used"),
    ],
)
def test_what_would_be_open_or_cannot_be_had_is_refused(folder, capsys, arguments, error):
    code, _, err = call(capsys, "serve", *arguments)
    assert code == 2
    assert error in err


def test_a_port_that_is_taken_is_told(folder, capsys):
    import socket

    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        code, _, err = call(capsys, "serve", "--port", str(other.getsockname()[1]))
    assert code == 2
    assert "--port 0" in err


def test_serve_prints_its_address_and_ends_with_a_signal(folder, start):
    server = start("serve", "--port", "0").until("http://127.0.0.1:").until("\n")
    address = server.said[server.said.index("http://") :].split()[0]
    assert httpx.get(f"{address}/healthz", timeout=STATE_S).json() == {"status": "ok"}
    assert httpx.get(f"{address}/v1/me", timeout=STATE_S).json()["scopes"] == ["ask", "manage"]
    assert server.tell(signal.SIGTERM).ends() == 0
    audit = (folder / ".acclimate" / "audit.log").read_text()
    assert "client=127.0.0.1 key=local GET /v1/me status=200" in audit
