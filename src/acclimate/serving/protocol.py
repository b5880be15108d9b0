"""HTTP connections that slow clients cannot hold: what asyncio and uvicorn let wait for ever ends
here."""

from __future__ import annotations

import asyncio
from typing import Any

from uvicorn.protocols.http.h11_impl import H11Protocol


class BoundedH11Protocol(H11Protocol):
    """Drops a connection whose request's head is not there `patience` seconds after it began, or
    that does not read."""

    patience = 20.0

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self.access_log = False  # it holds what callers wrote; the gate's audit log does not
        self._head: asyncio.TimerHandle | None = None
        self._stalled: asyncio.TimerHandle | None = None

    def connection_made(  # type: ignore[override] # as the base class
        self, transport: asyncio.Transport
    ) -> None:
        """Wait for the first request."""
        super().connection_made(transport)
        self._head = self.loop.call_later(self.patience, transport.abort)

    def data_received(self, data: bytes) -> None:
        """A request begins, goes on, or is sent although it was answered."""
        if self._head is None and not self._answering:
            self._head = self.loop.call_later(self.patience, self.transport.abort)
        super().data_received(data)
        if self._answering:
            self._settle_head()

    def pause_writing(self) -> None:
        """The client does not read as fast as we write."""
        super().pause_writing()
        self._stalled = self._stalled or self.loop.call_later(self.patience, self.transport.abort)

    def resume_writing(self) -> None:
        """It reads again."""
        super().resume_writing()
        self._settle_stalled()

    def connection_lost(self, exc: Exception | None) -> None:
        """The connection ended."""
        self._settle_head()
        self._settle_stalled()
        super().connection_lost(exc)

    @property
    def _answering(self) -> bool:
        return self.cycle is not None and not self.cycle.response_complete

    def _settle_head(self) -> None:
        if self._head is not None:
            self._head.cancel()
            self._head = None

    def _settle_stalled(self) -> None:
        if self._stalled is not None:
            self._stalled.cancel()
            self._stalled = None
