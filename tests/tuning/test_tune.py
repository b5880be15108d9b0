"""`acclimate tune`: a short run of the default model leaves an adapter that recipes wear and comparisons can run.

What becomes of other data, of stopped runs and of adapters that are served wrongly is tried with a tiny network.
"""

import json
import shutil
from functools import partial

import pytest
from peft import PeftConfig
from safetensors.torch import load_file, save_file

from acclimate.cli.inspection import InspectionShow, echo_inspection
from acclimate.errors import DataError, EngineError, ModelError, ProjectError, SettingsError
from acclimate.project import Project
from acclimate.prompting.recipes import find_recipe
from acclimate.tuning import trainer
from acclimate.tuning.knobs import Knobs
from acclimate.tuning.lock import exclusive_run
from acclimate.tuning.pairs.pairs import PairSource
from acclimate.tuning.run import Trained
from acclimate.tuning.trainer import TrainSettings
from acclimate.workflows import tune as adapting
from acclimate.workflows.tune import TuneOptions, prepare
from acclimate.workflows.tune_data import DataReport, TrainingSet, require_learnable
from acclimate.workflows.tune_preview import inspect_tuning
from acclimate.workspace.engine import load_engine
from acclimate.workspace.seeds import runs_of

DOCUMENTS = {
    "pump.md": "# Pump\n\nThe Fjell pump weighs 98 kg and is made in Oslo.",
    "fan.md": "# Fan\n\nThe fan turns 900 times a minute.",
    "shop.md": "# Shop\n\nThe shop opens at nine.",
}
QUESTIONS = [
    ("a", "How heavy is the pump?", "98 kg", "pump.md", "weighs 98 kg", "train"),
    (
        "b",
        "How fast does the fan turn?",
        "900 times a minute",
        "fan.md",
        "900 times a minute",
        "dev",
    ),
    ("c", "When does the shop open?", "nine", "shop.md", "opens at nine", "test"),
]


def fill(folder):
    (folder / "documents").mkdir()
    for name, text in DOCUMENTS.items():
        (folder / "documents" / name).write_text(text)
    keys = ("id", "question", "answers", "document", "evidence", "split")
    rows = [dict(zip(keys, (i, q, [a], d, e, s), strict=True)) for i, q, a, d, e, s in QUESTIONS]
    (folder / "questions.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return folder


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    """With the default model."""
    folder = fill(tmp_path_factory.mktemp("tune"))
    with Project.create(folder, folder / "documents") as made:
        made.ingest()
        yield made


@pytest.fixture(scope="module")
def tiny(tmp_path_factory, tiny_file):
    """With a tiny network, for which training takes a moment."""
    folder = fill(tmp_path_factory.mktemp("tiny"))
    model = f"name = '{tiny_file(window=8192)}'"
    (folder / "acclimate.toml").write_text(
        f'[documents]\npath = "documents"\n[model]\n{model}\nmax_tokens = 8\n'
    )
    with Project.open(folder) as opened:
        opened.ingest()
        yield opened


def test_a_recipe_without_its_adapter_names_the_command(project):
    with pytest.raises(SettingsError, match="not trained yet") as caught:
        project.answer("How heavy?", recipe="lora")
    assert caught.value.hint == "acclimate tune lora"


def test_a_short_run_makes_an_adapter_that_is_served(project):
    heard = []
    tuned = project.tune(
        "lora+rag", minutes=0.02, on_step=lambda seconds, figures: heard.append(figures)
    )
    assert heard
    assert tuned.trained.loss_after <= tuned.trained.loss_before
    assert tuned.same >= tuned.checked / 2 > 0
    folder = project.folder / ".acclimate" / "adapters" / "lora+rag"
    assert PeftConfig.from_pretrained(str(folder)).r == 16
    assert (folder / "loss.svg").read_text().startswith("<svg")
    assert json.loads((folder / "training.json").read_text())["cases"] == tuned.trained.cases
    answer = project.answer("How heavy is the pump?", recipe="lora+rag")
    assert answer.model.endswith("+lora+rag")
    assert "98" in answer.text
    comparison = project.compare(["rag", "lora+rag"])
    assert {row.recipe for row in comparison.rows} == {"rag", "lora+rag"}
    assert comparison.row("lora+rag").prepare_s > comparison.row("rag").prepare_s


CHATS = [
    [{"role": "system", "content": "Talk like a sailor."}, *turns]
    for turns in (
        [{"role": "user", "content": "Say hello"}, {"role": "assistant", "content": "Ahoy!"}],
        [
            {"role": "user", "content": "Say goodbye"},
            {"role": "assistant", "content": "Fair winds!"},
        ],
    )
]


def pairs(project, rows, name="pairs.jsonl"):
    file = project.folder / name
    file.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return file


@pytest.fixture
def sixty_steps(monkeypatch):
    """Runs of as many steps, however busy the machine is: minutes are few or many of them."""
    monkeypatch.setattr(trainer, "TrainSettings", partial(TrainSettings, steps=60))


@pytest.mark.usefixtures("sixty_steps", "one_thread")
def test_pairs_are_learnt_and_asked_as_they_stand(tiny):
    source = PairSource(pairs(tiny, [{"messages": chat} for chat in CHATS]))
    tuned = tiny.tune("rslora", data=source)
    assert tuned.trained.loss_after < tuned.trained.loss_before
    assert (tuned.data.format, tuned.data.cases, tuned.data.checked_against) == ("chat", 2, 1)
    assert tuned.same == tuned.checked == 2
    prompt = tiny.answerer("rslora").prompt("Say hello", ()).messages
    assert [(one.role, one.content) for one in prompt] == [
        ("system", "Talk like a sailor."),
        ("user", "Say hello"),
    ]
    folder = tiny.folder / ".acclimate" / "adapters" / "rslora"
    assert json.loads((folder / "data.json").read_text())["sha256"] == tuned.data.sha256
    learnt = [
        json.loads(line)["question"] for line in (folder / "learnt.jsonl").read_text().splitlines()
    ]
    assert learnt == ["Say hello", "Say goodbye"]


@pytest.fixture
def four_steps(monkeypatch):
    """Runs that end soon."""
    monkeypatch.setattr(trainer, "TrainSettings", partial(TrainSettings, steps=4))


@pytest.mark.usefixtures("four_steps", "one_thread")
def test_the_runs_of_several_seeds_stay_and_are_compared_as_one(tiny):
    source = PairSource(pairs(tiny, [{"messages": chat} for chat in CHATS]))
    tuned = tiny.tune("lora", data=source, knobs=Knobs(seed=4, seeds=3), replay=False)
    assert set(tuned.seeds) == {4, 5, 6}
    folder = tiny.folder / ".acclimate" / "adapters" / "lora"
    runs = runs_of(folder)
    assert {runs.kept, *runs.others} == {4, 5, 6}
    assert tuned.seeds[runs.kept] == min(tuned.seeds.values())
    weights = [
        (one / "adapter_model.safetensors").read_bytes() for one in (folder, *runs.others.values())
    ]
    assert len(set(weights)) == 3
    comparison = tiny.compare(["zero-shot", "lora"])
    assert {row.recipe for row in comparison.rows} == {"zero-shot", "lora"}
    assert next(iter(comparison.row("lora").seeds)) == runs.kept
    assert set(comparison.row("lora").seeds) == {4, 5, 6}
    assert {one.seed for one in comparison.repeats} == set(runs.others)
    again = tiny.tune("lora", data=source, replay=False)
    assert again.seeds == {}
    assert runs_of(folder) is None


@pytest.mark.usefixtures("sixty_steps", "one_thread")
def test_an_engine_that_leaves_the_adapter_out_is_refused(tiny, monkeypatch):
    """Silently, as runtimes do; it is not the rounding that lets sound adapters differ."""
    before = tiny.folder / ".acclimate" / "adapters" / "rslora"
    held = before.is_dir() and (before / "adapter_model.safetensors").read_bytes()
    monkeypatch.setattr(
        Project,
        "_load_engine",
        lambda self, _: load_engine(self.settings.model, None, self.local_model),
    )
    source = PairSource(pairs(tiny, [{"messages": chat} for chat in CHATS]))
    with pytest.raises(EngineError, match="2 of 2 questions differently than in training"):
        tiny.tune("rslora", data=source)
    assert (before.is_dir() and (before / "adapter_model.safetensors").read_bytes()) == held
    assert (before.with_name("rslora.training") / "refused" / "adapter_model.safetensors").is_file()
    shutil.rmtree(before.with_name("rslora.training"))
    tiny.keep_only(None)  # what was loaded meanwhile wears nothing


def test_rows_that_cannot_be_learnt_stop_a_run_before_it_begins(project):
    rows = [
        {"prompt": "Say hello", "completion": "Ahoy!"},
        {"prompt": "When does the shop open?", "completion": "Never."},
        {"prompt": "word " * 9000, "completion": "x"},
        {"prompt": "Sing", "completion": "La <|im_end|>"},
    ]
    file = pairs(project, rows)
    with pytest.raises(DataError) as caught:
        project.tune("lora", data=PairSource(file))
    told = str(caught.value)
    assert "3 of 4 rows cannot be learnt" in told
    assert "line 2 asks the test question 'c'" in told
    assert "line 3 has 90" in told
    assert "8192 fit" in told
    assert "line 4 has a control token" in told
    assert not (project.folder / ".acclimate" / "adapters" / "lora").exists()
    source = PairSource(file, leave_out=True)
    training_set = prepare(project, "lora", TuneOptions(source=source)).training_set
    require_learnable(training_set, source)
    assert (
        training_set.data.cases,
        len(training_set.data.problems),
        sum(training_set.data.reasons().values()),
    ) == (1, 3, 3)


def test_passages_need_to_know_which_one_holds_the_answer(project):
    file = pairs(project, [{"prompt": "a", "completion": "b"}])
    with pytest.raises(SettingsError, match="which passage holds the answer"):
        project.tune("lora+rag", data=PairSource(file))
    with pytest.raises(SettingsError, match="no pairs"):
        project.tune("pretrain", data=PairSource(file))


@pytest.mark.usefixtures("one_thread")
def test_a_stopped_run_is_not_gone_on_with_on_other_data(tiny):
    first, other = ([{"prompt": text, "completion": "b"}] for text in ("One", "Two"))

    def stop(seconds, figures):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        tiny.tune("dora", data=PairSource(pairs(tiny, first)), on_step=stop)
    source = PairSource(pairs(tiny, other))
    with pytest.raises(SettingsError, match="used other data") as caught:
        tiny.tune("dora", minutes=0.01, data=source)
    assert "--again" in caught.value.hint
    with pytest.raises(KeyboardInterrupt):
        tiny.tune("dora", data=source, again=True, on_step=stop)


def test_an_adapter_of_another_base_is_not_gone_on_from(project):
    adapter = project.folder / "foreign"
    shutil.copytree(project.adapter(find_recipe("rag")), adapter)
    tensors = load_file(adapter / "adapter_model.safetensors")
    save_file(tensors, adapter / "adapter_model.safetensors", metadata={"base_model": "llama-7b"})
    model = project.settings.model.model_copy(update={"adapter": "foreign"})
    settings = project.settings.model_copy(update={"model": model})
    with pytest.raises(ModelError, match="trained for 'llama-7b'; the model is 'smollm2"):
        project.sharing(settings, share_models=False).tune("lora+rag", minutes=0.01)


def test_an_inspection_trains_nothing_and_shows_the_mask(tiny):
    rows = [{"messages": chat} for chat in CHATS] + [{"messages": CHATS[0][:2]}]
    before = sorted((tiny.folder / ".acclimate").rglob("*"))
    seen = inspect_tuning(tiny, "olora", TuneOptions(source=PairSource(pairs(tiny, rows))))
    assert sorted((tiny.folder / ".acclimate").rglob("*")) == before
    assert [str(one.place) for one in seen.data.problems] == ["line 3"]
    shown = seen.preview
    learnt = [piece.text for piece in shown.example if piece.learnt]
    assert sorted(learnt) == ["Ahoy!<|im_end|>", "Fair winds!<|im_end|>"]
    masked = "".join(piece.text for piece in shown.example if not piece.learnt)
    assert "Talk like a sailor." in masked
    assert "Ahoy" not in masked
    assert shown.packing.tokens < shown.packing.alone
    assert (shown.plan.size, shown.window) == (8, 8192)
    # The longer question has the longer answer.
    assert shown.whole.p50 == shown.prompt.p50 + shown.answer.p50
    assert shown.whole.most == shown.prompt.most + shown.answer.most > shown.whole.p50
    assert shown.outlook.tokens_per_s > 0 < seen.passes


def test_an_inspection_prints_the_data_before_any_network_is_loaded(tiny, capsys):
    class Stop(Exception):  # noqa: N818
        pass

    class Show(InspectionShow):
        def read(self, recipe, data):
            assert not opened._engines
            super().read(recipe, data)
            assert "2 rows, 1 to learn; rows that cannot be learnt: 1" in capsys.readouterr().out

        def doing(self, what):
            super().doing(what)
            if what == "Loading the network":
                raise Stop

    rows = [{"prompt": "Hi", "completion": "Good day"}, {"prompt": "Hi"}]
    source = PairSource(pairs(tiny, rows))
    with Project.open(tiny.folder) as opened, pytest.raises(Stop):
        inspect_tuning(opened, "lora", TuneOptions(source=source), Show())
    told = capsys.readouterr()
    assert "2 rows, 1 cases; 1 watched" in told.out
    assert told.err.splitlines()[-1] == "Loading the network …"


def test_an_inspection_of_the_train_split_tells_what_becomes_of_it(tiny, capsys):
    echo_inspection(inspect_tuning(tiny, "lora+rag", TuneOptions()))
    printed = capsys.readouterr().out
    assert (
        "questions.jsonl, split train (JSON Lines, format 'question'), 1 rows, 4 cases" in printed
    )
    assert "in the template 'rag', as the recipe asks" in printed
    assert "⟦98 kg [" in printed
    assert "rank 8: 0.0 M parameters hold about" in printed


@pytest.mark.parametrize("name", ["rag", "stuffing+lora", "lora+few-shot", "halves"])
def test_what_cannot_be_tuned_is_refused(project, name):
    with pytest.raises((SettingsError, ProjectError), match="no way to tune"):
        project.tune(name, minutes=0.01)


def test_one_run_at_a_time(project):
    with (
        exclusive_run(project.folder / ".acclimate" / "adapters" / "lora"),
        pytest.raises(EngineError, match="another run"),
    ):
        project.tune("lora", minutes=0.01)


def test_an_adapter_that_is_not_checked_gives_way_to_the_one_before(tmp_path):
    target, work = tmp_path / "lora", tmp_path / "lora.training"
    for folder, text in ((target, "old"), (work / "adapter", "new")):
        folder.mkdir(parents=True)
        (folder / "weights").write_text(text)
    trained = Trained(work / "adapter", "m", 1, 1, 1.0, 1, 1.0, 1.0, TrainSettings(), None, None)
    placed = adapting._place(target, work, trained, TrainingSet([], [], [], DataReport("x")))
    assert (placed.folder, (target / "weights").read_text()) == (target, "new")
    adapting._put_back(target, work)
    assert (target / "weights").read_text() == "old"
    adapting._put_back(target, work)
    assert (target / "weights").read_text() == "old"
