"""Pictures of the web page for the docs. `scripts/screenshots [FOLDER]` writes them; see there."""

import io
import shutil
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from PIL import Image
from playwright.sync_api import Browser, Page, expect, sync_playwright

from acclimate.project import Project
from acclimate.settings import load_settings
from acclimate.testing.serving import serve_project

ROOT = Path(__file__).parent.parent
SIZES = {1280: {"width": 1280, "height": 800}, 390: {"width": 390, "height": 844}}
CITED = "What does a Fjell 9 weigh?"
COMPARED = "How quickly is the money paid back once the goods have arrived?"
KEEP_THREAD = "(kept) => sessionStorage.setItem('acclimate.thread', kept)"


def main(folder: Path) -> None:
    """Serve the example, and take every picture."""
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as made, sync_playwright() as playwright:
        program = next(
            filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome")))
        )
        flags = [
            "--no-sandbox",
            "--disable-gpu",
            "--disable-background-networking",
            "--disable-sync",
        ]
        browser = playwright.chromium.launch(executable_path=program, args=flags)
        with serve_project(_example(Path(made) / "halden")) as address:
            threads = {
                question: _asked(browser, address, question) for question in (CITED, COMPARED)
            }
            for width in SIZES:
                for scheme in ("light", "dark"):
                    _pictures(browser, address, folder, width, scheme, threads)
        browser.close()


def _example(folder: Path) -> Project:
    """The example domain, ingested and compared; some of its questions are reviewed."""
    shutil.copytree(ROOT / "examples/halden", folder)
    file = folder / "questions.jsonl"
    lines = file.read_text(encoding="utf-8").splitlines()
    for number, status in {
        0: "accepted",
        1: "accepted",
        2: "accepted",
        4: "rejected",
        5: "accepted",
    }.items():
        lines[number] = lines[number].replace('"split"', f'"status": "{status}", "split"')
    file.write_text("\n".join(lines) + "\n", encoding="utf-8")
    with Project.create(folder, Path("documents")) as project:
        project.ingest()
    return Project(folder, load_settings(folder / "acclimate.toml"))


def _asked(browser: Browser, address: str, question: str) -> str:
    """The thread after a question, to be shown again: the same answer in every picture."""
    page = browser.new_page()
    page.goto(address)
    if question == COMPARED:
        page.get_by_role("button", name="Side by side").click()
    page.get_by_label("Question", exact=True).fill(question)
    page.keyboard.press("Enter")
    page.locator(".answer").first.wait_for()
    expect(page.locator(".answer.writing")).to_have_count(0, timeout=120_000)
    kept: str = page.evaluate("sessionStorage.getItem('acclimate.thread')")
    page.close()
    return kept


def _pictures(
    browser: Browser, address: str, folder: Path, width: int, scheme: str, threads: dict[str, str]
) -> None:
    sharp = 2 if width < 800 else 1
    context = browser.new_context(
        viewport=SIZES[width],
        color_scheme=scheme,
        device_scale_factor=sharp,
        reduced_motion="reduce",
    )
    page = context.new_page()
    page.goto(address)
    for name in _places(page, address, threads):
        page.mouse.move(0, 0)
        page.wait_for_timeout(300)
        picture = (
            Image.open(io.BytesIO(page.screenshot()))
            .convert("RGB")
            .quantize(256, dither=Image.Dither.NONE)
        )
        picture.save(folder / f"{name}-{width}-{scheme}.png", optimize=True)
    context.close()


def _places(page: Page, address: str, threads: dict[str, str]) -> Iterator[str]:
    """Go from place to place; the name of each, when it is shown."""
    page.evaluate(KEEP_THREAD, threads[CITED])
    page.reload()
    page.locator(".chip").first.wait_for()
    yield "answer"
    page.locator(".chip").first.click()
    page.locator(".marks rect").first.wait_for()
    yield "source"
    page.evaluate(KEEP_THREAD, threads[COMPARED])
    page.reload()
    page.get_by_role("button", name="Side by side").click()
    yield "side-by-side"
    for room, selector in {"documents": "li.document", "questions": ".question-card h2"}.items():
        page.goto(f"{address}/#/{room}")
        page.locator(selector).first.wait_for()
        yield room


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / "docs/images")
