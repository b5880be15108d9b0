"""What tests of several rooms share, and what each test needs."""

import gc
import os
import shutil
import sys
import tempfile
from collections import Counter
from itertools import chain
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

import acclimate  # noqa: F401 -- before any test imports openvino, which it keeps quiet

# Beside other work on the machine, a thread that spins while it waits for others computes nothing.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

ROOT = Path(__file__).parent
SPENT = pytest.StashKey[float]()

# As root in a container: no sandbox; and none of the requests that Chromium makes by itself.
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"]
FLAGS += ["--disable-background-networking", "--disable-component-update", "--disable-sync"]

# What tests need: by a fixture that they use, by their file or folder, by their own name. A test
# that is missing here fails in `scripts/test fast`, which has no models and looks for PyTorch.
FIXTURES = {
    "chromium": "browser",
    "postgres_url": "servers",
    "qdrant_binary": "servers",
    "qdrant_url": "servers",
    "one_thread": "torch",
    "tiny_file": "models",
}
PLACES = {
    "cli": "slow models",
    "deploy/test_commands.py": "slow models",
    "cluster/test_ray.py": "servers slow torch models",
    "documents/test_changes.py": "slow",
    "documents/test_hostile.py": "slow",
    "documents/test_objects.py": "servers",
    "embeddings/test_cross_encoder.py": "torch",
    "embeddings/test_layers.py": "torch",
    "embeddings/test_modernbert.py": "torch",
    "embeddings/test_qa_models.py": "torch models",
    "embeddings/test_sentence_transformers_embedder.py": "torch",
    "evaluation/test_beyond_words.py": "slow torch",
    "evaluation/test_compare.py": "slow",
    "evaluation/test_judging_models.py": "torch",
    "evaluation/test_sequential.py": "slow",
    "indexes/test_approximate.py": "servers",
    "indexes/test_crashes.py": "slow",
    "indexes/test_oracle.py": "slow",
    "indexes/test_reading.py": "servers",
    "indexes/test_record.py": "servers",
    "indexes/test_stores.py": "servers",
    "indexes/test_workers.py": "servers slow",
    "models/test_chat.py": "torch",
    "models/test_compute.py": "torch",
    "models/test_folders.py": "torch",
    "models/test_foreign_adapters.py": "torch",
    "models/test_llamacpp.py": "torch models",
    "models/test_openvino.py": "torch models",
    "serving": "servers",
    "watch": "slow models",
    "serving/browser": "browser",
    "workflows/test_tune_preferences.py": "torch",
    "workflows/test_tune_retriever.py": "torch models",
    "workspace/test_demonstrations.py": "models",
    "test_course.py": "models slow",
    "test_images.py": "torch",
    "sources/test_sync.py": "slow",
    "test_levels.py": "slow",
    "workflows/test_calibrate.py": "models",
    "workflows/test_optimise_prompt.py": "models",
    "test_platforms.py": "slow",
    "test_proxies.py": "slow models",
    "test_watching.py": "slow servers",
    "test_readme.py": "models",
    "tuning/test_attention.py": "torch",
    "tuning/test_blocks.py": "torch",
    "tuning/test_cases.py": "torch models",
    "tuning/test_choices.py": "torch",
    "tuning/test_compute_type.py": "torch models",
    "tuning/test_distillation.py": "torch",
    "tuning/test_encoder.py": "torch",
    "tuning/test_encoder_ranking.py": "torch models",
    "tuning/test_export.py": "torch",
    "tuning/test_exporting.py": "torch models",
    "tuning/test_families.py": "torch",
    "tuning/test_family_runs.py": "torch models",
    "tuning/test_forgetting.py": "torch models",
    "tuning/test_internalise.py": "torch models",
    "tuning/test_handing_over.py": "torch",
    "tuning/test_gpu_check.py": "torch models",
    "tuning/test_held.py": "torch models",
    "tuning/test_methods.py": "torch",
    "tuning/test_parity.py": "torch",
    "tuning/test_preferences.py": "torch",
    "tuning/test_runs.py": "torch",
    "tuning/test_tune.py": "torch models",
    "tuning/test_tuning.py": "torch",
    "workspace/test_answerer.py": "models",
}
TESTS = {
    "chunking/test_chunkers.py::test_one_very_long_paragraph_is_cut_all_the_same": "slow",
    "documents/test_formats.py::test_a_format_is_read_with_its_structure": "slow",
    "documents/test_formats.py::test_progress_is_told_by_page": "slow",
    "documents/test_formats.py::test_slides_and_scans_have_pages": "slow",
    "evaluation/test_memory.py::test_what_was_freed_before_does_not_count": "slow",
    "indexes/test_indexes.py::test_hnsw_finds_nearly_all_scores_exactly_and_notices_damage": "slow",
    "models/test_grammar.py::test_whole_ranges_are_exact": "slow",
    "test_backup.py::test_backups_made_while_documents_change_are_whole": "slow",
    "test_ingest.py::test_a_full_disk_loses_nothing": "slow",
    "workspace/test_extractor.py::test_how_sure_it_is_of_a_place_is_the_mean_over_both_cuts": "models",
    "workspace/test_extractor.py::test_the_extractor_ranks_passages_too": "models",
    "workspace/test_shelf.py::test_projects_with_the_same_settings_share_their_models": "models",
    "workspace/test_shelf.py::test_another_adapter_or_window_is_another_engine": "models",
    "workspace/test_shelf.py::test_what_llama_cpp_keeps_of_a_prompt_stays_with_its_project": "models",
    "test_ingest.py::test_killed_at_any_moment_the_next_run_completes": "slow",
    "test_injections.py::test_the_default_model_reads_planted_instructions_as_text": "models",
    "test_jsonlines.py::test_the_command_adds_what_it_can_read_and_refuses_the_rest": "models",
    "test_labels.py::test_only_who_has_the_label_sees_the_document": "models",
}
# What two processes begin with, so that neither has a long file left when the other is done; the longest first.
LONG = (
    "watch/test_watch.py",
    "models/test_openvino.py",
    "models/test_llamacpp.py",
    "cli/test_cli.py",
    "evaluation/test_compare.py",
    "tuning/test_export.py",
    "indexes/test_stores.py",
    "test_readme.py",
    "cli/test_signals.py",
    "cli/test_first_minutes.py",
    "cli/test_questions.py",
    "tuning/test_parity.py",
    "tuning/test_methods.py",
    "tuning/test_runs.py",
    "documents/test_hostile.py",
    "cluster/test_ray.py",
    "workflows/test_tune_retriever.py",
)
LEVELS = ("models", "torch", "browser", "servers", "slow")


def pytest_addoption(parser):
    """`pytest --fast`, which `scripts/test fast` calls, and `pytest --cpu N`."""
    parser.addoption(
        "--fast", action="store_true", help=f"leave out tests marked {', '.join(LEVELS)}"
    )
    parser.addoption(
        "--cpu",
        type=int,
        metavar="N",
        help="tell the CPU seconds by folder, and those of the N dearest tests",
    )


def pytest_configure(config):
    """With --fast a model that is needed cannot be had: neither from the cache nor from elsewhere.

    Properties are tried on a quarter of the examples then. A busy machine is no fault of theirs.
    """
    gc.disable()  # until all is imported
    patient = {"deadline": None, "suppress_health_check": [HealthCheck.too_slow]}
    settings.register_profile("all", **patient)
    settings.register_profile("fast", **patient, max_examples=25)
    settings.load_profile("fast" if config.getoption("fast") else "all")
    if config.getoption("fast"):
        nowhere = "http://127.0.0.1:9"  # the port of the discard service, which nobody runs
        empty = tempfile.mkdtemp(prefix="acclimate-no-models-")
        config.add_cleanup(lambda: shutil.rmtree(empty, ignore_errors=True))
        os.environ |= {"ACCLIMATE_CACHE": empty, "HF_ENDPOINT": nowhere, "PIP_NO_INDEX": "1"}


def _needs(place):
    """The levels of a file, by its own row or that of a folder above it."""
    rows = (name.as_posix() for name in (place, *place.parents))
    return next((PLACES[row].split() for row in rows if row in PLACES), [])


def pytest_ignore_collect(collection_path, config):
    """With --fast a file or folder that is left out is not imported either: it may need PyTorch."""
    if config.getoption("fast") and collection_path.is_relative_to(ROOT):
        return bool(_needs(collection_path.relative_to(ROOT))) or None
    return None


def pytest_collection_modifyitems(config, items):
    """Marks tests with what they need."""
    kept, left_out = [], []
    for item in items:
        levels = {FIXTURES[name] for name in item.fixturenames if name in FIXTURES}
        levels |= set(_needs(item.path.relative_to(ROOT)))
        place = f"{item.path.relative_to(ROOT).as_posix()}::{item.originalname}"
        levels |= set(TESTS.get(place, "").split())
        for level in levels:
            item.add_marker(level)
        marked = any(item.get_closest_marker(level) for level in LEVELS)
        (left_out if marked else kept).append(item)
    if config.getoption("fast"):
        config.hook.pytest_deselected(items=left_out)
        items[:] = kept
    if hasattr(config, "workerinput"):  # one of several processes
        items.sort(key=_turn)


def _turn(item):
    place = item.path.relative_to(ROOT).as_posix()
    return LONG.index(place) if place in LONG else len(LONG)


def _cpu_s():
    """The CPU seconds of this process and of the children that it has waited for."""
    spent = os.times()
    return spent.user + spent.system + spent.children_user + spent.children_system


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item):
    """Each report tells what its phase cost, whatever else the machine did meanwhile."""
    report = yield
    now = _cpu_s()
    report.cpu_s = now - item.session.stash.get(SPENT, now)
    item.session.stash[SPENT] = now
    return report


def pytest_terminal_summary(terminalreporter, config):
    """With --cpu: where the time goes. A server that a fixture keeps counts where it ends."""
    if (count := config.getoption("cpu")) is None:
        return
    tests, folders = Counter(), Counter()
    for report in chain.from_iterable(terminalreporter.stats.values()):
        if hasattr(report, "cpu_s"):
            tests[report.nodeid] += report.cpu_s
            folders[str(Path(report.nodeid.partition("::")[0]).parent)] += report.cpu_s
    terminalreporter.section("CPU seconds")
    for name, cpu_s in [*folders.most_common(), *tests.most_common(count)]:
        terminalreporter.write_line(f"{cpu_s:8.1f} {name}")


def pytest_collection_finish():
    """What is imported stays: the collector, which would look at all of it again and again, may
    forget it. That is a quarter of the fast set's time."""
    gc.enable()
    gc.collect()
    gc.freeze()


def pytest_sessionfinish(session):
    """With --fast nothing may have imported PyTorch."""
    if session.config.getoption("fast") and "torch" in sys.modules:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED
        reporter = session.config.pluginmanager.get_plugin("terminalreporter")
        reporter.write_line("error: a test without the marker torch imported PyTorch", red=True)


@pytest.fixture(
    scope="module"
)  # a running browser has an event loop, which other tests may not find
def chromium():
    from playwright.sync_api import expect, sync_playwright

    expect.set_options(timeout=300_000)  # a state may be long in coming on a busy machine
    program = next(
        filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None
    )
    if program is None:
        pytest.fail(
            "there is no Chromium for the tests of the web page: scripts/test installs it, or apt-get install chromium"
        )
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture
def one_thread():
    """Networks as small as those of tests spend their time waiting for threads."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)
