"""Running commands, and the server that they wait for."""

import pytest

from .commands import Command, stalling_server


@pytest.fixture
def server():
    """See `Stalling`."""
    with stalling_server() as stalling:
        yield stalling


@pytest.fixture
def start(tmp_path):
    """Starts a command in the test's folder; none outlives the test."""
    running = []

    def start(*arguments, **environment):
        running.append(Command(*arguments, cwd=tmp_path, **environment))
        return running[-1]

    yield start
    for command in running:
        command.kill()
