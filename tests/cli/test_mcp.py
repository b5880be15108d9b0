"""`acclimate mcp`, started by the official SDK's own client as programs start it."""

import asyncio
import os
import signal
import sys

import pytest
from mcp import StdioServerParameters
from mcp.client.client import Client
from mcp.shared.exceptions import MCPError

from acclimate.project import Project
from acclimate.serving.keys import keys_of

SECRET = "4711"
SETTINGS = """
[documents]
path = "docs"
labels = ["hr/** = hr"]
workers = 1
"""


@pytest.fixture
def environment(server):
    """Model and embedder are a server of the test; its answer is "Ada Holm [1]"."""
    return server.model() | server.embedder()


@pytest.fixture
def folder(tmp_path, monkeypatch, environment):
    (tmp_path / "docs" / "hr").mkdir(parents=True)
    (tmp_path / "docs" / "museum.md").write_text("# The museum\n\nAda Holm founded the museum.\n")
    (tmp_path / "docs" / "hr" / "pay.md").write_text(f"# Pay\n\nAda Holm earns {SECRET}.\n")
    (tmp_path / "acclimate.toml").write_text(SETTINGS)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    with Project.open(tmp_path) as project:
        project.ingest()
    return tmp_path


def talk(folder, use, era="2026-07-28", **environment):
    """Runs `use(client)` with a client that has started the command."""
    program = StdioServerParameters(
        command=sys.executable,
        args=["-m", "acclimate", "mcp"],
        cwd=folder,
        env=dict(os.environ) | environment,
    )

    async def main():
        mode = "legacy" if era == "2025-11-25" else era
        async with Client(program, mode=mode) as client:
            assert client.protocol_version == era
            return await use(client)

    return asyncio.run(main())


async def everything(client):
    found = [
        await client.call_tool("search", {"query": "Ada Holm earns", "k": 20}),
        await client.call_tool("ask", {"question": "What does Ada Holm earn?"}),
        await client.call_tool("read_document", {"document": "hr/pay.md"}),
        await client.list_resources(),
    ]
    try:
        found.append(await client.read_resource("acclimate://documents/hr/pay.md"))
    except MCPError as error:
        found.append(error)
    return " ".join(map(repr, found))


@pytest.mark.parametrize("era", ["2026-07-28", "2025-11-25"])
def test_a_client_searches_asks_and_reads(folder, era):
    async def use(client):
        tools = [tool.name for tool in (await client.list_tools()).tools]
        assert tools == ["search", "ask", "read_document"]
        listed = (await client.list_resources()).resources
        assert [one.name for one in listed] == ["hr/pay.md", "museum.md"]
        said = await client.call_tool(
            "ask", {"question": "Who founded the museum?", "where": ["path=museum.md"]}
        )
        text = (await client.read_resource(listed[1].uri)).contents[0].text
        (source,) = said.structured_content["citations"]
        assert said.structured_content["answer"] == "Ada Holm"
        assert source["verbatim"]
        assert text[source["start"] : source["end"]] == source["quote"]
        assert SECRET in await everything(client)  # who starts it may read the files anyway

    talk(folder, use, era)


def test_a_key_without_a_label_never_sees_its_text(folder):
    keys = keys_of(folder)
    without = talk(folder, everything, ACCLIMATE_API_KEY=keys.add("ann", ("ask",), ()))
    assert "Ada Holm founded" in without
    assert SECRET not in without
    assert "name='hr/pay.md'" not in without
    assert SECRET in talk(folder, everything, ACCLIMATE_API_KEY=keys.add("bea", ("ask",), ("hr",)))


def test_a_key_that_is_removed_counts_no_more(folder):
    keys = keys_of(folder)

    async def use(client):
        assert not (await client.call_tool("search", {"query": "Ada"})).is_error
        keys.remove("ann")
        refused = await client.call_tool("search", {"query": "Ada"})
        assert refused.is_error
        assert refused.content[0].text == "The API key is no longer valid."
        with pytest.raises(MCPError, match="no longer valid"):
            await client.list_resources()

    talk(folder, use, ACCLIMATE_API_KEY=keys.add("ann", ("ask",), ()))


def test_a_key_has_its_rate(folder):
    async def use(client):
        first = await client.call_tool("search", {"query": "Ada"})
        assert not first.is_error
        for _ in range(50):
            again = await client.call_tool("search", {"query": "Ada"})
            if again.is_error:
                break
        assert "Try again in" in again.content[0].text

    token = keys_of(folder).add("ann", ("ask",), ())
    talk(folder, use, ACCLIMATE_API_KEY=token, ACCLIMATE_SERVE__REQUESTS_PER_MINUTE="2")


@pytest.mark.parametrize("scopes", [(), ("manage",)])
def test_a_key_that_may_not_ask_is_refused_at_once(folder, start, scopes):
    token = keys_of(folder).add("max", scopes, ()) if scopes else "acc_nonesuch"
    command = start("mcp", ACCLIMATE_API_KEY=token)
    assert command.ends() == 2
    assert "error:" in command.said
    assert token not in command.said


def test_before_the_first_ingest_it_says_what_to_do(tmp_path, start):
    (tmp_path / "docs").mkdir()
    Project.create(tmp_path, tmp_path / "docs").close()
    command = start("mcp")
    assert command.ends() == 1
    assert "acclimate ingest" in command.said


def test_it_ends_with_its_client_and_with_a_signal(folder, start):
    assert start("mcp").ends() == 0  # stdin is closed
    listening = '{"jsonrpc":"2.0","id":1,"method":"ping"}'
    command = start("mcp")
    command.type(listening)
    command.until('"id":1')
    assert command.tell(signal.SIGTERM).ends() == 143
