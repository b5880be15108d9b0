"""Attacks that must fail, against a real server with keys. docs/security.md says which hole elsewhere each is about."""

import io
import json
import logging
import re
import shutil
import socket
import ssl
import threading
import time
import zipfile
from types import SimpleNamespace

import httpx
import pytest
import trustme

from acclimate.project import Project
from acclimate.serving.keys import keys_of
from acclimate.testing.models import ScriptedEngine
from acclimate.testing.serving import asked, serve_project
from acclimate.testing.states import STATE_S, wait_until

SECRET = "4711"
ROUTE = re.compile(r"\{(\w+)\}")


@pytest.fixture(scope="module")
def engine():
    return ScriptedEngine(
        lambda messages: f"{messages[-1].content} <script>alert(1)</script>", context_tokens=4096
    )


@pytest.fixture(scope="module")
def site(tmp_path_factory, ingested, open_project, engine):
    """A server with keys, its address, and a header for each key: `ask`, `manage` (neither with a label) and `hr`."""
    folder = tmp_path_factory.mktemp("site") / "project"
    shutil.copytree(ingested, folder)
    keys = keys_of(folder)
    wanted = {
        "ask": (["ask"], []),
        "manage": (["ask", "manage"], []),
        "hr": (["ask", "manage"], ["hr"]),
    }
    headers = {
        name: {"Authorization": f"Bearer {keys.add(name, *chosen)}"}
        for name, chosen in wanted.items()
    }
    chosen = {"max_upload_mb": 1, "requests_per_minute": 100_000}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Project, "_load_engine", lambda *_: engine)
        with serve_project(open_project(folder, serve=chosen)) as url:
            yield SimpleNamespace(
                url=url, port=int(url.rpartition(":")[2]), folder=folder, **headers
            )


@pytest.fixture
def http(site):
    with httpx.Client(base_url=site.url, timeout=STATE_S) as client:
        yield client


@pytest.fixture
def raw(site):
    """A plain connection."""
    with socket.create_connection(("127.0.0.1", site.port), timeout=STATE_S) as connection:
        yield connection


def routes(http):
    """Every method and path of the API, with ids that do not exist."""
    for path, operations in http.get("/openapi.json").json()["paths"].items():
        for method in operations:
            yield method.upper(), ROUTE.sub("1", path)


class TestWhoMayCall:
    @pytest.mark.parametrize(
        "host",
        [
            "evil.example",
            "127.0.0.1.evil.example",
            "localhost.evil.example",
            "127.0.0.1@evil.example",
            "[::1",
            "",
            "0",
        ],
    )
    def test_dns_rebinding(self, http, site, host):
        for method, path in [
            ("GET", "/"),
            ("GET", "/healthz"),
            ("GET", "/v1/models"),
            ("DELETE", "/v1/documents/1"),
        ]:
            response = http.request(method, path, headers={"Host": host, **site.manage})
            assert response.status_code == 421, (method, path)

    @pytest.mark.parametrize(
        "origin",
        ["https://evil.example", "null", "http://localhost.evil.example", "http://127.0.0.1:1"],
    )
    def test_pages_of_other_sites(self, http, site, origin):
        for method, path in routes(http):
            response = http.request(method, path, headers={"Origin": origin, **site.manage})
            assert (response.status_code, response.json()["error"]["code"]) == (403, "origin")
            assert "access-control-allow-origin" not in response.headers
        ask = {"Origin": origin, "Access-Control-Request-Method": "POST"}
        assert http.options("/v1/documents", headers=ask).status_code == 403

    def test_forms_of_other_sites_on_a_server_without_keys(self, client):
        """What a browser sends across sites without asking first: simple forms, with or without an Origin."""
        count = client.get("/v1/documents").json()["total"]
        file = {"file": ("x.md", b"# x")}
        for headers in (
            {"Origin": "https://evil.example"},
            {"Sec-Fetch-Site": "cross-site"},
            {"Sec-Fetch-Site": "same-site"},
        ):
            assert client.post("/v1/documents", files=file, headers=headers).status_code == 403
            plain = headers | {"Content-Type": "text/plain"}
            assert (
                client.post("/v1/chat/completions", json=asked("x"), headers=plain).status_code
                == 403
            )
            assert client.get("/v1/documents", headers=headers).status_code == 403
        assert client.get("/v1/documents").json()["total"] == count

    def test_every_route_is_closed_without_a_key(self, http):
        open_to_all = {"/healthz", "/readyz", "/reports/1"}
        for method, path in routes(http):
            response = http.request(method, path)
            if path == "/v1/widget":  # it asks where the page is from before whose the key is
                assert response.status_code == 403
                continue
            assert (response.status_code == 401) is (path not in open_to_all), (method, path)

    def test_a_key_that_asks_does_nothing_else(self, http, site):
        allowed = {
            ("GET", "/v1/models"), ("GET", "/v1/models/1"), ("POST", "/v1/chat/completions"),
            ("POST", "/v1/embeddings"), ("POST", "/v1/search"), ("GET", "/v1/me"),
            ("POST", "/v1/feedback"),
            ("GET", "/v1/conversations"), ("POST", "/v1/conversations"), ("DELETE", "/v1/conversations"),
            ("GET", "/v1/conversations/1"), ("PUT", "/v1/conversations/1"), ("DELETE", "/v1/conversations/1"),
            ("GET", "/v1/conversations/1/export"), ("GET", "/v1/shared/1"),
            ("POST", "/v1/conversations/1/link"), ("DELETE", "/v1/conversations/1/link"),
            ("GET", "/v1/documents"), ("GET", "/v1/documents/1"),
            ("GET", "/v1/documents/1/text"), ("GET", "/v1/documents/1/file"), ("GET", "/v1/documents/1/pages/1"),
            ("GET", "/healthz"), ("GET", "/readyz"), ("GET", "/reports/1"),
        }  # fmt: skip
        found = {
            (m, p)
            for m, p in routes(http)
            if http.request(m, p, headers=site.ask).status_code != 403
        }
        assert found == allowed
        assert (
            http.request("GET", "/v1//documents/../questions", headers=site.ask).status_code == 403
        )
        for path in (
            "/v1/DOCUMENTS",
            "/V1/documents",
            "//v1/jobs",
            "/v1/jobs/",
            "/v1/%64ocuments/..%2fjobs",
        ):
            assert http.post(path, headers=site.ask).status_code in (403, 404), path

    def test_keys_count_only_where_they_belong(self, http, site):
        token = site.manage["Authorization"].removeprefix("Bearer ")
        for options in (
            {"params": {"api_key": token, "access_token": token}},
            {"headers": {"Cookie": f"Authorization=Bearer {token}"}},
            {"headers": {"Authorization": f"Basic {token}"}},
            {"headers": {"Authorization": token}},
            {"headers": {"Authorization": f"Bearer {token}x"}},
            {"headers": {"Authorization": b"Bearer \xff\xfe"}},
            {"headers": {"X-Forwarded-For": "127.0.0.1", "X-Real-IP": "127.0.0.1"}},
        ):
            assert http.get("/v1/models", **options).status_code == 401, options

    def test_guessing_keys_is_slowed_down_and_locks_nobody_out(self, serve, add_key):
        key = add_key("app")
        client = serve()
        answers = [
            client.get("/v1/models", headers={"Authorization": f"Bearer acc_{n}"})
            for n in range(15)
        ]
        assert [answer.status_code for answer in answers] == [401] * 10 + [429] * 5
        assert int(answers[-1].headers["retry-after"]) > 0
        assert client.get("/v1/models", headers=key).status_code == 200

    def test_a_server_for_others_stays_closed_without_keys(self, serve, add_key, tmp_path):
        key = add_key("only")
        client = serve(serve={"hosts": ["docs.example.org"]})
        assert client.get("/v1/models", headers=key).status_code == 200
        keys_of(tmp_path).remove("only")
        assert client.get("/v1/models", headers=key).status_code == 401
        assert client.get("/v1/models").status_code == 401

    def test_a_damaged_file_of_keys_lets_nobody_in(self, serve, add_key, tmp_path):
        key = add_key("app")
        client = serve()
        (tmp_path / ".acclimate" / "keys.json").write_text("[{}]")
        answer = client.get("/v1/models", headers=key)
        assert (answer.status_code, answer.json()["error"]["code"]) == (503, "keys")
        assert str(tmp_path) not in answer.text

    def test_too_many_requests_of_a_key(self, serve, add_key):
        one, other = add_key("one"), add_key("other")
        client = serve(serve={"requests_per_minute": 3})
        answers = [client.get("/v1/models", headers=one) for _ in range(4)]
        assert [answer.status_code for answer in answers] == [200, 200, 200, 429]
        assert int(answers[-1].headers["retry-after"]) > 0
        assert client.get("/v1/models", headers=other).status_code == 200

    def test_tls_by_files(self, serve, tmp_path):
        authority = trustme.CA()
        issued = authority.issue_cert("localhost")
        issued.private_key_pem.write_to_path(tmp_path / "key.pem")
        issued.cert_chain_pems[0].write_to_path(tmp_path / "cert.pem")
        client = serve(serve={"tls_cert": "cert.pem", "tls_key": "key.pem", "host": "localhost"})
        trusted = ssl.create_default_context()
        authority.configure_trust(trusted)
        assert httpx.get(f"{client.base_url}/healthz", verify=trusted).status_code == 200
        with pytest.raises(httpx.ConnectError):
            client.get("/healthz")
        with pytest.raises(httpx.HTTPError):
            httpx.get(f"{client.base_url}/healthz".replace("https", "http"))


class TestLabels:
    def test_no_way_shows_a_document_to_a_key_without_its_label(self, http, site, engine):
        (pay,) = [
            row
            for row in http.get("/v1/documents", headers=site.hr).json()["data"]
            if row["path"] == "hr/pay.md"
        ]
        assert SECRET in http.get(f"/v1/documents/{pay['id']}/text", headers=site.hr).text
        for key in (site.ask, site.manage):
            assert "pay.md" not in http.get("/v1/documents", headers=key).text
            for end in ("", "/text", "/file", "/pages/1"):
                assert http.get(f"/v1/documents/{pay['id']}{end}", headers=key).status_code == 404
            assert http.delete(f"/v1/documents/{pay['id']}", headers=key).status_code in (403, 404)
            for where in ([], ["path=hr/*"], ["path=*"]):
                found = http.post(
                    "/v1/search", json={"query": "director earns", "where": where}, headers=key
                )
                assert SECRET not in found.text
                for recipe in ("rag", "stuffing", "zero-shot", "few-shot", "rag+few-shot"):
                    engine.prompts.clear()
                    body = asked("What does the director earn?", acclimate={"where": where}) | {
                        "model": recipe
                    }
                    assert (
                        SECRET not in http.post("/v1/chat/completions", json=body, headers=key).text
                    )
                    assert SECRET not in str(engine.prompts)
        assert SECRET not in http.get("/v1/questions", headers=site.manage).text
        assert http.put("/v1/questions/1", json=review("x"), headers=site.manage).status_code == 404
        assert SECRET in http.get("/v1/questions", headers=site.hr).text

    def test_an_adapter_may_know_what_labelled_documents_say(self, http, site):
        folder = site.folder / ".acclimate" / "adapters" / "lora"
        folder.mkdir(parents=True)
        (folder / "adapter_config.json").write_text("{}")
        for key in (site.ask, site.manage, site.hr):
            assert "lora" not in {
                row["id"] for row in http.get("/v1/models", headers=key).json()["data"]
            }
            refused = http.post(
                "/v1/chat/completions", json=asked("x") | {"model": "lora"}, headers=key
            )
            assert (refused.status_code, refused.json()["error"]["code"]) == (403, "label_missing")

    def test_reports_tell_of_every_document(self, http, site):
        folder = site.folder / ".acclimate" / "comparisons"
        folder.mkdir(exist_ok=True)
        (folder / "one.html").write_text(SECRET)
        assert (
            http.get("/v1/comparisons", headers=site.hr).json()["data"] == []
        )  # another label may come
        assert http.post("/v1/comparisons/one/link", headers=site.manage).status_code == 404

    def test_a_name_with_a_label_cannot_be_taken(self, serve, add_key):
        key = add_key("app", "ask", "manage")
        client = serve(documents={"labels": ["hr-* = hr"]})
        sent = client.post("/v1/documents", files={"file": ("hr-x.md", b"# x")}, headers=key)
        assert (sent.status_code, sent.json()["error"]["code"]) == (403, "label_missing")


def shaped(schema):
    return asked("x", response_format={"type": "json_schema", "json_schema": {"schema": schema}})


def nested(depth):
    return {"type": "array", "items": nested(depth - 1)} if depth else {}


def review(version):
    return {"version": version, "question": "x", "answers": ["y"], "answerable": True}


class TestPaths:
    @pytest.mark.parametrize(
        "name",
        [
            "../../evil.md", "..\\evil.md", "/etc/cron.d/evil", "a/b.md", ".acclimate", "..", ".upload-x.md", " ",
            "a\x00.md",            "a\nb.md", "‮dm.exe.md", "x" * 300 + ".md", "\u2028.md",
        ],
    )  # fmt: skip
    def test_uploads_stay_in_the_folder_under_a_plain_name(self, http, site, name):
        before = sorted(site.folder.parent.rglob("*"))
        body = (
            b'--b\r\nContent-Disposition: form-data; name="file"; filename="'
            + name.encode()
            + b'"\r\n\r\n# x\r\n--b--\r\n'
        )
        headers = {"Content-Type": "multipart/form-data; boundary=b", **site.manage}
        sent = http.post("/v1/documents", content=body, headers=headers)
        assert sent.status_code == 400
        assert sorted(site.folder.parent.rglob("*")) == before

    @pytest.mark.parametrize(
        "number", ["..", "%2e%2e%2fkeys.json", "..%2f..%2f.acclimate%2fkeys.json", "%00", "a" * 65]
    )
    def test_ids_are_no_paths(self, http, site, number):
        for path in (
            "/v1/documents/{}",
            "/v1/documents/{}/file",
            "/v1/jobs/{}",
            "/reports/{}",
            "/web/{}",
        ):
            answer = http.get(path.format(number), headers=site.hr)
            assert answer.status_code in (400, 404, 200 if number == ".." else 404)
            assert "sha256" not in answer.text
        assert http.post(f"/v1/comparisons/{number}/link", headers=site.manage).status_code in (
            400,
            404,
        )

    def test_a_link_out_of_the_folder_is_not_followed(self, client, tmp_path):
        (tmp_path / "outside.md").write_text("# Outside\n\nkeep out")
        (tmp_path / "documents" / "pump.md").unlink()
        (tmp_path / "documents" / "pump.md").symlink_to(tmp_path / "outside.md")
        (pump,) = [
            row for row in client.get("/v1/documents").json()["data"] if row["path"] == "pump.md"
        ]
        assert client.get(f"/v1/documents/{pump['id']}/file").status_code == 404


class TestBodies:
    def test_what_is_too_large_is_refused_before_it_is_read(self, http, site, raw):
        head = f"POST /v1/documents HTTP/1.1\r\nHost: localhost\r\nAuthorization: {site.manage['Authorization']}\r\n"
        raw.sendall(
            f"{head}Content-Type: multipart/form-data; boundary=b\r\nContent-Length: 2000000000\r\n\r\n".encode()
        )
        assert raw.recv(100).startswith(b"HTTP/1.1 413")

        def endless():
            yield b'--b\r\nContent-Disposition: form-data; name="file"; filename="x.md"\r\n\r\n'
            for _ in range(100):
                yield b"x" * 100_000

        headers = {"Content-Type": "multipart/form-data; boundary=b", **site.manage}
        assert http.post("/v1/documents", content=endless(), headers=headers).status_code == 413
        assert not (site.folder / "documents" / "x.md").exists()
        big = json.dumps(asked("x" * 5_000_000)).encode()
        assert http.post("/v1/chat/completions", content=big, headers=site.ask).status_code == 413

    def test_json_must_be_sent_as_json(self, http, site):
        for kind in (
            "text/plain",
            "application/x-www-form-urlencoded",
            "multipart/form-data; boundary=b",
        ):
            sent = http.post(
                "/v1/search", content=b'{"query": "x"}', headers={"Content-Type": kind, **site.ask}
            )
            assert sent.status_code == 400
        assert (
            http.post("/v1/search", content=b'{"query": "x"}', headers=site.ask).status_code == 400
        )

    @pytest.mark.parametrize(
        "body",
        [
            b"[" * 200_000, b'{"model":' * 50_000, b"\xff\xfe\x00", b"", b"null", b"[]",
            b'{"model": NaN, "messages": Infinity}', *(json.dumps(body).encode() for body in (
                asked("\ud800"), asked("\x00"), asked("x", seed=10**400), asked("x", stop=["a"] * 300),
                asked("x", acclimate={"where": ["="]}), asked("x", acclimate={"where": ["path=" + "*a" * 200]}),
                shaped({"$ref": "#"}), shaped({"$ref": "file:///etc/passwd"}), shaped({"pattern": "(a+)+$"}),
                shaped({"patternProperties": {"(a+)+$": {}}}), shaped(nested(150)), shaped({"type": 5}), shaped("x"),
            )),
        ],
    )  # fmt: skip
    def test_hostile_json_is_an_error_of_the_caller(self, http, site, body):
        headers = {"Content-Type": "application/json", **site.ask}
        assert http.post("/v1/chat/completions", content=body, headers=headers).status_code in (
            200,
            400,
            422,
        )
        assert http.post("/v1/search", content=body, headers=headers).status_code == 400
        assert http.get("/healthz").status_code == 200

    def test_hostile_files_cost_only_themselves(self, http, site):
        bomb = io.BytesIO()
        with zipfile.ZipFile(bomb, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("[Content_Types].xml", b"0" * 400_000_000)
        entities = b'<!DOCTYPE x [<!ENTITY a "aaaa"><!ENTITY b SYSTEM "file:///etc/passwd">]><html><p>&b;&a;</p></html>'
        files = [
            ("file", ("bomb.docx", bomb.getvalue())), ("file", ("bomb.zip", bomb.getvalue())),
            ("file", ("entities.html", entities)),
            ("file", ("cut.pdf", b"%PDF-1.7\n1 0 obj<</Type/Catalog/Pages 1 0 R>>")),
        ]  # fmt: skip
        sent = http.post("/v1/documents", files=files, headers=site.manage)
        assert sent.status_code == 202
        job = finished(http, sent.json()["job"], site.manage)
        assert job["state"] == "done"
        assert {"bomb.docx", "cut.pdf"} <= {failure["path"] for failure in job["failures"]}
        assert (
            "root:"
            not in http.post(
                "/v1/search", json={"query": "root passwd aaaa"}, headers=site.manage
            ).text
        )
        assert (
            http.post("/v1/chat/completions", json=asked("Fjell?"), headers=site.ask).status_code
            == 200
        )

    def test_a_huge_page_is_drawn_small(self, http, site):
        page = b"%PDF-1.4\n1 0 obj<</Type/Catalog/Pages 2 0 R>>endobj\n2 0 obj<</Type/Pages/Kids[3 0 R]/Count 1>>endobj\n"
        page += b"3 0 obj<</Type/Page/Parent 2 0 R/MediaBox[0 0 100 14400]/Contents 4 0 R/Resources<</Font<</F<</Type/Font"
        page += b"/Subtype/Type1/BaseFont/Helvetica>>>>>>>>endobj\n4 0 obj<</Length 44>>stream\n"
        page += b"BT /F 9 Tf 5 50 Td (Some tall words) Tj ET    \nendstream endobj\ntrailer<</Root 1 0 R>>"
        sent = http.post("/v1/documents", files={"file": ("tall.pdf", page)}, headers=site.manage)
        finished(http, sent.json()["job"], site.manage)
        number = sent.json()["data"][0]["id"]
        shown = http.get(
            f"/v1/documents/{number}/pages/1", params={"pixels": 2400}, headers=site.ask
        )
        assert shown.status_code == 200
        assert len(shown.content) < 3_000_000

    @pytest.mark.parametrize(
        "text",
        ["' OR 1=1 --", '"); DROP TABLE documents; --', "*:*", "a AND (", '"', "path:x^9", "\\"],
    )
    def test_queries_are_only_words(self, http, site, text):
        found = http.post("/v1/search", json={"query": text}, headers=site.ask)
        assert found.status_code == 200
        assert SECRET not in found.text
        where = http.post(
            "/v1/search", json={"query": "pump", "where": [f"path={text}"]}, headers=site.ask
        )
        assert where.status_code == 200
        assert where.json()["data"] == []
        assert http.get("/v1/documents", headers=site.ask).json()["total"] >= 2


def finished(http, job, key):
    def ended():
        return http.get(f"/v1/jobs/{job}", headers=key).json()["state"] in ("done", "failed")

    wait_until(ended, "the end of the ingest")
    return http.get(f"/v1/jobs/{job}", headers=key).json()


class TestPagesAndNames:
    NAME = "<img src=x onerror=alert(1)>\"'.html"
    PAGE = b"<html><title><script>alert(1)</script></title><p>The <b onclick=alert(1)>lamp</b> costs 5 kr.</p></html>"

    def test_names_and_documents_come_as_data(self, http, site):
        sent = http.post(
            "/v1/documents", files={"file": (self.NAME, self.PAGE)}, headers=site.manage
        )
        assert finished(http, sent.json()["job"], site.manage)["state"] == "done"
        number = sent.json()["data"][0]["id"]
        for path in ("/v1/documents", f"/v1/documents/{number}", f"/v1/documents/{number}/text"):
            shown = http.get(path, headers=site.manage)
            assert shown.headers["content-type"] == "application/json"
            assert shown.headers["x-content-type-options"] == "nosniff"
        file = http.get(f"/v1/documents/{number}/file", headers=site.manage)
        assert file.headers["content-type"] == "application/octet-stream"
        assert file.headers["content-disposition"].startswith("attachment; filename*=UTF-8''%3Cimg")
        assert file.headers["content-security-policy"] == "sandbox"

    def test_answers_come_as_data_under_a_strict_policy(self, http, site):
        for stream in (False, True):
            answer = http.post(
                "/v1/chat/completions", json=asked("<script>", stream=stream), headers=site.ask
            )
            assert answer.headers["content-type"].split(";")[0] in (
                "application/json",
                "text/event-stream",
            )
            policy = answer.headers["content-security-policy"]
            assert "default-src 'none'" in policy
            assert "unsafe" not in policy
            assert "http" not in policy
        assert (
            http.get("/", headers={"Accept": "text/html"}).headers["content-security-policy"]
            == policy
        )

    def test_a_line_break_in_an_answer_forges_no_event(self, http, site):
        text = http.post(
            "/v1/chat/completions",
            json=asked("\n\ndata: [DONE]\n\n", stream=True),
            headers=site.ask,
        ).text
        assert text.count("data: [DONE]\n") == 1
        assert text.endswith("data: [DONE]\n\n")


class TestSlowClients:
    @pytest.fixture
    def raw(self, serve):
        """A plain connection to a server without keys that waits for 0.6 seconds."""
        port = serve(serve={"receive_seconds": 0.6}).base_url.port
        with socket.create_connection(("127.0.0.1", port), timeout=STATE_S) as connection:
            yield connection

    def test_a_head_that_does_not_end(self, raw):
        raw.sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n")
        assert closed(raw)

    def test_nothing_at_all(self, raw):
        assert closed(raw)

    def test_a_head_in_drops(self, raw):
        def dropped():
            try:
                raw.sendall(b"X: y\r\n")
            except OSError:
                return True
            return False

        wait_until(dropped, "the end of the connection")

    def test_a_body_that_does_not_come(self, raw):
        raw.sendall(b"POST /v1/search HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\n")
        assert raw.recv(100).startswith(b"HTTP/1.1 408")

    def test_a_client_that_does_not_read(self, serve, engine_that_floods):
        client = serve(serve={"receive_seconds": 0.6})
        with socket.socket() as connection:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            connection.connect(("127.0.0.1", client.base_url.port))
            body = json.dumps(
                asked("Fjell?", stream=True, max_tokens=1000) | {"model": "zero-shot"}
            ).encode()
            head = "POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
            connection.sendall(f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body)
            assert engine_that_floods.cancelled.wait(STATE_S)

    def test_others_are_served_meanwhile(self, site, http):
        waiting = [socket.create_connection(("127.0.0.1", site.port)) for _ in range(100)]
        assert http.get("/healthz").status_code == 200
        for connection in waiting:
            connection.close()


@pytest.fixture
def engine_that_floods(monkeypatch, make_project):
    class Flood(ScriptedEngine):
        cancelled = threading.Event()

        def generate(self, messages, options, on_text=None):
            def paced(piece):
                time.sleep(0.002)
                return on_text is None or on_text(piece)

            done = super().generate(messages, options, paced)
            if done.finish == "cancelled":
                self.cancelled.set()
            return done

    Flood.prefill = (
        ""  # known not to reason without a mark, so that its words are sent as they come
    )
    flood = Flood(lambda _: " ".join(["x" * 20_000] * 1000), context_tokens=8192)
    monkeypatch.setattr(Project, "_load_engine", lambda *_: flood)
    return flood


def closed(connection):
    """Whether it is closed before the 75 seconds after which any that is idle is."""
    connection.settimeout(60)
    try:
        return connection.recv(1000) == b""
    except ConnectionError:
        return True


@pytest.mark.parametrize(
    "request_",
    [
        b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nHost: evil\r\n\r\n",
        b"POST /v1/search HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello",
        b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nX: " + b"y" * 200_000 + b"\r\n\r\n",
        b"GET http://evil.example/v1/models HTTP/1.1\r\nHost: evil.example\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    ],
)
def test_ambiguous_requests_are_refused(raw, request_):
    raw.sendall(request_)
    assert raw.recv(100)[:12] in (b"HTTP/1.1 400", b"HTTP/1.1 421", b"HTTP/1.1 401")


def test_logs_hold_nothing_that_callers_wrote(site, http, caplog):
    mark = "xyzzyplugh"
    with caplog.at_level(logging.DEBUG):
        for stream in (False, True):
            http.post(
                "/v1/chat/completions",
                json=asked(f"What is {mark}?", stream=stream),
                headers=site.ask,
            )
        http.post("/v1/chat/completions", json=asked(mark, max_tokens=99_999), headers=site.ask)
        http.post("/v1/chat/completions", json=asked("x") | {"model": mark}, headers=site.ask)
        http.post("/v1/search", json={"query": mark, "where": [f"{mark}=1"]}, headers=site.ask)
        http.post("/v1/embeddings", json={"model": mark, "input": mark}, headers=site.ask)
        http.get(f"/{mark}?q={mark}", headers=site.ask | {"User-Agent": mark, "Referer": mark})
        http.request(
            mark.upper(),
            f"/v1/documents/{mark}",
            headers={"Authorization": f"Bearer {mark}", "Host": mark},
        )
        sent = http.post(
            "/v1/documents", files={"file": (f"{mark}.md", mark.encode())}, headers=site.manage
        )
        finished(http, sent.json()["job"], site.manage)
    ours = [
        record
        for record in caplog.records
        if not record.name.startswith(("httpx", "httpcore", "asyncio"))
    ]
    assert any(record.name == "acclimate.audit" for record in ours)
    assert mark not in "\n".join(record.getMessage() for record in ours).casefold()


def test_keys_are_kept_as_hashes_for_their_owner_only(site):
    file = site.folder / ".acclimate" / "keys.json"
    text = file.read_text()
    for key in (site.ask, site.manage, site.hr):
        assert key["Authorization"].removeprefix("Bearer ") not in text
    assert file.stat().st_mode & 0o077 == 0
