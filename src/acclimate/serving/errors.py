"""Errors in the form that OpenAI clients expect, without details of this machine."""

from __future__ import annotations

import logging
import traceback
from collections.abc import Mapping
from typing import Any

from starlette.responses import JSONResponse

from acclimate.errors import (
    AcclimateError,
    LibraryError,
    ProjectError,
    PromptTooLongError,
    SettingsError,
)

log = logging.getLogger(__name__)


class ApiError(Exception):
    """A request that is refused; becomes `{"error": {message, type, param, code}}`."""

    def __init__(
        self,
        status: int,
        message: str,
        code: str,
        *,
        param: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.status, self.code, self.param, self.headers = status, code, param, dict(headers or {})

    @property
    def body(self) -> dict[str, Any]:
        """The JSON that is sent."""
        kinds = {401: "authentication_error", 403: "permission_error", 429: "rate_limit_error"}
        kind = kinds.get(
            self.status, "invalid_request_error" if self.status < 500 else "server_error"
        )
        return {
            "error": {"message": str(self), "type": kind, "param": self.param, "code": self.code}
        }

    def response(self) -> JSONResponse:
        """The answer that is sent."""
        return JSONResponse(self.body, self.status, self.headers)


def as_api_error(error: BaseException) -> ApiError:
    """The error to send to a client. Messages that may name local files are only logged."""
    match error:
        case ApiError():
            return error
        case PromptTooLongError():
            return ApiError(400, str(error), "context_length_exceeded", param="messages")
        case SettingsError():
            return ApiError(400, str(error), "invalid_request")
        case ProjectError():
            log.warning("%s", error)
            return ApiError(409, "The project has no ingested documents yet.", "not_ingested")
        case LibraryError(retryable=True):
            log.warning("%s", error)
            return ApiError(
                503, "The library is busy.", "library_busy", headers={"Retry-After": "2"}
            )
        case AcclimateError():
            log.error("%s", error)
            return ApiError(
                500, "The request failed; the server's log says why.", type(error).__name__
            )
    # Not the error's own text: it may hold a caller's.
    log.error(
        "a request failed: %s at\n%s",
        type(error).__name__,
        "".join(traceback.format_tb(error.__traceback__)),
    )
    return ApiError(500, "The request failed; the server's log says why.", "internal_error")
