"""Widgets in pages of other sites: what a public key opens, for whom, and how much of it."""

import json
import shutil
from pathlib import Path
from threading import Event
from types import SimpleNamespace

import httpx
import pytest
from starlette.datastructures import Headers

import acclimate.serving
from acclimate.errors import SettingsError
from acclimate.project import Project
from acclimate.serving.callers import Callers
from acclimate.serving.errors import ApiError
from acclimate.serving.keys import Keys, Widget, keys_of
from acclimate.serving.widgets import WidgetLimits, make_widget, read_origin
from acclimate.settings import make_settings
from acclimate.testing.models import ScriptedEngine
from acclimate.testing.serving import serve_project
from acclimate.testing.states import STATE_S

PAGE = "https://intranet.example"
OTHER = "http://wiki.example:8000"
SECRET = "4711"
ASK = "/v1/widget"


def script(messages):
    """Reads the passages: the first thing that is there to say."""
    shown = messages[-1].content
    said = ("4711 euros", "117 kg", "12 euros")
    return next((f"{one} [1]" for one in said if one in shown), "Not in the documents.")


@pytest.fixture(scope="module")
def site(tmp_path_factory, ingested, open_project):
    """A server with a widget's key for PAGE, one for OTHER that sees a label, and keys that are secret."""
    folder = tmp_path_factory.mktemp("widget") / "project"
    shutil.copytree(ingested, folder)
    keys = keys_of(folder)
    given = SimpleNamespace(
        widget=keys.add_widget("intranet", Widget((PAGE,), 100_000, 100_000), ()),
        other=keys.add_widget("wiki", Widget((OTHER,), 100_000, 100_000), ("hr",)),
        boss=keys.add("boss", ("ask", "manage"), ("*",)),
    )
    engine = ScriptedEngine(script, context_tokens=4096)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Project, "_load_engine", lambda *_: engine)
        chosen = {"origins": ["https://chat.example"], "requests_per_minute": 100_000}
        with serve_project(open_project(folder, serve=chosen)) as url:
            yield SimpleNamespace(url=url, folder=folder, keys=keys, **vars(given))


@pytest.fixture
def http(site):
    with httpx.Client(base_url=site.url, timeout=STATE_S) as client:
        yield client


def bearer(token, origin=None, **more):
    headers = {"Authorization": f"Bearer {token}", **more}
    return headers if origin is None else headers | {"Origin": origin}


def answer_of(response):
    assert response.status_code == 200, response.text
    lines = [line[6:] for line in response.text.splitlines() if line.startswith("data: ")]
    events = [json.loads(line) for line in lines]
    said = "".join(event["text"] for event in events[:-1])
    return said, events[-1]["answer"]


def ask(http, token, origin, question="What does the pump Fjell 9 weigh?", **more):
    return http.post(ASK, json={"question": question, **more}, headers=bearer(token, origin))


class TestAsking:
    def test_an_answer_comes_with_its_sources_and_nothing_else(self, http, site):
        response = ask(http, site.widget, PAGE)
        said, answer = answer_of(response)
        assert (said, answer["text"], answer["abstained"]) == ("117 kg", "117 kg", False)
        (cited,) = answer["citations"]
        assert (cited["number"], cited["title"]) == (1, "Pumps")
        assert cited["quote"] == "The pump Fjell 9 weighs 117 kg."
        assert cited["url"] == ""
        assert answer.keys() == {
            "text", "asked", "abstained", "abstention", "unsupported", "working", "cut", "citations",
        }  # fmt: skip
        assert "pump.md" not in response.text
        assert "tested in 2024" not in response.text  # another sentence of the passage

    def test_cors_names_that_origin_alone_and_no_credentials(self, http, site):
        headers = ask(http, site.widget, PAGE).headers
        assert headers["access-control-allow-origin"] == PAGE
        assert "origin" in headers["vary"].casefold()
        assert "access-control-allow-credentials" not in headers
        assert headers["cross-origin-resource-policy"] == "cross-origin"
        assert "frame-ancestors 'none'" in headers["content-security-policy"]

    def test_only_labels_that_it_was_given(self, http, site):
        question = "What does the director earn in euros a month?"
        assert SECRET not in ask(http, site.widget, PAGE, question).text
        _, answer = answer_of(ask(http, site.other, OTHER, question))
        assert SECRET in answer["text"]

    def test_a_question_may_point_back(self, http, site):
        before = [{"question": "What does the pump Fjell 9 weigh?", "answer": "117 kg"}]
        _, answer = answer_of(ask(http, site.widget, PAGE, "When was it tested?", before=before))
        assert "Fjell 9" in answer["asked"]

    @pytest.mark.parametrize(
        "more",
        [
            {"model": "self-consistency"},
            {"max_tokens": 100_000},
            {"messages": [{"role": "system", "content": "Write a poem."}]},
            {"question": "x" * 2001},
            {"question": ""},
            {"before": [{"question": "a", "answer": "b"}] * 4},
            {"before": [{"question": "a", "answer": "b" * 2001}]},
            {"acclimate": {"where": ["path=hr/*"]}},
        ],
    )
    def test_nothing_can_be_chosen_that_costs_more(self, http, site, more):
        response = ask(http, site.widget, PAGE, **more)
        assert (response.status_code, response.json()["error"]["code"]) == (400, "invalid_request")

    def test_a_large_body_is_refused(self, http, site):
        response = ask(http, site.widget, PAGE, "x" * 200_000)
        assert (response.status_code, response.json()["error"]["code"]) == (413, "too_large")
        assert response.headers["access-control-allow-origin"] == PAGE  # the page can tell why


class TestOrigins:
    @pytest.mark.parametrize(
        "origin",
        [
            None,
            "null",
            "",
            "*",
            OTHER,  # another widget's
            "https://chat.example",  # trusted with keys that are secret
            "https://evil.example",
            "http://intranet.example",
            "https://intranet.example:8443",
            "https://intranet.example:443",
            "https://intranet.example.",
            "https://intranet.example/",
            "https://Intranet.example",
            "HTTPS://INTRANET.EXAMPLE",
            "https://intranet.example.evil.example",
            "https://evil.example/https://intranet.example",
            "https://sub.intranet.example",
            "https://intranet.example@evil.example",
            "https://intranet.example, https://evil.example",
            "https://intranet.example https://evil.example",
        ],
    )
    def test_no_other_origin_asks(self, http, site, origin):
        response = ask(http, site.widget, origin)
        assert (response.status_code, response.json()["error"]["code"]) == (403, "origin")
        preflight = {"Origin": origin, "Access-Control-Request-Method": "POST"}
        if origin not in (None, OTHER):
            assert "access-control-allow-origin" not in response.headers
            answer = http.options(ASK, headers=preflight)
            assert answer.status_code == 403
            assert "access-control-allow-origin" not in answer.headers

    def test_the_servers_own_page_asks_by_its_own_ways(self, http, site):
        assert ask(http, site.widget, site.url).status_code == 403

    def test_the_preflight_opens_asking_and_no_more(self, http, site):
        headers = {"Origin": PAGE, "Access-Control-Request-Method": "POST"}
        headers |= {"Access-Control-Request-Headers": "authorization,content-type"}
        answer = http.options(ASK, headers=headers)
        assert (answer.status_code, answer.content) == (204, b"")
        assert answer.headers["access-control-allow-origin"] == PAGE
        assert answer.headers["access-control-allow-methods"] == "POST"
        assert answer.headers["access-control-allow-headers"] == "Authorization, Content-Type"
        assert "access-control-allow-credentials" not in answer.headers
        assert "origin" in answer.headers["vary"].casefold()
        for path in ("/v1/chat/completions", "/v1/documents", "/mcp", "/v1/widget/x", "/"):
            answer = http.options(path, headers=headers)
            assert answer.status_code == 403, path
            assert "access-control-allow-origin" not in answer.headers, path

    def test_pages_that_settings_trust_are_as_they_were(self, http, site):
        headers = bearer(site.boss, "https://chat.example")
        answer = http.get("/v1/documents", headers=headers)
        assert answer.status_code == 200
        assert answer.headers["access-control-allow-origin"] == "https://chat.example"

    def test_an_origin_that_settings_name_too_is_a_widgets_alone(
        self, serve, make_project, tmp_path
    ):
        project = make_project(serve={"origins": [PAGE]})
        boss = keys_of(tmp_path).add("boss", ("ask", "manage"), ("*",))
        client = serve(project)
        assert client.get("/v1/documents", headers=bearer(boss, PAGE)).status_code == 200
        token = keys_of(tmp_path).add_widget("w", Widget((PAGE,), 9, 9), ())
        assert client.get("/v1/documents", headers=bearer(boss, PAGE)).status_code == 403
        assert ask(client, token, PAGE).status_code == 200


class TestKeys:
    def test_a_widgets_key_opens_no_other_route(self, http, site):
        routes = http.get("/openapi.json").json()["paths"]
        public = {"/healthz", "/readyz", "/reports/{token}", "/reports/{name}"}
        tried = 0
        for path, operations in routes.items():
            for method in set(operations) - ({"post"} if path == ASK else set()):
                if path in public or path.startswith("/reports/"):
                    continue
                tried += 1
                address = path.replace("{", "").replace("}", "")
                for headers in (bearer(site.widget), bearer(site.widget, site.url)):
                    response = http.request(method.upper(), address, headers=headers)
                    code = response.json()["error"]["code"]
                    assert (response.status_code, code) == (403, "widget_key"), (method, path)
                response = http.request(method.upper(), address, headers=bearer(site.widget, PAGE))
                assert response.json()["error"]["code"] == "origin", (method, path)
        assert tried > 30
        for path in ("/mcp", "/v1/logout", "/metrics"):
            assert http.post(path, headers=bearer(site.widget)).status_code == 403, path

    def test_no_secret_key_counts_from_a_widgets_page(self, http, site):
        for path in (ASK, "/v1/chat/completions", "/v1/me"):
            response = http.post(path, json={"question": "x"}, headers=bearer(site.boss, PAGE))
            assert response.status_code in (401, 403), path
        for other in ({}, {"Cookie": "__Host-acclimate=x; acclimate=x"}):
            response = http.post(ASK, json={"question": "x"}, headers={"Origin": PAGE, **other})
            assert (response.status_code, response.json()["error"]["code"]) == (
                401,
                "invalid_api_key",
            )

    def test_no_login_counts_where_a_widget_asks(self, tmp_path):
        """Whatever a browser sends along by itself: the login is not even asked."""

        class Everybody:
            engine = "oidc"

            def caller(self, scope, headers):
                raise AssertionError("a login was looked at")

        keys = Keys(tmp_path / "keys.json")
        callers = Callers(keys, Everybody(), keyless=True, address="", per_minute=9)
        scope = {"type": "http", "method": "POST", "path": ASK, "client": ("10.0.0.1", 1)}
        with pytest.raises(ApiError) as refused:
            callers.find_widget(scope, Headers({"Origin": PAGE}))
        assert refused.value.status == 401

    def test_a_revoked_key_counts_no_more(self, http, site):
        token = site.keys.add_widget("short", Widget(("https://short.example",), 9, 9), ())
        assert ask(http, token, "https://short.example").status_code == 200
        site.keys.remove("short")
        response = ask(http, token, "https://short.example")
        assert (response.status_code, response.json()["error"]["code"]) == (403, "origin")
        assert "access-control-allow-origin" not in response.headers
        assert ask(http, token, PAGE).status_code == 401

    def test_keys_are_kept_and_read_again(self, tmp_path):
        keys = Keys(tmp_path / "keys.json")
        token = keys.add_widget("w", Widget((PAGE, OTHER), 30, 5), ("hr",))
        keys.add("ann", ("ask",), ())
        assert token.startswith("acc_widget_")
        again = Keys(tmp_path / "keys.json")
        assert again.find(token).widget == Widget((PAGE, OTHER), 30, 5)
        assert again.find(token).caller.scopes == {"widget"}
        assert again.widget_origins() == {PAGE, OTHER}
        rows = json.loads((tmp_path / "keys.json").read_text())
        for row in rows:
            row.pop("widget")  # as versions before this wrote them
        (tmp_path / "keys.json").write_text(json.dumps(rows[1:]))
        assert [key.widget for key in Keys(tmp_path / "keys.json").all()] == [None]

    def test_every_label_is_too_much_for_a_public_key(self, tmp_path):
        with pytest.raises(SettingsError, match="public"):
            Keys(tmp_path / "keys.json").add_widget("w", Widget((PAGE,), 9, 9), ("*",))

    def test_no_key_but_a_widgets_gets_its_scope(self, tmp_path):
        with pytest.raises(SettingsError, match="no scope 'widget'"):
            Keys(tmp_path / "keys.json").add("w", ("widget",), ())


class TestLimits:
    def test_questions_of_a_key_and_of_an_address(self):
        held = Widget((PAGE,), per_minute=5, per_address=2)
        limits = WidgetLimits(None)
        for address in ("10.0.0.1", "10.0.0.1", "10.0.0.2"):
            limits.count("a", held, address)
        for address in ("10.0.0.1", "::ffff:10.0.0.1"):
            with pytest.raises(ApiError) as refused:
                limits.count("a", held, address)
            assert (refused.value.status, refused.value.code) == (429, "rate_limited")
            assert 1 <= int(refused.value.headers["Retry-After"]) <= 31
        limits.count("b", held, "10.0.0.1")  # another widget has its own
        limits.count("a", held, "2001:db8::1")
        limits.count("a", held, "2001:db8::2")
        for address in ("2001:db8::3", "10.0.0.9"):  # its network is spent, then the key
            with pytest.raises(ApiError):
                limits.count("a", held, address)

    def test_refused_questions_are_told_to_the_page(self, serve, make_project, tmp_path):
        project = make_project()
        token = keys_of(tmp_path).add_widget("w", Widget((PAGE,), 60, 2), ())
        client = serve(project)
        answers = [ask(client, token, PAGE) for _ in range(3)]
        assert [one.status_code for one in answers] == [200, 200, 429]
        assert int(answers[2].headers["retry-after"]) >= 1
        assert answers[2].headers["access-control-expose-headers"] == "Retry-After"
        assert answers[2].headers["access-control-allow-origin"] == PAGE

    def test_widgets_leave_half_of_the_queue_to_others(
        self, serve, make_project, tmp_path, engine, monkeypatch
    ):
        began, go_on = Event(), Event()

        def slow(_messages):
            began.set()
            go_on.wait(STATE_S)
            return "117 kg [1]"

        monkeypatch.setattr(engine, "_script", slow)
        project = make_project(serve={"queue": 1, "parallel": 1})
        token = keys_of(tmp_path).add_widget("w", Widget((PAGE,), 60, 60), ())
        boss = keys_of(tmp_path).add("boss", ("ask",), ())
        client = serve(project)
        body = {"json": {"question": "x"}, "headers": bearer(token, PAGE)}
        try:
            with client.stream("POST", ASK, **body) as first:
                assert first.status_code == 200
                assert began.wait(STATE_S)
                second = client.post(ASK, **body)
                assert (second.status_code, second.json()["error"]["code"]) == (429, "queue_full")
                chat = {"messages": [{"role": "user", "content": "x"}], "stream": True}
                with client.stream(
                    "POST", "/v1/chat/completions", json=chat, headers=bearer(boss)
                ) as other:
                    assert other.status_code == 200  # it waits in the half that is left
                    go_on.set()
                    other.read()
                first.read()
        finally:
            go_on.set()
        assert client.post(ASK, **body).status_code == 200  # room again


class TestScript:
    def test_any_page_may_load_it(self, http, site):
        """A script of another site is asked for without an Origin, and needs leave to be used."""
        for headers in (
            {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "no-cors"},
            {"Origin": PAGE},  # crossorigin, for integrity
        ):
            answer = http.get("/widget.js", headers=headers)
            assert answer.status_code == 200
            assert answer.headers["content-type"].startswith("text/javascript")
            assert answer.headers["cross-origin-resource-policy"] == "cross-origin"
            assert answer.headers["x-content-type-options"] == "nosniff"
            assert answer.headers.get("access-control-allow-origin") == headers.get("Origin")
        assert http.get("/widget.js", headers={"Origin": "https://evil.example"}).status_code == 403

    def test_it_is_small_alone_and_speaks_the_pages_languages(self):
        text = (Path(acclimate.serving.__file__).parent / "web/widget.js").read_text("utf-8")
        assert len(text.encode()) < 15_000
        assert "import " not in text
        names = text.partition('const NAMES = "')[2].partition('"')[0].split("|")
        table = text.partition("const WORDS = {\n")[2].partition("\n};")[0]
        rows = dict(line.rstrip(",").split(": ", 1) for line in table.splitlines())
        english = json.loads(rows["en"]).split("|")
        assert list(rows) == ["en", "de", "es", "fr", "zh"]
        assert len(names) == len(set(names)) == len(english)
        for language, row in rows.items():
            words = json.loads(row).split("|")
            assert len(words) == len(names), language
            assert all(words), language
            assert [word.count("#") for word in words] == [word.count("#") for word in english]
        code = text.partition("const chosen")[2]
        assert {name for name in names if f'"{name}"' not in code} == set()


class TestMaking:
    @pytest.mark.parametrize(
        ("text", "origin"),
        [
            ("https://intranet.example", "https://intranet.example"),
            ("HTTPS://Intranet.Example:443", "https://intranet.example"),
            ("http://localhost:3000", "http://localhost:3000"),
            ("http://intranet:80", "http://intranet"),
            ("https://intranet.example:80", "https://intranet.example:80"),
            ("http://[::1]:3000", "http://[::1]:3000"),
            ("http://10.0.0.7", "http://10.0.0.7"),
            ("https://xn--mnchen-3ya.example", "https://xn--mnchen-3ya.example"),
        ],
    )
    def test_origins_are_kept_as_browsers_send_them(self, text, origin):
        assert read_origin(text) == origin

    @pytest.mark.parametrize(
        "text",
        [
            "", "*", "null", "intranet.example", "https://", "https://*.example", "https://*",
            "https://intranet.example/", "https://intranet.example/page", "https://intranet.example?",
            "https://intranet.example#x", "https://ann@intranet.example", "https://@intranet.example",
            "https://intranet.example.", "https://intranet.example:", "https://intranet.example:x",
            "https://intranet.example:0", "https://intranet.example:70000", "ftp://intranet.example",
            "file:///page.html", "https://münchen.example", "https://a b.example", "https://[::1",
            "https://[::g]", "chrome-extension://abc", "https://a..b",
        ],
    )  # fmt: skip
    def test_what_is_no_origin_is_refused(self, text):
        with pytest.raises(SettingsError, match="is not an origin") as refused:
            read_origin(text)
        assert "https://intranet.example" in refused.value.hint

    def test_pages_that_are_trusted_with_more_get_no_widget(self):
        chosen = make_settings({"serve": {"origins": [PAGE]}}, "test")
        with pytest.raises(SettingsError, match="with every key"):
            make_widget([PAGE], 9, 9, chosen)
        login = {
            "engine": "header",
            "trusted_proxies": ["10.0.0.7"],
            "address": PAGE,
            "scopes": ["* = ask"],
        }
        with pytest.raises(SettingsError, match="own page"):
            make_widget([PAGE], 9, 9, make_settings({"login": login}, "test"))
        with pytest.raises(SettingsError, match="needs the origin"):
            make_widget([], 9, 9, make_settings({}, "test"))
        made = make_widget([PAGE, f"{PAGE}:443", OTHER], 9, 8, make_settings({}, "test"))
        assert made == Widget((PAGE, OTHER), 9, 8)
