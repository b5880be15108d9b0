"""An OpenID Connect provider on this machine, for tests of logging in: real keys, real signatures,
and all that a hostile or broken one could do instead. Needs the extra `login`."""

from __future__ import annotations

import base64
import hashlib
import json
import secrets
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, quote, unquote, urlencode, urlsplit

from joserfc import jwt
from joserfc.jwk import ECKey, RSAKey

CLIENT, SECRET = "acclimate", "a secret: of the client"

Sign = Callable[[dict[str, Any]], str]


@dataclass
class LocalProvider:
    """Lets everybody in as `who` (claims beside those of the protocol).

    A test changes what it does: `key` and `published` (the keys that it names), `sign` (claims →
    token), `metadata` and `answer` (added to discovery, and to what a browser brings back).
    """

    issuer: str = ""
    who: dict[str, Any] = field(default_factory=lambda: {"sub": "ann", "groups": ["staff"]})
    key: RSAKey | ECKey = field(default_factory=lambda: new_key("one"))
    published: list[RSAKey | ECKey] = field(default_factory=list)
    sign: Sign | None = None
    metadata: dict[str, Any] = field(default_factory=dict)
    answer: dict[str, str] = field(default_factory=dict)
    codes: dict[str, dict[str, str]] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)

    def rotate(self, name: str) -> None:
        """Sign with a new key, and name no other."""
        self.key, self.published = new_key(name), []

    def discovery(self) -> dict[str, Any]:
        """What /.well-known/openid-configuration says."""
        return {
            "issuer": self.issuer,
            "authorization_endpoint": f"{self.issuer}/authorize?tenant=firm",
            "token_endpoint": f"{self.issuer}/token",
            "jwks_uri": f"{self.issuer}/keys",
            **self.metadata,
        }

    def keys(self) -> dict[str, Any]:
        """The public keys, and one of a kind that nobody knows yet."""
        named = self.published or [self.key]
        rows: list[Any] = [key.as_dict(private=False) for key in named]
        return {"keys": [*rows, {"kty": "LATTICE", "kid": "later"}]}

    def allow(self, query: dict[str, str]) -> str:
        """A browser asks to log in: the address that it is sent back to."""
        code = secrets.token_urlsafe(16)
        self.codes[code] = query
        back = {"code": code, "state": query["state"], **self.answer}
        return f"{query['redirect_uri']}?{urlencode({k: v for k, v in back.items() if v})}"

    def redeem(self, form: dict[str, str], authorization: str) -> dict[str, Any] | None:
        """A server brings a code, once; None where that is not as RFC 6749 and RFC 7636 say."""
        query = self.codes.pop(form.get("code", ""), None)
        pair = base64.b64decode(authorization.removeprefix("Basic ")).decode()
        if query is None or pair != f"{quote(CLIENT)}:{quote(SECRET, safe='')}":
            return None
        challenge = hashlib.sha256(form["code_verifier"].encode()).digest()
        proven = base64.urlsafe_b64encode(challenge).decode().rstrip("=")
        if (proven, "S256") != (query["code_challenge"], query["code_challenge_method"]):
            return None
        if form["redirect_uri"] != query["redirect_uri"] or unquote(query["client_id"]) != CLIENT:
            return None
        now = int(time.time())
        claims = {"iss": self.issuer, "aud": CLIENT, "iat": now, "exp": now + 300}
        claims |= {"nonce": query["nonce"], **self.who}
        token = (self.sign or self.signed)(claims)
        return {"access_token": "x", "token_type": "Bearer", "id_token": token}

    def signed(self, claims: dict[str, Any], **header: Any) -> str:
        """A token by the provider's key; None as a value leaves a claim or a header out."""
        algorithm = "ES256" if isinstance(self.key, ECKey) else "RS256"
        head = {"alg": algorithm, "kid": self.key.kid, "typ": "JWT", **header}
        return jwt.encode(_without_none(head), _without_none(claims), self.key)


def new_key(name: str) -> RSAKey:
    """A key pair that is called `name`."""
    return RSAKey.generate_key(2048, {"kid": name, "use": "sig"})


@contextmanager
def serve_provider() -> Iterator[LocalProvider]:
    """A provider that listens while the context lasts."""
    provider = LocalProvider()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            place = urlsplit(self.path)
            provider.asked.append(place.path)
            if place.path == "/authorize":
                query = {key: values[0] for key, values in parse_qs(place.query).items()}
                self._answer(303, {}, provider.allow(query))
            elif place.path == "/keys":
                self._answer(200, provider.keys())
            elif place.path == "/.well-known/openid-configuration":
                self._answer(200, provider.discovery())
            else:
                self._answer(404, {})

        def do_POST(self) -> None:
            provider.asked.append(self.path)
            body = self.rfile.read(int(self.headers["Content-Length"])).decode()
            form = {key: values[0] for key, values in parse_qs(body).items()}
            told = provider.redeem(form, self.headers.get("Authorization", ""))
            self._answer(200 if told else 400, told or {"error": "invalid_grant"})

        def _answer(self, status: int, told: dict[str, Any], location: str = "") -> None:
            body = json.dumps(told).encode()
            self.send_response(status)
            if location:
                self.send_header("Location", location)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            """Nothing goes to stderr."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    provider.issuer = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, name="provider", daemon=True)
    thread.start()
    try:
        yield provider
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def _without_none(values: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value is not None}
