"""Actors on the nodes of a cluster, and calls to whichever has room; nodes may come and go.

One thread of this process knows of everything: events reach it through a queue. A call whose actor
is lost is given to another; a second time it is alone with its actor, so that calls that were only
beside it are not blamed; three losses are its own fault, and fail it. A node that cannot do the work
takes no part; without any, all calls fail.
"""

from __future__ import annotations

import logging
import queue
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future, InvalidStateError, wait
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from acclimate._version import __version__
from acclimate.cluster.nodes import Node, Share, shares
from acclimate.cluster.place import Greeting, Make, Place, Told
from acclimate.errors import AcclimateError, EngineError
from acclimate.system import ending
from acclimate.system.closing import Closing

log = logging.getLogger(__name__)

LOSSES = 3
"""Actors that a call may cost."""
_LOOK_S = 1.0  # between looks at the nodes
_ENDING_S, _HURRY_S = 10.0, 2.0  # that actors have to close what they hold
_WAKE_S = 0.2  # between looks whether this process is to end
_PATIENCE_S = 60.0  # without any node that could take part
_SLOW_S = 30.0  # without any actor that began, until that is told
_MEMORY = "Its node may have too little memory: with more [cluster] cpus it has fewer actors."
_LIGHT = 8  # calls beside the others that an actor takes at once


def result(call: Future[Any]) -> Any:
    """What a call gives, or raises. Raises Interrupted if this process is to end."""
    while not wait([call], _WAKE_S).done:
        ending.check()
    return call.result()


class LostError(EngineError):
    """A call that cost as many actors as a call may."""


@dataclass(slots=True, eq=False)
class _Call:
    method: str
    arguments: tuple[object, ...]
    heavy: bool
    on_gpu: bool
    future: Future[Any] = field(default_factory=Future)
    losses: int = 0


@dataclass(slots=True, eq=False)
class _Actor:
    handle: Any
    node: Node
    share: Share
    ready: bool = False
    calls: set[_Call] = field(default_factory=set)

    @property
    def heavy(self) -> int:
        """How many heavy calls it has."""
        return sum(one.heavy for one in self.calls)

    def takes(self, call: _Call, depth: int) -> bool:
        """Whether it has room for a call; one that was lost before is alone."""
        if not self.ready or (call.on_gpu and not self.share.gpus):
            return False
        if not call.heavy:
            return True
        alone = call.losses or any(one.losses for one in self.calls if one.heavy)
        return not self.heavy if alone else self.heavy < depth


class Pool(Closing):
    """Actors, each of which holds what `make` makes on its node.

    `depth` heavy calls are with an actor at once (0: by its CPUs); `share` says what an actor takes
    of a node, `nodes` which there are. Where GPUs are wanted, others take part `without_gpus`.
    Once it is closed, `cpu_s` is what the actors that ended in order took, with the processes that
    they started. The process is connected to a cluster; see `acclimate.cluster.session`.
    """

    def __init__(
        self,
        make: Make,
        share: Share,
        *,
        nodes: Callable[[], list[Node]],
        depth: int = 0,
        without_gpus: bool = False,
    ) -> None:
        self._make, self._share, self._depth, self._nodes = make, share, depth, nodes
        self._without_gpus = without_gpus
        self._events: queue.SimpleQueue[Callable[[], None]] = queue.SimpleQueue()
        self._waiting: deque[_Call] = deque()
        self._actors: list[_Actor] = []
        self._unfit: dict[str, AcclimateError] = {}
        self._false_starts: dict[str, int] = {}
        self._warned: set[str] = set()
        self.cpu_s = 0.0
        self._began = self._last_node = time.monotonic()
        self._looked, self._over = 0.0, False
        self._thread = threading.Thread(target=self._run, name="cluster", daemon=True)
        self._thread.start()

    def submit(
        self, method: str, *arguments: object, heavy: bool = True, on_gpu: bool = False
    ) -> Future[Any]:
        """Call a method of what an actor holds. A call that is not `heavy` waits for no other.

        The future raises what the method raised, LostError for a call that cost three actors, and
        what stands against every node where none can take part.
        """
        call = _Call(method, arguments, heavy, on_gpu and self._share.gpus > 0)
        self._events.put(lambda: self._waiting.append(call))
        return call.future

    @property
    def room(self) -> int:
        """How many calls the actors that were started take at once."""
        return sum(self._most(actor.share) for actor in list(self._actors))

    def close(self) -> None:
        """End the actors; calls that are not done are cancelled."""
        self._events.put(self._end)
        self._thread.join()

    def _run(self) -> None:
        while not self._over:
            try:
                self._turn()
            except Exception as error:  # Ray's: without its cluster nothing goes on
                log.debug("the cluster fails", exc_info=True)
                self._fail_all(EngineError(f"the Ray cluster fails: {error}.", retryable=True))

    def _turn(self) -> None:
        """Take the events that are there, look at the nodes if it is time, and give calls away."""
        with suppress(queue.Empty):
            self._events.get(timeout=_LOOK_S)()
            while not self._over:
                self._events.get_nowait()()
        if self._over:
            return
        if time.monotonic() - self._looked >= _LOOK_S:
            self._looked = time.monotonic()
            self._look()
        self._give()

    def _end(self) -> None:
        import ray

        self._over = True
        closing = [one.handle.close.remote() for one in self._actors if one.ready]
        seconds = _HURRY_S if ending.requested() else _ENDING_S
        if closing:
            done, _ = ray.wait(closing, num_returns=len(closing), timeout=seconds)
            with suppress(ray.exceptions.RayError):  # of one that was lost meanwhile
                self.cpu_s = sum(ray.get(done))
        for actor in self._actors:
            _kill(actor)
        for call in [*self._waiting, *(call for actor in self._actors for call in actor.calls)]:
            call.future.cancel()

    def _look(self) -> None:
        """Start actors on nodes that came, and give up those on nodes that went."""
        there = {node.id: node for node in self._nodes() if node.cpus >= 1}
        for actor in [one for one in self._actors if one.node.id not in there]:
            self._lose(actor)
        taken = {(one.node.id, one.share.number) for one in self._actors}
        fit = [node for node in there.values() if node.id not in self._unfit]
        for node in fit:
            for share in shares(node, self._share, without_gpus=self._without_gpus):
                if (node.id, share.number) not in taken:
                    self._start(node, share)
        self._judge(list(there.values()), fit)

    def _judge(self, there: Sequence[Node], fit: Sequence[Node]) -> None:
        """Fail all calls where nothing could do them any more."""
        now = time.monotonic()
        if any(one.share.gpus or not self._share.gpus for one in self._actors):
            self._last_node = now
            if now - self._began > _SLOW_S and not any(one.ready for one in self._actors):
                self._warn("no actor has begun yet: it waits for CPUs of the cluster, or loads")
        elif self._unfit and not fit:
            self._fail_all(next(iter(self._unfit.values())))
        elif (there and not self._actors) or now - self._last_node > _PATIENCE_S:
            self._fail_all(_none_fits(there, self._share))

    def _start(self, node: Node, share: Share) -> None:
        import ray
        from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

        handle = (
            ray.remote(Place)
            .options(
                num_cpus=share.cpus,
                num_gpus=share.gpus,
                max_restarts=0,
                max_concurrency=self._most(share) + _LIGHT,
                scheduling_strategy=NodeAffinitySchedulingStrategy(node.id, soft=False),
            )
            .remote(self._make, share.cpus)
        )
        actor = _Actor(handle, node, share)
        self._actors.append(actor)
        self._await(handle.ready.remote(), lambda told, lost: self._greet(actor, told, lost))

    def _await(self, ref: Any, then: Callable[[Told | None, str], None]) -> None:
        """Have `then` called in our thread with what came, or with why nothing will."""

        def came(done: Future[Told]) -> None:
            error = done.exception()
            told = None if error else done.result()
            self._events.put(lambda: then(told, "" if error is None else str(error)))

        ref.future().add_done_callback(came)

    def _greet(self, actor: _Actor, told: Told | None, lost: str) -> None:
        if actor not in self._actors:
            return
        if told is None:
            self._false_start(actor, lost)
        elif told.fault is not None:
            self._refuse(actor, told.fault.error(actor.node.host))
        elif (greeting := _greeting(told)).version != __version__:
            message = f"it has Acclimate {greeting.version}, and this is {__version__}."
            self._refuse(actor, EngineError(message, hint="Install the same version on all nodes."))
        else:
            actor.ready = True
            if not greeting.guarded:
                self._warn(
                    "the Ray cluster asks for no token: whoever reaches its ports can run anything "
                    "on its nodes and read the documents. Start it with RAY_AUTH_MODE=token"
                )

    def _false_start(self, actor: _Actor, lost: str) -> None:
        """An actor ended before it began: its node has as many tries as a call."""
        node = actor.node
        if "No module named 'acclimate" in lost:
            self._refuse(
                actor,
                EngineError(
                    "Acclimate is not installed there.",
                    hint=f"pip install acclimate=={__version__} on all nodes.",
                ),
            )
            return
        self._drop(actor)
        tries = self._false_starts[node.id] = self._false_starts.get(node.id, 0) + 1
        if tries >= LOSSES:
            said = lost.strip().splitlines()
            reason = f"{tries} actors ended there before they began: {said[0] if said else lost}"
            self._unfit[node.id] = EngineError(f"node {node.host}: {reason}")
            log.warning("node %s takes no part: %s", node.host, reason)

    def _refuse(self, actor: _Actor, error: AcclimateError) -> None:
        """A node takes no part, for a reason that will not change."""
        node = actor.node
        if node.id not in self._unfit:
            log.warning("node %s takes no part: %s %s", node.host, error, error.hint)
        if not str(error).startswith("on node"):
            error.args = (f"on node {node.host}: {error}",)
        self._unfit.setdefault(node.id, error)
        for one in [one for one in self._actors if one.node.id == node.id]:
            self._lose(one, blame=False)

    def _give(self) -> None:
        """Give calls to actors that have room, in their order. While a lost call waits to be alone,
        the actor that will be so first gets nothing else."""
        left: deque[_Call] = deque()
        kept: _Actor | None = None
        while self._waiting:
            call = self._waiting.popleft()
            if call.future.cancelled():
                continue
            able = [
                actor
                for actor in self._actors
                if actor is not kept and actor.takes(call, self._most(actor.share))
            ]
            if able:
                self._call(min(able, key=lambda one: len(one.calls) / one.share.cpus), call)
                continue
            left.append(call)
            if call.losses and kept is None:
                fit = [one for one in self._actors if one.share.gpus or not call.on_gpu]
                kept = min(fit, key=lambda one: one.heavy, default=None)
        self._waiting = left

    def _call(self, actor: _Actor, call: _Call) -> None:
        actor.calls.add(call)
        ref = actor.handle.call.remote(call.method, call.arguments)
        self._await(ref, lambda told, lost: self._done(actor, call, told, lost))

    def _done(self, actor: _Actor, call: _Call, told: Told | None, lost: str) -> None:
        if call not in actor.calls:  # it was given up before
            return
        if told is None:
            log.info("an actor on node %s was lost: %s", actor.node.host, lost)
            self._lose(actor)
        elif told.fault is not None and told.fault.unfit:
            self._refuse(actor, told.fault.error(actor.node.host))
        else:
            actor.calls.discard(call)
            _settle(call, told, actor.node.host)

    def _lose(self, actor: _Actor, *, blame: bool = True) -> None:
        """Take an actor's calls back; each is blamed for its loss."""
        calls = list(actor.calls)
        self._drop(actor)
        for call in calls:
            call.losses += blame
            if call.losses < LOSSES:
                self._waiting.appendleft(call)
            else:
                message = f"{LOSSES} actors ended at it, the last one on node {actor.node.host}."
                _fail(call, LostError(message, hint=_MEMORY))

    def _drop(self, actor: _Actor) -> None:
        self._actors.remove(actor)
        actor.calls.clear()
        _kill(actor)

    def _fail_all(self, error: AcclimateError) -> None:
        calls = [*self._waiting, *(call for actor in self._actors for call in actor.calls)]
        self._waiting.clear()
        for actor in self._actors:
            actor.calls.clear()
        for call in calls:
            _fail(call, error)

    def _most(self, share: Share) -> int:
        """How many heavy calls an actor is given at once."""
        return self._depth or 2 * share.cpus + 1

    def _warn(self, message: str) -> None:
        if message not in self._warned:
            self._warned.add(message)
            log.warning("%s", message)


def _greeting(told: Told) -> Greeting:
    assert isinstance(told.value, Greeting)  # noqa: S101 - what `Place.ready` gives
    return told.value


def _settle(call: _Call, told: Told, host: str) -> None:
    if told.fault is not None:
        _fail(call, told.fault.error(host))
        return
    with suppress(InvalidStateError):  # nobody waits for it any more
        call.future.set_result(told.value)


def _fail(call: _Call, error: AcclimateError) -> None:
    with suppress(InvalidStateError):
        call.future.set_exception(error)


def _kill(actor: _Actor) -> None:
    import ray

    try:
        ray.kill(actor.handle)
    except Exception as error:  # it is gone already, or the cluster is
        log.debug("an actor could not be ended: %s", error)


def _none_fits(nodes: Sequence[Node], wanted: Share) -> EngineError:
    if not nodes:
        return EngineError(
            f"the Ray cluster has had no node for {_PATIENCE_S:.0f} s.", retryable=True
        )
    most = max(node.cpus for node in nodes)
    if most >= wanted.cpus:
        return EngineError(
            f"no node of the Ray cluster has {wanted.gpus:g} GPUs.",
            hint="Give fewer [cluster] gpus, or start nodes that have them.",
        )
    return EngineError(
        f"no node of the Ray cluster has the {max(1, wanted.cpus)} CPUs of an actor; the most that "
        f"one has is {most:g}.",
        hint="Give fewer [cluster] cpus.",
    )
