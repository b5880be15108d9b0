"""What a store's server is sent."""

import json
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import pytest

from acclimate.indexes.rest import Rest


class Echo(BaseHTTPRequestHandler):
    """Answers with the headers that it was sent."""

    def do_GET(self) -> None:
        body = json.dumps({key.lower(): value for key, value in self.headers.items()}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args: object) -> None:
        """Nothing."""


@pytest.fixture
def url():
    with ThreadingHTTPServer(("127.0.0.1", 0), Echo) as server:
        thread = Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def test_answers_are_not_compressed_unless_that_is_asked_for(url):
    for headers, wanted in (({}, "identity"), ({"accept-encoding": "gzip"}, "gzip")):
        rest = Rest("scripted", url, {"api-key": "k", **headers})
        sent = rest.call("GET", "/")
        rest.close()
        assert (sent["accept-encoding"], sent["api-key"]) == (wanted, "k")
