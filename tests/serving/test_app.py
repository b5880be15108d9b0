"""The server as a plain HTTP client meets it: documents, jobs, questions, comparisons, health, errors."""

import json
import threading

import httpx
import pytest

from acclimate.testing.models import ScriptedEngine
from acclimate.testing.serving import asked, serve_project
from acclimate.testing.states import STATE_S, wait_until


def wait(client, job):
    def ended():
        return client.get(f"/v1/jobs/{job}").json()["state"] in ("done", "failed")

    wait_until(ended, "the end of the ingest")
    return client.get(f"/v1/jobs/{job}").json()


def upload(client, name, content, **options):
    return client.post("/v1/documents", files={"file": (name, content)}, **options)


def test_health_readiness_page_and_schema(client):
    assert client.get("/healthz").json() == {"status": "ok"}
    wait_until(lambda: client.get("/readyz").status_code == 200, "readiness")
    assert client.get("/readyz").json() == {"status": "ready"}
    assert client.get("/").status_code == 200
    assert "/v1/chat/completions" in client.get("/openapi.json").json()["paths"]


def test_a_mirrored_document_is_shown_with_its_address(serve, tmp_path):
    number = "0123456789abcdef0123456789abcdef"
    (tmp_path / "export").mkdir()
    page = tmp_path / "export" / f"Rent {number}.md"
    page.write_text("# Rent\n\nThe rent of the hall is 4711 euros.\n")
    sources = {"notes": {"type": "notion", "path": "export"}}
    client = serve(documents={"watch": True}, sources=sources)
    where = {"where": ["path=_sources/notes/Rent.md"]}

    def found():
        return client.post("/v1/search", json={"query": "rent of the hall", **where}).json()["data"]

    wait_until(lambda: len(found()) == 1, "the mirrored page in the library")
    (hit,) = found()
    url = f"https://www.notion.so/{number}"
    assert (hit["path"], hit["url"]) == ("_sources/notes/Rent.md", url)
    body = asked("What is the rent of the hall?", acclimate=where)
    answer = client.post("/v1/chat/completions", json=body).json()
    (citation,) = answer["acclimate"]["citations"]
    assert citation["url"] == answer["acclimate"]["passages"][0]["url"] == url
    assert f"<{url}>" in answer["choices"][0]["message"]["content"]
    assert client.get(f"/v1/documents/{hit['document']}").json()["url"] == url
    urls = {row["path"]: row["url"] for row in client.get("/v1/documents").json()["data"]}
    assert set(urls.values()) == {url, ""}


def test_upload_ask_open_the_citation_replace_and_delete(client):
    sent = upload(client, "valve.md", b"# Valves\n\nThe valve Skog opens at 117 kg of load.\n")
    assert sent.status_code == 202
    (row,) = sent.json()["data"]
    assert row["status"] == "pending"
    assert wait(client, sent.json()["job"])["report"]["added"] == 1
    body = asked("At what load does the valve Skog open?", acclimate={"where": ["path=valve.md"]})
    answer = client.post("/v1/chat/completions", json=body).json()
    (citation,) = answer["acclimate"]["citations"]
    assert citation["path"] == "valve.md"
    assert citation["document"] == row["id"]
    span = {"start": citation["start"], "length": citation["end"] - citation["start"]}
    text = client.get(f"/v1/documents/{row['id']}/text", params=span).json()
    assert text["text"] == citation["quote"] == "The valve Skog opens at 117 kg of load."

    assert upload(client, "valve.md", b"# Other").status_code == 409
    sent = upload(
        client, "valve.md", b"# Valves\n\nIt opens at 12 euros.\n", params={"replace": True}
    )
    assert wait(client, sent.json()["job"])["report"]["changed"] == 1
    gone = client.delete(f"/v1/documents/{row['id']}")
    assert wait(client, gone.json()["job"])["report"]["removed"] == 1
    assert client.get(f"/v1/documents/{row['id']}").status_code == 404
    found = client.post("/v1/search", json={"query": "valve Skog"}).json()["data"]
    assert "valve.md" not in {hit["path"] for hit in found}


def test_a_file_that_cannot_be_read_is_told_with_its_reason(client):
    sent = upload(client, "broken.pdf", b"%PDF-1.7 not one")
    row = wait(client, sent.json()["job"])
    assert row["failures"][0]["path"] == "broken.pdf"
    (listed,) = [
        row for row in client.get("/v1/documents").json()["data"] if row["path"] == "broken.pdf"
    ]
    assert listed["status"] == "failed"
    assert listed["reason"]
    assert client.delete(f"/v1/documents/{listed['id']}").status_code == 202


def test_pages_of_a_pdf_are_pictures_with_boxes(client):
    from fpdf import FPDF

    page = FPDF()
    page.add_page()
    page.set_font("helvetica", size=20)
    page.cell(text="The crane lifts 117 kg.")
    sent = upload(client, "crane.pdf", bytes(page.output()))
    assert wait(client, sent.json()["job"])["state"] == "done"
    number = sent.json()["data"][0]["id"]
    text = client.get(f"/v1/documents/{number}/text").json()["text"]
    start = text.index("117 kg")
    shown = client.get(
        f"/v1/documents/{number}/pages/1", params={"start": start, "end": start + 6}
    ).json()
    assert shown["png"].startswith("iVBORw0KGgo")
    ((left, top, right, bottom),) = shown["boxes"]
    assert 0 < left < right < shown["width"]
    assert 0 < top < bottom < shown["height"] / 4
    assert client.get(f"/v1/documents/{number}/pages/2").status_code == 404


def test_documents_come_in_pages_and_as_files_to_save(client):
    first = client.get("/v1/documents", params={"limit": 2}).json()
    rest = client.get("/v1/documents", params={"limit": 2, "after": first["data"][-1]["id"]}).json()
    assert (first["total"], first["has_more"], rest["has_more"]) == (3, True, False)
    rows = first["data"] + rest["data"]
    assert [row["path"] for row in rows] == ["hr/pay.md", "prices.md", "pump.md"]
    assert rows[0]["labels"] == ["hr"]
    whole = client.get(f"/v1/documents/{rows[2]['id']}").json()
    assert whole["title"] == "Pumps"
    file = client.get(f"/v1/documents/{rows[2]['id']}/file")
    assert file.headers["content-disposition"].startswith("attachment")
    assert file.text.startswith("# Pumps")


def test_a_review_is_kept_and_nobody_overwrites_another(client, tmp_path):
    first = client.get("/v1/questions").json()["data"][1]
    body = {
        "version": first["version"],
        "question": "What is the price?",
        "answers": ["12 euros"],
        "answerable": True,
    }
    kept = client.put("/v1/questions/2", json=body | {"status": "accepted"})
    assert kept.status_code == 200
    assert client.put("/v1/questions/2", json=body).json()["error"]["code"] == "changed"
    assert client.put("/v1/questions/9", json=body).status_code == 404
    assert (
        client.put("/v1/questions/2", json=body | {"answers": [" "]}).json()["error"]["param"]
        == "answers"
    )
    lines = [json.loads(line) for line in (tmp_path / "questions.jsonl").read_text().splitlines()]
    assert lines[1]["question"] == "What is the price?"
    assert lines[1]["split"] == "test"
    assert lines[0]["answers"] == ["4711"]


def test_a_report_opens_by_a_link_that_is_cut_off_from_the_page(client, tmp_path):
    folder = tmp_path / ".acclimate" / "comparisons"
    folder.mkdir()
    (folder / "one.html").write_text("<h1>Report</h1>")
    kept = {
        "created": "2026-01-01",
        "verdict": {"sentence": "Take rag."},
        "rows": [{"recipe": "rag"}],
    }
    (folder / "one.json").write_text(json.dumps(kept))
    (row,) = client.get("/v1/comparisons").json()["data"]
    assert (row["sentence"], row["recipes"]) == ("Take rag.", ["rag"])
    link = client.post("/v1/comparisons/one/link").json()["url"]
    page = client.get(link)
    assert page.text == "<h1>Report</h1>"
    assert "sandbox" in page.headers["content-security-policy"]
    assert client.get("/reports/guessed").status_code == 404


def test_metrics_count_without_text_of_callers(client):
    client.post("/v1/chat/completions", json=asked("What does Fjell 9 weigh?"))
    client.get("/v1/nothing/like/this")
    text = client.get("/metrics").text
    assert (
        'acclimate_requests_total{method="POST",route="/v1/chat/completions",status="200"} 1.0'
        in text
    )
    assert 'acclimate_answers_total{abstained="false",recipe="rag"} 1.0' in text
    assert "acclimate_answers_waiting 0.0" in text
    assert "nothing" not in text


@pytest.mark.parametrize(
    ("method", "path", "options", "status", "code"),
    [
        ("GET", "/v1/nothing", {}, 404, "not_found"),
        ("PATCH", "/v1/models", {}, 405, "method_not_allowed"),
        ("POST", "/v1/search", {"json": {"query": "x", "k": 0}}, 400, "invalid_request"),
        ("POST", "/v1/search", {"content": b"{"}, 400, "invalid_request"),
        (
            "POST",
            "/v1/search",
            {"json": {"query": "x", "where": ["colour=red"]}},
            400,
            "invalid_request",
        ),
        ("POST", "/v1/documents", {"json": {}}, 400, "no_file"),
        ("GET", "/v1/jobs/none", {}, 404, "job_not_found"),
    ],
)
def test_errors_have_openais_form(client, method, path, options, status, code):
    response = client.request(method, path, **options)
    assert response.status_code == status
    error = response.json()["error"]
    assert error.keys() == {"message", "type", "param", "code"}
    assert error["code"] == code
    assert error["message"]


def test_a_project_without_documents_says_so_and_takes_its_first(serve):
    client = serve(empty=True)
    assert (
        client.post("/v1/chat/completions", json=asked("Anything?")).json()["error"]["code"]
        == "not_ingested"
    )
    assert client.get("/v1/documents").json()["total"] == 0
    sent = upload(client, "pump.md", b"# Pumps\n\nThe pump weighs 117 kg.\n")
    assert wait(client, sent.json()["job"])["state"] == "done"
    answer = client.post("/v1/chat/completions", json=asked("What does the pump weigh?")).json()
    assert answer["choices"][0]["message"]["content"].startswith("117 kg [1]")


def test_answers_and_searches_tell_why_they_are_empty(serve, make_project, add_key):
    with make_project(serve={"port": 0}) as project:
        for file in (project.folder / "documents").rglob("*.md"):
            file.unlink()
        project.ingest(allow_empty=True)
    client = serve(make_project(empty=True))

    def why(**fields):
        answer = client.post(
            "/v1/chat/completions", json=asked("What does Fjell 9 weigh?", **fields)
        ).json()
        query = {"query": "Fjell 9", "where": fields.get("acclimate", {}).get("where", [])}
        search = client.post("/v1/search", json=query).json()
        told = answer["acclimate"]
        return (
            told["abstained"],
            told["abstention"],
            search["nothing"],
            answer["choices"][0]["message"]["content"],
        )

    assert why() == (True, "empty_library", "empty_library", "The library holds no documents.")
    sent = upload(client, "pump.md", b"# Pumps\n\nThe pump Fjell 9 weighs 117 kg.\n")
    assert wait(client, sent.json()["job"])["state"] == "done"
    abstained, reason, nothing, said = why()
    assert (abstained, reason, nothing) == (False, "", "")
    abstained, reason, nothing, said = why(acclimate={"where": ["path=other/*"]})
    assert (abstained, reason, nothing) == (True, "no_document_left", "no_document_left")
    assert said.startswith("No document is left")
    answer = client.post("/v1/chat/completions", json=asked("zzz")).json()
    assert answer["acclimate"]["abstention"] in ("", "not_answered")


class Slow(ScriptedEngine):
    """Writes a word, then waits for `pace` seconds or until it is let go on."""

    pace = STATE_S

    def __init__(self):
        super().__init__(lambda _: " ".join(["word"] * 200), context_tokens=4096)
        self.go, self.began, self.cancelled = (
            threading.Event(),
            threading.Semaphore(0),
            threading.Event(),
        )

    def generate(self, messages, options, on_text=None):
        def held(piece):
            self.began.release()
            self.go.wait(self.pace)
            return on_text is None or on_text(piece)

        done = super().generate(messages, options, held)
        if done.finish == "cancelled":
            self.cancelled.set()
        return done


class TestQueue:
    @pytest.fixture
    def engine(self):
        return Slow()

    def test_a_full_queue_says_when_to_come_again(self, serve, engine):
        client = serve(serve={"queue": 0})
        running = threading.Thread(
            target=lambda: client.post("/v1/chat/completions", json=asked("Fjell?"))
        )
        running.start()
        assert engine.began.acquire(timeout=STATE_S)
        refused = client.post("/v1/chat/completions", json=asked("Fjell?"))
        assert (refused.status_code, refused.json()["error"]["code"]) == (429, "queue_full")
        assert int(refused.headers["retry-after"]) >= 1
        assert client.get("/healthz").status_code == 200
        engine.go.set()
        running.join()
        assert client.post("/v1/chat/completions", json=asked("Fjell?")).status_code == 200

    @pytest.mark.parametrize("stream", [True, False])
    def test_an_answer_is_given_up_when_its_client_leaves(self, serve, engine, stream):
        engine.pace = 0.5  # so that it takes 100 seconds
        client = serve()
        body = asked("Fjell?", stream=stream)
        if stream:
            with client.stream("POST", "/v1/chat/completions", json=body):
                assert engine.began.acquire(timeout=STATE_S)
        else:
            with pytest.raises(httpx.ReadTimeout):
                client.post("/v1/chat/completions", json=body, timeout=httpx.Timeout(30, read=0.5))
        assert engine.cancelled.wait(STATE_S)

    def test_what_is_being_answered_is_finished_at_the_end(self, make_project, engine):

        answers = []
        with serve_project(make_project()) as address:
            thread = threading.Thread(
                target=lambda: answers.append(
                    httpx.post(f"{address}/v1/chat/completions", json=asked("F?"), timeout=STATE_S)
                )
            )
            thread.start()
            assert engine.began.acquire(timeout=STATE_S)
            ending = threading.Thread(
                target=lambda: (wait_until(lambda: closed(address), "the end"), engine.go.set())
            )
            ending.start()
        ending.join()
        thread.join()
        assert answers[0].json()["choices"][0]["message"]["content"].startswith("word word")


def closed(address):
    """Whether a server takes no more connections."""
    try:
        httpx.get(f"{address}/healthz", timeout=STATE_S)
    except httpx.TransportError:
        return True
    return False


def test_answers_while_the_library_changes_are_whole(client):
    stop, failures = threading.Event(), []

    def keep_asking():
        while not stop.is_set():
            answer = client.post("/v1/chat/completions", json=asked("What does Fjell 9 weigh?"))
            if answer.status_code != 200 or not answer.json()["acclimate"]["citations"]:
                failures.append(answer.text)

    askers = [threading.Thread(target=keep_asking) for _ in range(3)]
    for asker in askers:
        asker.start()
    for number in range(4):
        sent = upload(
            client, "more.md", f"# More\n\nNumber {number}.".encode(), params={"replace": True}
        )
        assert wait(client, sent.json()["job"])["state"] == "done"
    stop.set()
    for asker in askers:
        asker.join()
    assert not failures
