"""The page in a real browser, with a file for a microphone."""

import json
import os
import signal
import time

import numpy as np
import pytest
from serving import KEY, SENTENCE, Browser, alike, running, speech, wav

pytestmark = pytest.mark.pipeline
RESULT = "document.querySelector('[data-model=\"{}\"]')"
ENDED = "['Done.', 'Nothing was transcribed.'].includes(document.getElementById('status').textContent)"
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


def transcribed(page, tmp_path, *models):
    """Choose models and a file, and wait until it has come to its end."""
    recording = tmp_path / "speech.wav"
    recording.write_bytes(wav(speech()))
    choose(page, *models)
    page.choose_file("#file", recording)
    page.wait_for(ENDED)


def choose(page, *models):
    for number, model in enumerate([*models, "", ""][:3]):
        select = f"document.getElementById('model-{number}')"
        page.evaluate(f"{select}.value = '{model}'; {select}.dispatchEvent(new Event('change'))")


def text(page, selector):
    return page.evaluate(f"document.querySelector('{selector}').textContent")


def test_a_transcript_is_text_to_read_until_times_are_wanted(page, tmp_path):
    transcribed(page, tmp_path, "es-demo")
    visible = "document.querySelector('.words').innerText"
    assert page.evaluate(visible).strip() == SENTENCE.capitalize() + "."
    assert not page.evaluate("document.getElementById('legend').hidden")
    page.evaluate("document.getElementById('details').click()")
    assert " s" in page.evaluate(visible) and "%" in page.evaluate(visible)
    assert page.problems == []


def test_a_transcript_is_copied_and_downloaded(page, tmp_path):
    transcribed(page, tmp_path, "es-demo")
    page.call("Page.bringToFront")
    page.evaluate("document.querySelector('.copy').click()")
    page.wait_for("document.querySelector('.copy').textContent === 'Copied'")
    assert page.evaluate("navigator.clipboard.readText()").strip() == SENTENCE.capitalize() + "."
    files = {}
    for button in range(4):
        page.evaluate(f"document.querySelectorAll('.download')[{button}].click()")
        page.wait_for("true")
        for _ in range(300):
            whole = [p for p in page.downloads.glob("speech.es-demo@2.*") if p.suffix != ".crdownload"]
            if len(whole) > button:
                break
            time.sleep(0.1)
        files = {path.suffix: path.read_text("utf-8") for path in whole}
    sentence = SENTENCE.capitalize() + "."
    assert files.keys() == {".txt", ".srt", ".vtt", ".json"}
    assert files[".txt"] == f"{sentence}\n"
    assert files[".srt"].startswith("1\n00:00:0") and f"\n{sentence}\n" in files[".srt"]
    assert files[".vtt"].startswith("WEBVTT\n\n00:00:0") and f"\n{sentence}\n" in files[".vtt"]
    assert json.loads(files[".json"])["text"] == sentence
    assert [w["word"] for w in json.loads(files[".json"])["words"]] == SENTENCE.split()
    assert page.problems == []


def test_subtitles_are_cut_at_pauses_and_by_length(page):
    made = page.evaluate("""import("/page/transcript.js").then(({ FORMATS }) => {
      const word = (text, start) => ({ word: text, start, end: start + 0.3, confidence: 1 });
      const words = [word("a&b", 3599.9996), word("<c>", 3602)];
      for (let at = 0; at < 30; at += 1) words.push(word("letters", 3602.4 + 0.4 * at));
      return FORMATS.vtt({ words });
    })""")
    cues = made.strip().split("\n\n")[1:]
    assert cues[0] == "01:00:00.000 --> 01:00:00.300\na&amp;b"
    assert cues[1].splitlines()[1].startswith("&lt;c&gt; letters")
    assert max(len(cue.splitlines()[1]) for cue in cues) <= 90 and len(cues) == 4


def test_the_language_is_detected(page, tmp_path):
    transcribed(page, tmp_path, ":detect")
    assert "Language detected: es (" in text(page, ".result .facts")
    assert text(page, ".result h2") == "es-demo@2"
    assert page.problems == []


def test_models_say_how_good_they_are(page, tmp_path):
    transcribed(page, tmp_path, "es-demo")
    warning = "Demo model, trained on synthetic speech: expect errors on people."
    assert text(page, ".result .note") == warning
    assert text(page, "#quality-0").startswith(warning)
    assert "On recordings of people (prompts, captions, single words), 2076 utterances: 65.2 %" in text(
        page, "#quality-0"
    )


def test_the_cards_of_the_models_need_a_key(server):
    assert server.ask("/v1/cards", key="").status == 401
    assert {"es-demo", "es-demo@2"} <= {m["id"] for m in server.ask("/v1/cards").json["models"]}


def test_a_refused_file_stays_an_error(page, tmp_path):
    broken = tmp_path / "broken.wav"
    broken.write_bytes(b"RIFF no audio at all")
    choose(page, "es-demo", "en-demo")
    page.choose_file("#file", broken)
    page.wait_for(ENDED)
    assert text(page, "#status") == "Nothing was transcribed."
    assert len(text(page, ".result .problem")) > 10
    assert not page.evaluate("document.querySelectorAll('.download').length")
    assert page.evaluate("document.getElementById('legend').hidden"), "there are no words for it to explain"


def test_terms_to_favour_reach_the_model_and_what_it_cannot_write_is_refused(page, tmp_path):
    page.evaluate("document.getElementById('keyterms').value = 'casa, buenos días'")
    transcribed(page, tmp_path, "es-demo")
    assert [label.split(",")[0] for label in words(page, "es-demo")] == SENTENCE.split()
    page.evaluate("document.getElementById('keyterms').value = 'дом'")
    transcribed(page, tmp_path, "es-demo")
    assert "cannot write" in text(page, ".result .problem") and text(page, "#status") == "Nothing was transcribed."
    # A browser hides why a stream is refused, so the page has to find out; the recording ends at once.
    page.evaluate("document.getElementById('record').click()")
    page.wait_for("document.querySelector('.result .problem')?.textContent.includes('cannot write')")
    page.wait_for("document.getElementById('record').getAttribute('aria-pressed') === 'false'")
    page.wait_for("document.getElementById('status').textContent === 'Nothing was transcribed.'")


def test_a_stream_that_breaks_is_an_error_at_once(browser, server_home, tmp_path):
    with running("es-demo", "--no-auth", "--workers", "1", home=server_home, log=tmp_path / "log.txt", key="") as own:
        browser.open(f"http://{own.host}/")
        browser.wait_for("!document.getElementById('controls').hidden")
        browser.evaluate("document.getElementById('record').click()")
        browser.wait_for("parseFloat(document.getElementById('status').textContent.split(' ')[1]) > 1")
        assert browser.evaluate("!document.getElementById('loudness').hidden")
        browser.wait_for("document.getElementById('level').value > -40")
        (worker,) = own.workers()
        os.kill(worker, signal.SIGKILL)
        browser.wait_for("document.querySelector('.result .problem').textContent.includes('worker')")
        browser.wait_for("document.getElementById('status').textContent === 'Nothing was transcribed.'")
        assert browser.evaluate("document.getElementById('record').getAttribute('aria-pressed')") == "false"


def test_the_word_that_is_played_is_marked_one_after_another(page, tmp_path):
    transcribed(page, tmp_path, "es-demo")
    page.evaluate("""(() => {
      window.seen = new Set();
      new MutationObserver(() => {
        const word = document.querySelector(".word.playing");
        if (word) window.seen.add(word.firstChild.textContent);
      }).observe(document.getElementById("results"), { subtree: true, attributeFilter: ["class"] });
      document.getElementById("player").playbackRate = 0.5;
      document.querySelector(".word").click();
    })()""")
    page.wait_for("document.getElementById('player').ended")
    assert page.evaluate("[...window.seen]") == [*SENTENCE.capitalize().split()[:-1], "grande."]
    assert not page.evaluate("document.querySelectorAll('.word.playing').length")


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
    assert page.evaluate("document.getElementById('quality-0').clientWidth") > 250
    small = page.evaluate(
        "[...document.querySelectorAll('button, select')].filter((e) => e.offsetParent && e.offsetHeight < 40).length"
    )
    assert small == 0, "what is touched must be large enough"
    ground, ink = (page.evaluate(f"getComputedStyle(document.body).{name}") for name in ("backgroundColor", "color"))
    assert contrast(ground, ink) > 7


def test_the_interface_is_described_without_the_network(page, server):
    page.open(f"http://{server.host}/docs")
    described = server.ask("/openapi.json").json["paths"].values()
    count = sum(len(operations) for operations in described)
    page.wait_for(f"document.querySelectorAll('details.operation').length === {count}")
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
