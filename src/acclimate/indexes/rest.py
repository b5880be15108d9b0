"""A store's REST interface: one client, whose errors say what to check."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import httpx

from acclimate.errors import LibraryError
from acclimate.system.proxies import routes


class Rest:
    """Calls to the server of `store` at `url`. Safe to use from several threads."""

    def __init__(self, store: str, url: str, headers: Mapping[str, str]) -> None:
        self._store = store
        # Qdrant sends what it compresses in pieces, the last of which waits for the first one's
        # acknowledgement: 40 ms for each query.
        plain = {"accept-encoding": "identity", **headers}
        self._client = httpx.Client(
            base_url=url, headers=plain, timeout=120, transport=routes(httpx)
        )

    def call(self, method: str, path: str, body: object = None, content: str | None = None) -> Any:
        """The answer's JSON; None for status 404. `content` is sent as lines of JSON, in place of
        `body`.

        Raises LibraryError where the server does not answer, or refuses.
        """
        lines = {"content-type": "application/x-ndjson"} if content is not None else {}
        try:
            answer = self._client.request(method, path, json=body, content=content, headers=lines)
        except httpx.HTTPError as error:
            raise LibraryError(
                f"the {self._store} store at {self._client.base_url} does not answer: {error}.",
                hint="Check [store] url, and that the server runs.",
                retryable=True,
            ) from error
        if answer.status_code == httpx.codes.NOT_FOUND:
            return None
        if answer.is_error:
            raise LibraryError(
                f"the {self._store} store refused {method} {path}: {answer.status_code} "
                f"{answer.text[:300]}.",
                hint="Check the key in the variable that [store] api_key_env names."
                if answer.status_code in (401, 403)
                else "acclimate doctor --repair",
                retryable=answer.status_code in (429, 502, 503, 504),
            )
        return answer.json() if answer.content else {}

    def close(self) -> None:
        """Close all connections."""
        self._client.close()
