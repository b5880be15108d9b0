"""Commands in processes of their own, watched until they reach a state, and a server that stops answering there."""

import json
import os
import select
import signal
import subprocess
import sys
import threading
import time
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from acclimate.cli.main import run
from acclimate.testing.embeddings import HashEmbedder
from acclimate.testing.states import STATE_S


def call(capsys, *arguments):
    """Run `acclimate` in this process: its exit code, and what it printed to stdout and stderr."""
    code = run(arguments)
    printed = capsys.readouterr()
    return code, printed.out, printed.err


class Command:
    """A running `acclimate`; `said` is all that it has printed so far, on both streams."""

    def __init__(self, *arguments, cwd, **environment):
        self.said = ""
        self._process = subprocess.Popen(
            [sys.executable, "-m", "acclimate", *arguments],
            cwd=cwd,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env=os.environ | environment,
            preexec_fn=_as_from_a_terminal,
        )

    def type(self, line):
        """Give it a line to read."""
        self._process.stdin.write(f"{line}\n".encode())
        self._process.stdin.flush()

    def until(self, text):
        """Read on until it has printed this."""
        until = time.monotonic() + STATE_S
        while text not in self.said:
            ready, _, _ = select.select(
                [self._process.stdout], [], [], max(0.0, until - time.monotonic())
            )
            piece = os.read(self._process.stdout.fileno(), 1 << 16) if ready else b""
            assert piece, f"it never said {text!r}, but: {self.said}"
            self.said += piece.decode("utf-8", "replace")
        return self

    def tell(self, number):
        """Send it a signal."""
        self._process.send_signal(number)
        return self

    def ends(self):
        """Its exit code, once it has ended; what it printed must hold no trace of a crash."""
        rest, _ = self._process.communicate(timeout=STATE_S)
        self.said += rest.decode("utf-8", "replace")
        assert "Traceback" not in self.said, self.said
        assert "terminate called" not in self.said, self.said
        return self._process.returncode

    def descendants(self):
        """The ids of all processes below it."""
        return _below(self._process.pid)

    def kill(self):
        """End it, where it still runs."""
        if self._process.poll() is None:
            self._process.kill()
        self._process.communicate()


def _as_from_a_terminal():
    """Where these tests run in the background of a shell, SIGINT is ignored, and children would inherit that."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def _below(number):
    found = []
    for file in Path(f"/proc/{number}/task").glob("*/children"):
        for child in file.read_text().split():
            found += [int(child), *_below(int(child))]
    return found


def gone(number):
    """Whether a process has ended."""
    try:
        return Path(f"/proc/{number}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except FileNotFoundError:
        return True


class Stalling(ThreadingHTTPServer):
    """A model hub, a package index and a model server in one; a request that holds `stalls_at` is answered only once
    `released`. `stalled` is set when one came."""

    daemon_threads = True
    weights = bytes(range(256)) * 4096

    def __init__(self):
        super().__init__(("127.0.0.1", 0), _Handler)
        self.address = f"http://127.0.0.1:{self.server_address[1]}"
        self.stalls_at = "\0"
        self.stalled, self.released = threading.Event(), threading.Event()
        self.asked = []

    def model(self):
        """The environment that names it as the model server."""
        return {
            "ACCLIMATE_MODEL__ENGINE": "openai",
            "ACCLIMATE_MODEL__NAME": "far",
            "ACCLIMATE_MODEL__BASE_URL": f"{self.address}/v1",
        }

    def embedder(self):
        """The environment that names it as the embedder's server."""
        return {
            "ACCLIMATE_EMBEDDER__ENGINE": "openai",
            "ACCLIMATE_EMBEDDER__MODEL": "far",
            "ACCLIMATE_EMBEDDER__BASE_URL": f"{self.address}/v1",
        }

    def release(self):
        """Answer everything from now on."""
        self.stalls_at = "\0"
        self.released.set()

    def wait_stalled(self):
        """Wait until a request is held back."""
        assert self.stalled.wait(STATE_S)

    def stall(self, text):
        if self.stalls_at in text:
            self.stalled.set()
            self.released.wait(STATE_S)


class _Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        self.server.asked.append(self.path)
        weights = self.server.weights
        if self.path.startswith("/api/models/"):
            self._json({"sha": "1", "siblings": [{"rfilename": "model-Q4_0.gguf"}]})
        elif self.path.endswith(".gguf"):
            start = int(self.headers.get("Range", "bytes=0-").partition("=")[2].partition("-")[0])
            self.send_response(206 if start else 200)
            self.send_header("Content-Length", str(len(weights) - start))
            self.end_headers()
            half = max(start, len(weights) // 2)
            self.wfile.write(weights[start:half])
            self.wfile.flush()
            self.server.stall("weights")
            self.wfile.write(weights[half:])
        else:
            self.server.stall(self.path)
            self.send_error(404)

    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        text = json.dumps(body)
        self.server.asked.append(text)
        self.server.stall(text)
        if self.path.endswith("/embeddings"):
            rows = HashEmbedder().embed_passages(body["input"])
            data = [
                {"object": "embedding", "index": i, "embedding": row.tolist()}
                for i, row in enumerate(rows)
            ]
            self._json({"object": "list", "model": "far", "data": data})
            return
        base = {"id": "1", "object": "chat.completion.chunk", "created": 1, "model": "far"}
        said = {
            "index": 0,
            "delta": {"role": "assistant", "content": "Ada Holm [1]"},
            "finish_reason": "stop",
        }
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.end_headers()
        self.wfile.write(
            f"data: {json.dumps(base | {'choices': [said]})}\n\ndata: [DONE]\n\n".encode()
        )

    def _json(self, value):
        content = json.dumps(value).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def handle_one_request(self):
        try:
            super().handle_one_request()
        except (BrokenPipeError, ConnectionResetError):  # the command was ended
            self.close_connection = True

    def log_message(self, *_):
        pass


@contextmanager
def stalling_server():
    """A `Stalling` server while the context lasts."""
    server = Stalling()
    thread = threading.Thread(
        target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True
    )
    thread.start()
    try:
        yield server
    finally:
        server.release()
        server.shutdown()
        server.server_close()
        thread.join()
