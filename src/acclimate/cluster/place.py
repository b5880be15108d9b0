"""What runs in an actor: it holds one thing, made on its node, and tells of errors as values.

Errors cross between processes as values because not every exception can be pickled, and because a
call that failed must be told from an actor that was lost.
"""

from __future__ import annotations

import os
import platform
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from acclimate import errors
from acclimate._version import __version__
from acclimate.errors import AcclimateError, EngineError
from acclimate.system.platforms import use_at_most

Make = Callable[[int], object]
"""Makes what an actor holds, for so many CPUs; picklable: a function of a module with its
arguments."""


class UnfitError(AcclimateError):
    """This node cannot do the work, another one may: a folder or a model is not there."""


@dataclass(frozen=True, slots=True)
class Fault:
    """An error as a value. `kind` is the name of its class in `acclimate.errors`, or empty for one
    that nobody foresaw."""

    kind: str
    message: str
    hint: str = ""
    retryable: bool = False
    wait_s: float | None = None
    unfit: bool = False

    @classmethod
    def of(cls, error: Exception) -> Fault:
        """An error as a value."""
        if isinstance(error, AcclimateError):
            kind, unfit = type(error).__name__, isinstance(error, UnfitError)
            return cls(kind, str(error), error.hint, error.retryable, error.wait_s, unfit)
        return cls("", f"{type(error).__name__}: {error}".rstrip(": "))

    def error(self, host: str) -> AcclimateError:
        """The error again; one that nobody foresaw names the node."""
        kind = getattr(errors, self.kind, None) if self.kind else EngineError
        found: type[AcclimateError] = kind or AcclimateError
        message = self.message if self.kind else f"on node {host}: {self.message}."
        made = found.__new__(found)  # not every class takes a message
        AcclimateError.__init__(
            made, message, hint=self.hint, retryable=self.retryable, wait_s=self.wait_s
        )
        return made


@dataclass(frozen=True, slots=True)
class Told:
    """What a call gave: a value, or why there is none."""

    value: Any = None
    fault: Fault | None = None


@dataclass(frozen=True, slots=True)
class Greeting:
    """What an actor tells when it is ready; `guarded`: its cluster asks for a token."""

    version: str
    host: str
    guarded: bool


class Place:
    """An actor, with `cpus` of its node's processors."""

    def __init__(self, make: Make, cpus: int) -> None:
        self._make, self._cpus = make, cpus
        self._held: object = None

    def ready(self) -> Told:
        """Make what is held; a `Greeting`."""
        use_at_most(self._cpus)
        try:
            self._held = self._make(self._cpus)
        except Exception as error:
            return Told(fault=Fault.of(error))
        from ray._private.authentication.authentication_utils import is_token_auth_enabled

        return Told(Greeting(__version__, platform.node(), is_token_auth_enabled()))

    def close(self) -> float:
        """Close what is held, where it can be; the CPU seconds that this actor took, with the
        processes that it started."""
        close = getattr(self._held, "close", None)
        if close is not None:
            close()
        spent = os.times()
        return spent.user + spent.system + spent.children_user + spent.children_system

    def call(self, method: str, arguments: tuple[object, ...]) -> Told:
        """Call a method of what is held."""
        try:
            return Told(getattr(self._held, method)(*arguments))
        except Exception as error:
            return Told(fault=Fault.of(error))
