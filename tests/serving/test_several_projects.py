"""Several projects in one server: what is each one's own, what is told where one is missing, and what a caller sees of
the others."""

import asyncio
import logging
import shutil
import threading
from contextlib import ExitStack
from types import SimpleNamespace

import httpx
import httpx2
import pytest
from mcp.client.client import Client
from mcp.client.streamable_http import streamable_http_client

from acclimate.errors import ProjectError, SettingsError
from acclimate.project import Project
from acclimate.serving import app
from acclimate.serving.keys import keys_of
from acclimate.serving.oidc_login import OidcLogin
from acclimate.serving.server import Server
from acclimate.serving.several import open_site, read_places
from acclimate.serving.turns import Turns
from acclimate.settings import make_settings
from acclimate.settings_sections import LoginSettings
from acclimate.testing.login import CLIENT, SECRET, serve_provider
from acclimate.testing.models import ScriptedEngine
from acclimate.testing.serving import asked, serve_project
from acclimate.testing.states import STATE_S, wait_until

ROUTES = ("v1/me", "v1/documents", "v1/models", "v1/conversations", "v1/jobs", "metrics")


def bearer(folder, name, *scopes, labels=()):
    return {"Authorization": f"Bearer {keys_of(folder).add(name, scopes or ('ask',), labels)}"}


@pytest.fixture(scope="module")
def start(ingested, open_project, tmp_path_factory):
    """Starts a server of projects with these settings, by name, and gives it: `url`, `folders`, `told` (what was said
    of those that are not served), `get` and `post`; all end with the module."""
    engine = ScriptedEngine(lambda messages: "12 euros [1]", context_tokens=4096)
    with ExitStack() as stack:
        patch = stack.enter_context(pytest.MonkeyPatch.context())
        patch.setattr(Project, "_load_engine", lambda *_: engine)

        def run(settings, prepare=lambda folder: None, missing=()):
            top = tmp_path_factory.mktemp("several")
            folders = {name: top / name for name in (*settings, *missing)}
            for name in settings:
                shutil.copytree(ingested, folders[name])
                prepare(folders[name])
            told = {}

            def opened(name, folder, shelf):
                if name in missing:
                    raise ProjectError(f"{folder} is not a project.")
                return open_project(folder, **settings[name])

            site = open_site(folders, told.__setitem__, opened)
            url = stack.enter_context(serve_project(site))
            client = stack.enter_context(httpx.Client(base_url=url, timeout=STATE_S))
            return SimpleNamespace(
                url=url, folders=folders, told=told, get=client.get, post=client.post, client=client
            )

        yield run


@pytest.fixture(scope="module")
def site(start):
    """Projects "a" and "b", each with the keys "asks" and "manages", and "c", which is not there."""
    kept = {"serve": {"conversations": "kept"}}
    keys = {}

    def prepare(folder):
        keys[folder.name] = (
            bearer(folder, "asks"),
            bearer(folder, "manages", "ask", "manage", labels=["*"]),
        )

    found = start({"a": kept, "b": kept}, prepare, missing=["c"])
    found.asks = {name: pair[0] for name, pair in keys.items()}
    found.manages = {name: pair[1] for name, pair in keys.items()}
    return found


@pytest.mark.parametrize("route", ROUTES)
def test_a_key_opens_its_own_project_alone(site, route):
    assert site.get(f"/p/a/{route}", headers=site.manages["a"]).status_code == 200
    assert site.get(f"/p/b/{route}", headers=site.manages["b"]).status_code == 200
    for name, other in ("ab", "ba"):
        assert site.get(f"/p/{name}/{route}", headers=site.manages[other]).status_code == 401
        assert site.get(f"/p/{name}/{route}").status_code == 401
    assert site.get(f"/{route}", headers=site.manages["a"]).status_code == 404


@pytest.mark.parametrize(
    "path",
    ["/p/b/../a/v1/me", "/p/b/%2e%2e/a/v1/me", "/p/b//p/a/v1/me", "//p/a/v1/me", "/p/b/p/a/v1/me"],
)
def test_no_spelling_of_a_path_takes_one_key_to_another_project(site, path):
    with httpx.Client(timeout=STATE_S) as client:
        url = httpx.URL(site.url).copy_with(raw_path=path.encode())
        found = client.send(client.build_request("GET", url, headers=site.manages["b"]))
    assert found.status_code in (401, 404)


def test_what_is_asked_kept_and_shared_stays_in_its_project(site):
    asks = site.asks
    made = site.post("/p/a/v1/conversations", headers=asks["a"]).json()["id"]
    body = asked("What does a filter cost?", acclimate={"conversation": made})
    answer = site.post("/p/a/v1/chat/completions", json=body, headers=asks["a"]).json()
    assert answer["choices"][0]["message"]["content"].startswith("12 euros")
    link = site.post(f"/p/a/v1/conversations/{made}/link", headers=asks["a"]).json()["link"]
    thumb = {"id": answer["id"], "right": True}
    for name, status in (("b", 404), ("a", 200)):
        assert (
            site.get(f"/p/{name}/v1/conversations/{made}", headers=asks[name]).status_code == status
        )
        assert site.get(f"/p/{name}/v1/shared/{link}", headers=asks[name]).status_code == status
        assert site.post(
            f"/p/{name}/v1/feedback", json=thumb, headers=asks[name]
        ).status_code == status + (name == "a")


def test_what_is_uploaded_lies_in_its_project(site):
    files = {"file": ("valve.md", b"# Valves\n\nA valve costs 3 euros.\n")}
    job = site.post("/p/b/v1/documents", files=files, headers=site.manages["b"])
    assert job.status_code == 202
    one = f"v1/jobs/{job.json()['job']}"
    assert site.get(f"/p/a/{one}", headers=site.manages["a"]).status_code == 404
    wait_until(
        lambda: site.get(f"/p/b/{one}", headers=site.manages["b"]).json()["state"] == "done",
        "the ingest",
    )
    held = {
        name: {
            row["path"]
            for row in site.get(f"/p/{name}/v1/documents", headers=site.asks[name]).json()["data"]
        }
        for name in "ab"
    }
    assert held["b"] - held["a"] == {"valve.md"}
    assert not (site.folders["a"] / "documents" / "valve.md").exists()


def test_addresses_hold_below_the_prefix(site):
    moved = site.get("/p/a")
    assert (moved.status_code, moved.headers["location"]) == (308, "/p/a/")
    assert "script" in site.get("/p/a/").text
    assert site.get("/p/a/web/js/main.js").status_code == 200
    assert site.get("/p/a/openapi.json").json()["servers"] == [{"url": "/p/a"}]
    kept = site.folders["a"] / ".acclimate" / "comparisons"
    kept.mkdir(exist_ok=True)
    (kept / "one.html").write_text("<h1>Report</h1>")
    report = site.post("/p/a/v1/comparisons/one/link", headers=site.manages["a"]).json()["url"]
    assert report.startswith("/p/a/reports/")
    assert "Report" in site.get(report).text
    assert site.get(report.replace("/p/a/", "/p/b/")).status_code == 404
    missing = site.get("/p/a/v1/nothing", headers=site.manages["a"]).json()["error"]["message"]
    assert "/p/a/openapi.json" in missing
    assert site.get("/p/a/v1/me", headers=site.asks["a"]).json()["project"] == "a"
    every = site.get("/p/a/v1/me").headers
    assert "script-src 'self'" in every["content-security-policy"]


def test_mcp_is_each_projects_own(site):
    async def use(name, key):
        async with httpx2.AsyncClient(headers=key, timeout=STATE_S, trust_env=False) as web:
            transport = streamable_http_client(f"{site.url}/p/{name}/mcp", http_client=web)
            async with Client(transport) as client:
                return await client.call_tool("search", {"query": "filter"})

    assert "12 euros" in asyncio.run(use("a", site.asks["a"])).content[0].text
    body = {"jsonrpc": "2.0", "id": 1, "method": "tools/list", "params": {}}
    assert site.post("/p/a/mcp", json=body, headers=site.asks["b"]).status_code == 401


def test_figures_and_logs_name_the_project(site, caplog):
    def logged():
        return {(one.name, one.getMessage().split(" ms=")[0]) for one in caplog.records}

    expected = {
        ("acclimate.audit.a", "client=127.0.0.1 key=manages GET /metrics status=200"),
        ("acclimate.audit.b", "client=127.0.0.1 key=- GET - status=401"),
    }
    with caplog.at_level(logging.INFO, logger="acclimate.audit"):
        figures = site.get("/p/a/metrics", headers=site.manages["a"]).text
        site.get("/p/b/v1/me")
        wait_until(lambda: expected <= logged(), "the lines of the log")  # they follow answers
    lines = [line for line in figures.splitlines() if line and not line.startswith("#")]
    assert len(lines) > 20
    assert all('project="a"' in line for line in lines)


def seen(site, **headers):
    return [row["id"] for row in site.get("/v1/projects", headers=headers).json()["data"]]


def test_the_list_has_what_a_caller_may_see(site):
    assert seen(site) == []
    assert seen(site, **site.asks["a"]) == ["a"]
    assert seen(site, **site.manages["b"]) == ["b"]
    page = site.get("/")
    assert "projects.js" in page.text
    assert page.headers["content-security-policy"].startswith("default-src 'none'")
    for headers in (
        {"Host": "evil.example"},
        {"Origin": "https://evil.example"},
        {"Sec-Fetch-Site": "cross-site"},
    ):
        assert site.get("/v1/projects", headers=headers).status_code in (403, 421)
    wrong = {"Authorization": "Bearer acc_wrong"}
    codes = [site.get("/v1/projects", headers=wrong).status_code for _ in range(12)]
    assert (codes[0], codes[-1]) == (200, 429)


def test_one_that_is_missing_is_told_and_costs_no_other(site):
    assert list(site.told) == ["c"]
    gone = site.get("/p/c/v1/me")
    assert (gone.status_code, gone.json()["error"]["code"]) == (503, "project_failed")
    assert str(site.folders["c"]) not in gone.text
    assert site.get("/p/c/").status_code == site.post("/p/c/mcp").status_code == 503
    unknown = site.get("/p/d/v1/me")
    assert (unknown.status_code, unknown.json()["error"]["code"]) == (404, "project_not_found")
    assert site.get("/healthz").json() == {"status": "ok"}
    wait_until(lambda: site.get("/readyz").status_code == 200, "readiness")
    assert site.get("/readyz").json() == {"status": "ready", "projects": {"ready": 2, "failed": 1}}
    assert site.get("/p/a/readyz").json() == {"status": "ready"}


def test_what_everyone_may_ask_and_what_says_so_is_listed(start):
    def prepare(folder):
        if folder.name != "open":
            bearer(folder, "asks")

    login = {"engine": "header", "trusted_proxies": ["127.0.0.1"], "scopes": ["staff = ask"]}
    found = start(
        {
            "open": {},
            "closed": {},
            "listed": {"serve": {"listed": True}},
            "people": {"login": login},
        },
        prepare,
    )
    assert seen(found) == ["open", "listed"]
    ann = {"X-Forwarded-User": "ann", "X-Forwarded-Groups": "staff"}
    assert seen(found, **ann) == ["open", "listed", "people"]
    assert seen(found, **ann | {"X-Forwarded-Groups": "guests"}) == ["open", "listed"]
    assert found.get("/p/people/v1/me", headers=ann).json()["name"] == "ann"
    assert found.get("/p/closed/v1/me", headers=ann).status_code == 401
    assert found.get("/p/listed/v1/me").status_code == 401


def test_a_project_that_cannot_start_is_told_and_the_others_serve(start, monkeypatch):
    class Broken(app.Watcher):
        def __init__(self, project, jobs):
            raise OSError("the folder is gone")

    monkeypatch.setattr(app, "Watcher", Broken)
    found = start({"a": {}, "b": {"documents": {"watch": True}}})
    assert found.get("/p/a/v1/me").status_code == 200
    assert found.get("/p/b/v1/me").status_code == 503
    wait_until(lambda: found.get("/readyz").status_code == 200, "readiness")
    assert found.get("/readyz").json()["projects"] == {"ready": 1, "failed": 1}


def test_a_model_that_cannot_be_loaded_keeps_the_others_ready(start, monkeypatch):
    def load(project, _adapter):
        if project.folder.name == "b":
            raise ProjectError("no model")
        return ScriptedEngine(lambda messages: "12 euros [1]", context_tokens=4096)

    monkeypatch.setattr(Project, "_load_engine", load)
    found = start({"a": {}, "b": {}})
    wait_until(lambda: found.get("/readyz").status_code == 200, "readiness")
    wait_until(lambda: found.get("/p/b/readyz").json() == {"status": "failed"}, "the failure")
    assert found.get("/p/b/readyz").status_code == 503


def test_answers_of_all_projects_take_turns(start, monkeypatch):
    writing, most, lock = [], [], threading.Lock()
    both = threading.Event()

    def script(messages):
        with lock:
            writing.append(1)
            most.append(len(writing))
        both.wait(0.05)  # never set: a second answer would have the time to begin
        with lock:
            writing.pop()
        return "12 euros [1]"

    monkeypatch.setattr(
        Project, "_load_engine", lambda *_: ScriptedEngine(script, context_tokens=4096)
    )
    found = start({"a": {}, "b": {}})
    codes = []

    def ask(name):
        sent = httpx.post(
            f"{found.url}/p/{name}/v1/chat/completions", json=asked("filter"), timeout=STATE_S
        )
        codes.append(sent.status_code)

    threads = [threading.Thread(target=ask, args=(name,)) for name in "abab"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(STATE_S)
    assert codes == [200] * 4
    assert max(most) == 1


def test_who_waits_for_a_turn_comes_before_who_has_just_had_one():
    turns, order = Turns(1), []

    def come(name):
        with turns:
            order.append(name)

    with turns:
        threads = [threading.Thread(target=come, args=(name,)) for name in "ab"]
        for number, thread in enumerate(threads, start=1):
            thread.start()
            wait_until(lambda number=number: len(turns._waiting) == number, "its waiting")
    with turns:
        order.append("again")
    for thread in threads:
        thread.join(STATE_S)
    assert order == ["a", "b", "again"]


def test_each_project_has_its_own_rate(start):
    found = start(
        {"a": {"serve": {"requests_per_minute": 1}}, "b": {}}, lambda folder: bearer(folder, "x")
    )
    keys = {name: bearer(found.folders[name], "one") for name in "ab"}
    assert [found.get("/p/a/v1/me", headers=keys["a"]).status_code for _ in range(2)] == [200, 429]
    assert found.get("/p/b/v1/me", headers=keys["b"]).status_code == 200


@pytest.fixture(scope="module")
def people(start, free_port):
    """Projects "a" and "b", at which people log in by one provider."""
    port = free_port()
    with pytest.MonkeyPatch.context() as patch, serve_provider() as provider:
        patch.setenv("OIDC_CLIENT_SECRET", SECRET)
        provider.who = {"sub": "ann", "preferred_username": "Ann", "groups": ["staff"]}
        login = {
            "engine": "oidc",
            "issuer": provider.issuer,
            "client_id": CLIENT,
            "address": f"http://127.0.0.1:{port}",
            "scopes": ["staff = ask"],
        }
        one = {"serve": {"port": port, "conversations": "kept"}, "login": login}
        yield start({"a": one, "b": one})


def log_in(client, name, then):
    begun = client.get(f"/p/{name}/login", params={"then": then})
    assert begun.status_code == 303, begun.text
    return client.get(httpx.get(begun.headers["location"]).headers["location"])


def test_a_session_is_for_its_project_alone(people):
    with httpx.Client(base_url=people.url, timeout=STATE_S) as ann:
        told = ann.get("/p/a/v1/me").json()["error"]
        assert (told["code"], "/p/a/login" in told["message"]) == ("login_oidc", True)
        done = log_in(ann, "a", "/p/a/#/documents")
        assert done.headers["location"] == f"{people.url}/p/a/#/documents"
        session = next(one for one in ann.cookies.jar if one.name == "acclimate-a")
        assert session.path == "/p/a/"
        assert ann.get("/p/a/v1/me").json()["name"] == "Ann"
        assert ann.get("/p/b/v1/me").status_code == 401
        for name in ("acclimate-a", "acclimate-b", "acclimate"):
            stolen = {"Cookie": f"{name}={session.value}"}
            assert httpx.get(f"{people.url}/p/b/v1/me", headers=stolen).status_code == 401
        change = f"{people.url}/p/a/v1/conversations"
        assert ann.post(change).status_code == 403
        assert ann.post(change, headers={"Origin": "https://evil.example"}).status_code == 403
        assert ann.post(change, headers={"Origin": people.url}).status_code == 201
        assert ann.post("/p/b/v1/logout", headers={"Origin": people.url}).status_code == 401
        assert ann.get("/p/a/v1/me").status_code == 200
        log_in(ann, "b", "/")
        assert ann.post("/p/b/v1/logout", headers={"Origin": people.url}).status_code == 200
        assert (ann.get("/p/a/v1/me").status_code, ann.get("/p/b/v1/me").status_code) == (200, 401)


@pytest.mark.parametrize("then", ["/", "/p/b/#/documents", "/p/ab/", "//evil.example/", "/p/a"])
def test_a_login_leads_to_its_own_project_only(people, then):
    with httpx.Client(base_url=people.url, timeout=STATE_S) as ann:
        assert log_in(ann, "a", then).headers["location"] == f"{people.url}/p/a/"


def test_a_login_that_was_begun_at_one_project_does_not_end_at_another(people):
    with httpx.Client(base_url=people.url, timeout=STATE_S) as ann:
        begun = ann.get("/p/a/login")
        back = httpx.get(begun.headers["location"]).headers["location"]
        assert back.startswith(f"{people.url}/p/a/login/callback")
        wrong = ann.get(back.replace("/p/a/", "/p/b/"))
        assert wrong.headers["location"] == f"{people.url}/p/b/#/login/state"


def test_cookies_over_https_are_kept_to_the_project():
    address = "https://docs.example.org"
    chosen = LoginSettings(
        engine="oidc",
        issuer="https://login.example.org",
        client_id="x",
        address=address,
        scopes=("staff = ask",),
    )
    one, alone = OidcLogin(chosen, address, "a"), OidcLogin(chosen, address)
    assert (one.session, alone.session) == ("__Secure-acclimate-a", "__Host-acclimate")
    one.close()
    alone.close()


def test_names_are_read_from_arguments(tmp_path):
    for name in ("legal", "x"):
        (tmp_path / name).mkdir()
    found = read_places([str(tmp_path / "legal"), f"Prices_2={tmp_path / 'x'}"])
    assert found == {"legal": tmp_path / "legal", "Prices_2": tmp_path / "x"}
    assert read_places([f"{tmp_path}/a=b/legal"]) == {"legal": tmp_path / "a=b" / "legal"}


@pytest.mark.parametrize("name", ["", "two words", "ü", ".", "..", "-x", "a.b", "x" * 65, "a%2fb"])
def test_what_cannot_be_a_name_is_refused(tmp_path, name):
    with pytest.raises(SettingsError, match="cannot be a project's name"):
        read_places([f"{name}={tmp_path}"])


@pytest.mark.parametrize(
    ("second", "said"),
    [
        ("other/legal", "two projects would be called 'legal'"),
        ("LEGAL=other", "two projects would be called 'LEGAL'"),
        ("more=legal", "'legal' and 'more' are the same folder"),
        ("more=", "names no folder"),
    ],
)
def test_two_of_a_name_or_a_folder_are_refused(tmp_path, monkeypatch, second, said):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SettingsError, match=said):
        read_places(["legal", second])


def test_a_folder_below_a_project_is_none(tmp_path):
    (tmp_path / "documents").mkdir()
    Project.create(tmp_path, tmp_path / "documents").close()
    told = {}
    with pytest.raises(ProjectError, match="none of the projects can be served: below, gone"):
        open_site({"below": tmp_path / "documents", "gone": tmp_path / "gone"}, told.__setitem__)
    assert [str(error).partition(" is not a project")[0] for error in told.values()] == [
        str(tmp_path / "documents"),
        str(tmp_path / "gone"),
    ]


def opened_as(**serve):
    """Opens each project with the `[serve]` settings of its name."""
    return lambda name, folder, shelf: Project(
        folder, make_settings({"serve": serve[name]}, "test"), shelf=shelf
    )


def test_projects_that_listen_elsewhere_are_not_served_together(tmp_path):
    folders = {name: tmp_path / name for name in "ab"}
    with pytest.raises(
        SettingsError, match=r"'a' and 'b' do not listen alike.*port is '1' and '2'"
    ) as told:
        open_site(folders, lambda *_: None, opened_as(a={"port": 1}, b={"port": 2}))
    assert told.value.hint == "acclimate serve --port"


def test_one_that_would_be_open_to_others_is_not_served(tmp_path):
    folders = {name: tmp_path / name for name in "ab"}
    keys_of(folders["a"]).add("one", ["ask"], [])
    told, here = {}, {"hosts": ["docs.example.org"], "port": 0, "drain_seconds": 1.0}
    site = open_site(folders, told.__setitem__, opened_as(a=here, b=here | {"drain_seconds": 9.0}))
    assert "would be open to everyone" in str(told["b"])
    server = Server(site, print)
    assert server._drain_s == 1.0
    server._listening.close()
