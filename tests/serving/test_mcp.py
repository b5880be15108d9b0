"""The Model Context Protocol at /mcp, by the official SDK's own client, in both eras of the protocol."""

import asyncio
import json
import threading

import httpx2
import pytest
from mcp.client.client import Client
from mcp.client.streamable_http import streamable_http_client
from mcp.shared.exceptions import MCPError
from mcp_types import ResourceTemplateReference

from acclimate.serving import mcp_route, mcp_server, mcp_tools
from acclimate.serving.mcp_tools import path_of, uri_of
from acclimate.testing.models import ScriptedEngine
from acclimate.testing.serving import asked
from acclimate.testing.states import STATE_S

from .conftest import SECRET, script

TEMPLATE = ResourceTemplateReference(type="ref/resource", uri="acclimate://documents/{+path}")
BODY = {"jsonrpc": "2.0", "id": 1, "method": "tools/list", "params": {}}
ACCEPT = {"Accept": "application/json, text/event-stream"}


@pytest.fixture(params=["2026-07-28", "2025-11-25"])
def era(request):
    return request.param


@pytest.fixture
def talk(era):
    """Runs `use(client)` with a client of a server, with a key or without."""

    def run(server, use, headers=None):
        async def main():
            web = httpx2.AsyncClient(headers=headers or {}, timeout=STATE_S, trust_env=False)
            async with web:
                transport = streamable_http_client(f"{server.base_url}/mcp", http_client=web)
                mode = "legacy" if era == "2025-11-25" else "auto"
                async with Client(transport, mode=mode) as client:
                    assert client.protocol_version == era
                    return await use(client)

        return asyncio.run(main())

    return run


async def everything(client):
    """All that a client can learn, as one text."""
    found = []
    for question in ("What does the director earn?", "director euros a month", "pump"):
        found.append(await client.call_tool("search", {"query": question, "k": 20}))
        found.append(await client.call_tool("ask", {"question": question}))
    paths = ("hr/pay.md", uri_of("hr/pay.md"), "pump.md", "hr/../hr/pay.md", "prices.md")
    found += [await client.call_tool("read_document", {"document": path}) for path in paths]
    found.append(await client.call_tool("search", {"query": "pay", "where": ["path=hr/*"]}))
    found.append(await client.call_tool("search", {"query": "pay", "where": ["nothing=1"]}))
    listed = await client.list_resources()
    found += [listed, await client.list_resource_templates(), await client.list_tools()]
    for uri in {*(one.uri for one in listed.resources), uri_of("hr/pay.md")}:
        try:
            found.append(await client.read_resource(uri))
        except MCPError as error:
            found.append(error)
    for typed in ("", "h", "pay"):
        found.append(await client.complete(TEMPLATE, {"name": "path", "value": typed}))
    return " ".join(map(repr, found))


def test_a_client_lists_searches_asks_and_reads(client, talk):
    async def use(mcp):
        tools = {tool.name: tool for tool in (await mcp.list_tools()).tools}
        assert set(tools) == {"search", "ask", "read_document"}
        assert all(tool.annotations.read_only_hint for tool in tools.values())

        found = await mcp.call_tool("search", {"query": "What does a filter cost?", "k": 1})
        (passage,) = found.structured_content["passages"]
        assert passage["path"] == "prices.md"
        text = (await mcp.read_resource(passage["uri"])).contents[0].text
        assert text[passage["start"] : passage["end"]] == passage["text"]
        assert "A filter costs 12 euros." in found.content[0].text

        among = {"where": ["path=prices.md"]}
        said = await mcp.call_tool("ask", {"question": "What does a filter cost?"} | among)
        answer = said.structured_content
        (source,) = answer["citations"]
        assert (answer["answer"], answer["abstained"]) == ("12 euros", False)
        assert (source["path"], source["verbatim"]) == ("prices.md", True)
        assert text[source["start"] : source["end"]] == source["quote"]
        assert said.content[0].text == ("12 euros [1]\n\n[1] prices.md: “A filter costs 12 euros.”")

        piece = await mcp.call_tool(
            "read_document", {"document": "prices.md", "start": 2, "length": 6}
        )
        assert piece.structured_content["text"] == "Prices"
        assert piece.structured_content["total"] == len(text)
        listed = [one.name for one in (await mcp.list_resources()).resources]
        assert listed == ["hr/pay.md", "prices.md", "pump.md"]
        completed = await mcp.complete(TEMPLATE, {"name": "path", "value": "p"})
        assert completed.completion.values == ["prices.md", "pump.md", "hr/pay.md"]

    talk(client, use)


def test_where_the_documents_do_not_hold_the_answer_it_says_so(client, talk):
    async def use(mcp):
        return await mcp.call_tool("ask", {"question": "Who?", "where": ["path=nowhere/*"]})

    said = talk(client, use)
    assert not said.is_error
    assert (said.structured_content["abstained"], said.structured_content["citations"]) == (
        True,
        [],
    )
    assert said.structured_content["abstention"] == "no_document_left"


def test_a_key_without_a_label_never_sees_its_text(serve, add_key, talk):
    without, with_label = add_key("ann"), add_key("bea", labels=["hr"])
    server = serve()
    seen, all_of_it = talk(server, everything, without), talk(server, everything, with_label)
    for told in (SECRET, "hr/pay", "pay.md"):
        assert told not in seen.replace("hr/../hr/pay", "")
        assert told in all_of_it
    assert "117 kg" in seen


def test_no_one_is_let_in_without_a_key_or_with_another(serve, add_key):
    key = add_key("ann")
    managing = add_key("max", "manage")
    server = serve()
    for headers, status in (({}, 401), ({"Authorization": "Bearer acc_no"}, 401), (managing, 403)):
        refused = server.post("/mcp", json=BODY, headers=ACCEPT | headers)
        assert refused.status_code == status
    for path in ("/mcp", "/mcp/", f"{server.base_url}//mcp"):
        assert server.post(path, json=BODY, headers=ACCEPT | key).status_code == 200


def test_the_gate_holds_here_too(serve, add_key, tmp_path):
    key = add_key("ann")
    server = serve(serve={"requests_per_minute": 2, "origins": ["https://chat.example.org"]})
    foreign = {"Origin": "https://evil.example"}
    assert server.post("/mcp", json=BODY, headers=ACCEPT | key | foreign).status_code == 403
    rebound = {"Host": "evil.example"}
    assert server.post("/mcp", json=BODY, headers=ACCEPT | key | rebound).status_code == 421
    large = json.dumps(BODY | {"params": {"x": "a" * 4_000_001}})
    kind = {"Content-Type": "application/json"}
    assert server.post("/mcp", content=large, headers=ACCEPT | key | kind).status_code == 413
    allowed = {"Origin": "https://chat.example.org"}
    said = server.options("/mcp", headers=allowed | {"Access-Control-Request-Method": "POST"})
    assert "Mcp-Protocol-Version" in said.headers["Access-Control-Allow-Headers"]
    assert server.post("/mcp", json=BODY, headers=ACCEPT | key).status_code == 200
    assert server.post("/mcp", json=BODY, headers=ACCEPT | key).status_code == 429


def test_nothing_can_be_listened_to_or_ended(client):
    """There are no sessions, which a server tells by 405."""
    for method in ("GET", "DELETE", "PUT"):
        refused = client.request(method, "/mcp", headers=ACCEPT)
        assert (refused.status_code, refused.headers["Allow"]) == (405, "POST")


def test_what_a_model_gets_wrong_is_told_in_the_result(client, talk):
    wrong = [
        ("search", {"query": "x", "k": 21}, "k: "),
        ("search", {}, "query: "),
        ("search", {"query": "x", "where": ["nonsense"]}, "'nonsense' is no condition."),
        ("ask", {"question": "x", "colour": "red"}, "colour: "),
        ("ask", {"question": "   "}, "There is no question."),
        ("ask", {"question": "x", "recipe": "nonesuch"}, "nonesuch"),
        ("read_document", {"document": "none.md"}, "There is no such document."),
        ("read_document", {"document": "acclimate://elsewhere/x"}, "There is no such document."),
        ("read_document", {"document": "pump.md", "start": 9999}, "beyond its end"),
    ]

    async def use(mcp):
        for name, arguments, told in wrong:
            result = await mcp.call_tool(name, arguments)
            assert result.is_error, name
            assert told in result.content[0].text
            assert result.structured_content is None
        for attempt in (mcp.call_tool("delete", {}), mcp.read_resource("file:///etc/passwd")):
            with pytest.raises(MCPError) as caught:
                await attempt
            assert caught.value.code == -32602

    talk(client, use)


def test_a_full_queue_says_when_to_come_again(serve, make_project, monkeypatch, talk):
    entered, held = threading.Event(), threading.Event()

    def slow(messages):
        entered.set()
        held.wait(STATE_S)
        return script(messages)

    project = make_project(serve={"queue": 0})
    engine = ScriptedEngine(slow, context_tokens=4096)
    monkeypatch.setattr(type(project), "_load_engine", lambda *_: engine)
    server = serve(project)

    def first():
        server.post("/v1/chat/completions", json=asked("What does a filter cost?"))

    one = threading.Thread(target=first)
    one.start()
    assert entered.wait(STATE_S)

    async def use(mcp):
        return await mcp.call_tool("ask", {"question": "What does a filter cost?"})

    try:
        busy = talk(server, use)
    finally:
        held.set()
        one.join()
    assert busy.is_error
    assert busy.content[0].text.startswith("The server is busy. Try again in ")


def test_a_long_answer_gives_signs_of_life(serve, make_project, monkeypatch, talk):
    monkeypatch.setattr(mcp_tools, "_ALIVE_S", 0.01)
    heard = threading.Event()

    def slow(messages):
        assert heard.wait(STATE_S)
        return script(messages)

    project = make_project()
    engine = ScriptedEngine(slow, context_tokens=4096)
    monkeypatch.setattr(type(project), "_load_engine", lambda *_: engine)

    async def hear(progress, total, message):
        assert progress > 0
        heard.set()

    async def use(mcp):
        return await mcp.call_tool("ask", {"question": "A filter?"}, progress_callback=hear)

    assert not talk(serve(project), use).is_error


def test_resources_come_in_pages(client, talk, monkeypatch):
    monkeypatch.setattr(mcp_server, "_PAGE", 2)

    async def use(mcp):
        first = await mcp.list_resources()
        second = await mcp.list_resources(cursor=first.next_cursor)
        assert second.next_cursor is None
        return [one.name for page in (first, second) for one in page.resources]

    assert talk(client, use) == ["hr/pay.md", "prices.md", "pump.md"]


@pytest.mark.parametrize("letter", ["x", "語", "😀"])
def test_the_longest_texts_pass_the_client(serve, make_project, talk, letter):
    """The SDK's client takes 1 MiB in one event."""
    most = mcp_server._MOST_TEXT
    project = make_project()
    text = "# Long\n\n" + " ".join([letter * 7] * (most // 8 - 2))
    (project.documents / "long.md").write_text(text)
    project.ingest()

    async def use(mcp):
        whole = (await mcp.read_resource(uri_of("long.md"))).contents[0].text
        assert len(whole) > most * 0.9
        part = await mcp.call_tool("read_document", {"document": "long.md", "length": 50_000})
        assert part.structured_content["text"] == whole[:50_000]

    talk(serve(project), use)


def test_a_resource_too_large_to_be_read_at_once_names_the_tool(client, talk, monkeypatch):
    monkeypatch.setattr(mcp_server, "_MOST_TEXT", 20)

    async def use(mcp):
        with pytest.raises(MCPError, match="read_document"):
            await mcp.read_resource(uri_of("pump.md"))

    talk(client, use)


@pytest.mark.parametrize("path", ["a b.md", "ä/ü#1.md", "100%.md", "what?.md", "日本/語.md"])
def test_a_path_survives_its_uri(path):
    assert path_of(uri_of(path)) == path
    assert " " not in uri_of(path)


def test_lists_that_differ_by_caller_are_never_cached_for_others(client):
    """Revision 2026-07-28 lets caches between share what is public."""

    def scope(method):
        meta = {
            "io.modelcontextprotocol/protocolVersion": "2026-07-28",
            "io.modelcontextprotocol/clientCapabilities": {},
        }
        body = BODY | {"method": method, "params": {"_meta": meta}}
        headers = ACCEPT | {"Mcp-Protocol-Version": "2026-07-28", "Mcp-Method": method}
        return client.post("/mcp", json=body, headers=headers).json()["result"]["cacheScope"]

    assert (scope("tools/list"), scope("resources/list")) == ("public", "private")


def test_requests_and_answers_are_counted_and_logged_without_text(client, talk, caplog):
    async def use(mcp):
        await mcp.call_tool("ask", {"question": "What does a filter cost?"})

    caplog.set_level("INFO", "acclimate.audit")
    talk(client, use)
    metrics = client.get("/metrics").text
    assert 'acclimate_answers_total{abstained="false",recipe="rag"} 1.0' in metrics
    assert 'route="/mcp"' in metrics
    assert "key=local POST /mcp status=200" in caplog.text
    assert "filter" not in caplog.text


def test_without_the_extra_it_says_what_is_missing(serve, monkeypatch):
    monkeypatch.setattr(mcp_route, "find_spec", lambda _name: None)
    refused = serve().post("/mcp", json=BODY, headers=ACCEPT)
    assert refused.status_code == 501
    assert "pip install 'acclimate[mcp]'" in refused.json()["error"]["message"]
