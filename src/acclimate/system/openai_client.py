"""The client for OpenAI-compatible servers, which engines and embedders share."""

from __future__ import annotations

from importlib import import_module

import openai

from acclimate.system.proxies import proxy_of, routes


def open_client(key: str, base_url: str | None, timeout_s: float, retries: int) -> openai.OpenAI:
    """A client of the server at `base_url` (None: OpenAI's own).

    Raises NetworkError for a proxy that cannot be used.
    """
    # httpx2 from version 3 on, httpx before; `openai` takes only its own.
    library = import_module(openai.DefaultHttpxClient.__mro__[1].__module__.partition(".")[0])
    client = openai.OpenAI(
        api_key=key,
        base_url=base_url,
        timeout=timeout_s,
        max_retries=retries,
        http_client=openai.DefaultHttpxClient(transport=routes(library)),
    )
    # An error comes now, not after as many tries as there are for a server that is away.
    proxy_of(str(client.base_url))
    return client
