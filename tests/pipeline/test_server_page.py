"""The page in a real browser, with a file for a microphone."""

import numpy as np
import pytest
from serving import KEY, SENTENCE, Browser, alike, speech, wav

pytestmark = pytest.mark.pipeline
RESULT = "document.querySelector('[data-model=\"{}\"]')"
DONE = "document.getElementById('status').textContent === 'Done.'"


@pytest.fixture(scope="module")
def browser():
    quiet = np.zeros(4000, np.float32)
    with Browser(wav(np.concatenate([quiet, speech(), quiet, quiet]))) as opened:
        yield opened


@pytest.fixture
def page(browser, server):
    browser.open(f"http://{server.host}/")
    browser.wait_for("!document.getElementById('entrance').hidden || !document.getElementById('controls').hidden")
    if browser.evaluate("!document.getElementById('entrance').hidden"):
        browser.evaluate(f"document.getElementById('key').value = '{KEY}'")
        browser.evaluate("document.querySelector('#entrance button').click()")
    browser.wait_for("!document.getElementById('controls').hidden")
    browser.problems.clear()
    return browser


def words(page, model):
    found = page.evaluate(
        f"[...{RESULT.format(model)}.querySelectorAll('.word')].map((w) => w.getAttribute('aria-label'))"
    )
    return found or []


def test_a_file_is_transcribed_by_two_models_side_by_side(page, tmp_path):
    recording = tmp_path / "speech.wav"
    recording.write_bytes(wav(speech()))
    page.evaluate("document.getElementById('model-0').value = 'es-demo'")
    page.evaluate("document.getElementById('model-1').value = 'en-demo'")
    page.choose_file("#file", recording)
    page.wait_for(DONE)
    heard = words(page, "es-demo")
    assert [label.split(",")[0] for label in heard] == SENTENCE.split()
    assert all("confidence" in label and " s," in label for label in heard)
    assert words(page, "en-demo")
    boxes = page.evaluate("[...document.querySelectorAll('.result')].map((r) => r.getBoundingClientRect().left)")
    assert boxes[0] < boxes[1], "columns stand side by side"
    assert page.problems == []


def test_the_microphone_is_heard_live_and_everything_works_by_keyboard(page):
    page.evaluate("document.getElementById('model-0').value = 'es-demo'")
    page.evaluate("document.getElementById('model-1').value = ''")
    for _ in range(12):
        page.press("Tab", 9)
        if page.evaluate("document.activeElement.id") == "record":
            break
    page.press("Enter", 13, "\r")
    page.wait_for("document.getElementById('record').getAttribute('aria-pressed') === 'true'")
    page.wait_for("parseFloat(document.getElementById('status').textContent.split(' ')[1]) > 3")
    page.wait_for("document.querySelectorAll('.word').length >= 4")
    page.press("Enter", 13, "\r")
    page.wait_for(DONE)
    heard = [label.split(",")[0] for label in words(page, "es-demo")]
    assert alike(" ".join(heard), SENTENCE), heard
    page.evaluate("document.querySelector('.word').focus()")
    page.press("ArrowRight", 39)
    assert page.evaluate("document.activeElement.getAttribute('aria-label')").split(",")[0] == heard[1]
    page.press("Enter", 13, "\r")
    page.wait_for("document.getElementById('player').currentTime > 0")
    assert page.problems == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_page_fits_a_phone_in_both_schemes(page, server, scheme):
    page.open(f"http://{server.host}/", width=360, height=740, scheme=scheme)
    page.wait_for("!document.getElementById('controls').hidden")
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    small = page.evaluate(
        "[...document.querySelectorAll('button, select')].filter((e) => e.offsetParent && e.offsetHeight < 40).length"
    )
    assert small == 0, "what is touched must be large enough"
    ground, ink = (page.evaluate(f"getComputedStyle(document.body).{name}") for name in ("backgroundColor", "color"))
    assert contrast(ground, ink) > 7


def test_the_interface_is_described_without_the_network(page, server):
    page.open(f"http://{server.host}/docs")
    page.wait_for("document.querySelectorAll('details.operation').length === 4")
    assert "detect_language" in page.evaluate("document.body.textContent")
    loaded = page.evaluate("performance.getEntriesByType('resource').map((r) => new URL(r.name).host)")
    assert set(loaded) == {server.host}
    assert page.problems == []


def contrast(one: str, other: str) -> float:
    """WCAG 2.2, contrast ratio."""

    def luminance(colour: str) -> float:
        parts = [int(p) / 255 for p in colour.removeprefix("rgb(").rstrip(")").split(",")]
        linear = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
        return float(np.dot(linear, (0.2126, 0.7152, 0.0722)))

    bright, dark = sorted((luminance(one), luminance(other)), reverse=True)
    return (bright + 0.05) / (dark + 0.05)
