"""What tests of several rooms share."""

import shutil

import pytest
from playwright.sync_api import expect, sync_playwright

import acclimate  # noqa: F401 -- before any test imports openvino, which it keeps quiet

expect.set_options(timeout=300_000)  # a state may be long in coming on a busy machine
# As root in a container: no sandbox; and none of the requests that Chromium makes by itself.
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"]
FLAGS += ["--disable-component-update", "--disable-sync"]


@pytest.fixture(scope="module")  # a running browser has an event loop, which other tests may not find
def chromium():
    program = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
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
