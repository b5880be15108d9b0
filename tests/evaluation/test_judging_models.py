"""The model that `[judge]` names, behind a server: one word is one short call, and who says more is heard out."""

import pytest

from acclimate.evaluation.verdicts import read_verdict
from acclimate.project import Project
from acclimate.settings import make_settings
from acclimate.testing.models import ScriptedEngine
from acclimate.testing.openai_server import serve_chat
from acclimate.types import Message
from acclimate.workflows.judges import Judging

ASKED = [Message("user", "Does the given answer say the same? Reply with one word: yes or no.")]
LONG = "The reference says five kilograms and the given answer says the same weight in other words."


@pytest.mark.parametrize(
    ("said", "reasoning", "right", "calls"),
    [
        ("No.", "", False, 1),
        (f"{LONG} Final verdict: yes", "", True, 2),
        (f"<think>{LONG} So no? {LONG}</think> Yes", "", True, 2),
        ("Yes", f"{LONG} So no?", True, 1),
        ("I wonder what it weighs. " * 300, "", None, 2),
    ],
)
def test_judges_are_heard_out(tmp_path, said, reasoning, right, calls):
    engine = ScriptedEngine(lambda _: said, context_tokens=4096)
    with serve_chat(engine) as server:
        server.reasoning = reasoning
        values = {"judge": {"name": "m", "base_url": server.url}}
        with Project(tmp_path, make_settings(values, "test")) as project:
            assert read_verdict(Judging(project)(ASKED)) is right
    assert len(engine.prompts) == calls
