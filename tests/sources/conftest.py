"""A mirror of a source in a temporary folder, and its servers."""

import pytest
from pydantic import TypeAdapter

from acclimate.errors import AcclimateError
from acclimate.settings_sources import SourceSettings
from acclimate.sources.addresses import resolve
from acclimate.sources.base import Pause
from acclimate.sources.kinds import RESUMES, Place, mirror_source
from acclimate.sources.mirror import Limits, Mirror

from . import servers


class Hurried(Pause):
    """Waits for nothing; `waited` has what was asked for."""

    def __init__(self):
        super().__init__()
        self.waited = []

    def wait(self, seconds):
        self.check()
        self.waited.append(seconds)


class Mirrored:
    """Mirrors a source as `acclimate sync` does, again and again."""

    def __init__(self, folder):
        self.project = folder
        self.folder = folder / "documents" / "_sources" / "one"
        self.pause = Hurried()
        self.resolve = resolve

    def __call__(self, accept=False, **section):
        values = {"requests_per_second": 1000, "allow_private": True}
        if section["type"] not in ("web", "webdav"):
            del values["requests_per_second"]
        if section["type"] in ("confluence", "notion"):
            values.clear()
        chosen = TypeAdapter(SourceSettings).validate_python(values | section)
        mb = 1_000_000
        limits = Limits(chosen.max_files, chosen.max_file_mb * mb, chosen.max_total_mb * mb)
        place = Place(self.project, self.project / "cache", self.resolve)
        resumes = chosen.type in RESUMES
        with Mirror(
            "one", self.folder, limits, pause=self.pause, accept=accept, resumes=resumes
        ) as mirror:
            error = None
            try:
                mirror_source(chosen, mirror, place)
            except AcclimateError as fault:
                mirror.end()
                error = fault
            self.items = {item.path: item for item in mirror.items()}
            return mirror.report(chosen.type, error, 0.0)

    def files(self):
        """What lies in the folder, by path."""
        return {
            file.relative_to(self.folder).as_posix(): file.read_bytes()
            for file in sorted(self.folder.rglob("*"))
            if file.is_file() and not file.name.startswith(".")
        }


@pytest.fixture
def mirrored(tmp_path):
    return Mirrored(tmp_path)


@pytest.fixture
def site():
    with servers.serving() as opened:
        yield opened


@pytest.fixture
def dav():
    with servers.serving_dav() as opened:
        yield opened


@pytest.fixture
def mail():
    with servers.serving_mail() as opened:
        yield opened
