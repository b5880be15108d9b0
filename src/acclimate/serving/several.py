"""Several projects in one server: each below /p/NAME/ with keys, logins, rates, conversations and
jobs of its own, behind its own gate. They share models in memory, and nothing else."""

from __future__ import annotations

import logging
import threading
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import replace
from pathlib import Path

from starlette.applications import Starlette
from starlette.routing import Mount

from acclimate.errors import AcclimateError, ProjectError, SettingsError
from acclimate.project import Project
from acclimate.serving.app import Application, create_app
from acclimate.serving.listening import Listening, listening_of
from acclimate.serving.names import base_of, require_name
from acclimate.serving.root import Root
from acclimate.serving.server import Site
from acclimate.serving.service import at_once
from acclimate.serving.turns import Turns
from acclimate.workspace.layout import Layout
from acclimate.workspace.shelf import Shelf

OpenProject = Callable[[str, Path, Shelf], Project]
"""Opens the project of this name in a folder, with its models from a shelf."""
Tell = Callable[[str, AcclimateError], None]
"""Hears which project cannot be served, and why."""
log = logging.getLogger(__name__)


def read_places(given: Sequence[str]) -> dict[str, Path]:
    """The folders of "NAME=FOLDER", or "FOLDER", whose name is the folder's, by name. Raises
    SettingsError for a name that cannot be one, or is there twice, and for a folder that is."""
    found: dict[str, Path] = {}
    for one in given:
        name, mark, rest = one.partition("=")
        named = bool(mark) and "/" not in name and "\\" not in name
        folder = Path(rest if named else one).expanduser()
        name = name if named else folder.resolve().name
        require_name(name)
        if not rest and named:
            raise SettingsError(f"'{one}' names no folder.", hint=f"acclimate serve {name}=FOLDER")
        for other, place in found.items():
            if other.casefold() == name.casefold():
                raise SettingsError(
                    f"two projects would be called '{name}': {place} and {folder}.",
                    hint=f"acclimate serve {place} OTHERNAME={folder}",
                )
            if place.resolve() == folder.resolve():
                raise SettingsError(
                    f"'{other}' and '{name}' are the same folder, {folder}.", hint="Name it once."
                )
        found[name] = folder
    return found


def open_project(name: str, folder: Path, shelf: Shelf) -> Project:
    """The project in just this folder, as its settings say. Raises ProjectError where there is
    none."""
    require_project(folder)
    return Project.open(folder, shelf=shelf)


def require_project(folder: Path) -> None:
    """Raises ProjectError where a folder is no project itself: what is above it may be another of
    the server's."""
    file = Layout(folder).settings
    if not file.is_file():
        raise ProjectError(
            f"{folder} is not a project: there is no {file.name}.",
            hint="Name a folder that has one; acclimate init makes it.",
        )


def open_site(
    folders: Mapping[str, Path], tell: Tell, opened_by: OpenProject = open_project
) -> Site:
    """A server of the projects in `folders`, by name.

    One that cannot be opened costs no other; `tell` hears of it. Raises SettingsError where they do
    not listen at the same address, and ProjectError where none can be opened.
    """
    opening = _Opening(tell)
    for name, folder in folders.items():
        opening.open(name, folder, opened_by)
    if not opening.listening:
        raise _none(opening.failed)
    try:
        agreed = _agreed(opening.listening)
    except AcclimateError:
        opening.close()
        raise
    opening.start()
    if not opening.applications:
        raise _none(opening.failed)
    app = _site(opening.applications, opening.failed, opening.draining)
    return Site(app, agreed, opening.draining)


class _Opening:
    """Projects on their way into a server, each for itself."""

    def __init__(self, tell: Tell) -> None:
        self._tell, self._shelf, self.draining = tell, Shelf(), threading.Event()
        self._projects: dict[str, Project] = {}
        self.listening: dict[str, Listening] = {}
        self.applications: dict[str, Application] = {}
        self.failed: list[str] = []

    def open(self, name: str, folder: Path, opened_by: OpenProject) -> None:
        """Open one."""
        with self._alone(name):
            self._projects[name] = opened_by(name, folder, self._shelf)
            self.listening[name] = listening_of(self._projects[name])

    def start(self) -> None:
        """Make the applications of those that are open."""
        here = {
            name: at_once(project.settings)
            for name, project in self._projects.items()
            if project.settings.model.engine != "openai"
        }
        # As many answers are written on this machine at once as by the project with the most.
        turns = Turns(max(here.values(), default=1))
        for name, project in list(self._projects.items()):
            with self._alone(name):
                self.applications[name] = create_app(
                    project, self.draining, name=name, turns=turns if name in here else None
                )

    def close(self) -> None:
        """Close all."""
        for project in self._projects.values():
            project.close()

    @contextmanager
    def _alone(self, name: str) -> Iterator[None]:
        """Whatever is wrong with a project is told, and closes it alone."""
        try:
            yield
        except Exception as error:
            self.failed.append(name)
            self.listening.pop(name, None)
            if (project := self._projects.pop(name, None)) is not None:
                project.close()
            self._tell(name, as_ours(error))


def as_ours(error: Exception) -> AcclimateError:
    """An error as one of ours."""
    if isinstance(error, AcclimateError):
        return error
    return ProjectError(f"{type(error).__name__}: {error}")


def _none(failed: Sequence[str]) -> ProjectError:
    return ProjectError(
        f"none of the projects can be served: {', '.join(failed)}.", hint="See the errors above."
    )


def _agreed(listening: Mapping[str, Listening]) -> Listening:
    """Where they all listen; of the times the longest."""
    (first, chosen), *others = listening.items()
    for name, other in others:
        for key in ("host", "port", "cert", "key"):
            one, two = getattr(chosen, key), getattr(other, key)
            if one != two:
                option = {"cert": "tls-cert", "key": "tls-key"}.get(key, key)
                raise SettingsError(
                    f"the projects '{first}' and '{name}' do not listen alike: "
                    f"[serve] {option.replace('-', '_')} is {_shown(one)} and {_shown(two)}.",
                    hint=f"acclimate serve --{option}",
                )
    return replace(
        chosen,
        drain_seconds=max(one.drain_seconds for one in listening.values()),
        receive_seconds=max(one.receive_seconds for one in listening.values()),
    )


def _shown(value: object) -> str:
    return "not set" if value is None else f"'{value}'"


def _site(
    applications: Mapping[str, Application], failed: Sequence[str], draining: threading.Event
) -> Starlette:
    root = Root(applications, failed, draining)

    @asynccontextmanager
    async def running(site: Starlette) -> AsyncIterator[None]:
        async with AsyncExitStack() as stack:
            for name, one in applications.items():
                try:
                    await stack.enter_async_context(one.running())
                except Exception as error:  # one costs no other
                    log.error("the project '%s' cannot be served: %s", name, as_ours(error))
                    root.lose(name)
                else:
                    site.router.routes.insert(0, Mount(base_of(name), one.gate))
            yield

    return Starlette(routes=[Mount("", root.gate)], lifespan=running)
