"""The correction page in a real browser: from first sound to a promoted second version, on the tone language."""

from __future__ import annotations

import json
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from commands import RECIPE, vizinho
from serving import Browser, running, wav
from tones import tone_corpus

from vizinho.corpora.manifest import read_manifest, write_manifest

pytestmark = pytest.mark.pipeline
STATUS = "document.getElementById('status').textContent"
TEXT = "document.getElementById('text').value"
COUNTS = "document.getElementById('counts').textContent"
NAME = "document.getElementById('entrance').hidden === false"


@pytest.fixture(scope="module")
def browser():
    with Browser(wav(np.zeros(4000, np.float32))) as opened:
        yield opened


@pytest.fixture(scope="module")
def place(tmp_path_factory) -> Path:
    """A weak pt@1 with a pinned test set, and visits that nobody has transcribed."""
    folder = tmp_path_factory.mktemp("correct")
    recipe = folder / "weak.toml"
    recipe.write_text(RECIPE.replace("steps = 200", "steps = 110"))
    corpus = tone_corpus(folder / "first", count=16, letters="abcd", splits=("train", "train", "train", "test"))
    done = vizinho("train", "--lang", "pt", "--corpus", corpus, "--preset", "micro", "--recipe", recipe, "--name", "pt",
                   "--quiet", home=folder / "home")  # fmt: skip
    assert done.returncode == 0, done.stderr
    test = tone_corpus(folder / "test", count=8, letters="abcdef", seed=5, splits=("test",))
    assert vizinho("evaluate", "pt@1", "--corpus", test, home=folder / "home").returncode == 0
    return folder


def visits(folder: Path, count: int = 6, lang: str = "pt") -> tuple[Path, dict[str, str]]:
    """A manifest without texts, and the texts."""
    corpus = tone_corpus(folder, count=count, letters="abcdef", seed=9)
    utterances = read_manifest(corpus)
    write_manifest(folder / "visits.jsonl", [replace(u, text="", lang=lang) for u in utterances])
    return folder / "visits.jsonl", {u.id: u.text for u in utterances}


def enter(browser, server, who="Ana", **sizes):
    browser.open(f"http://{server.host}/correct", **sizes)
    browser.evaluate("localStorage.clear()")
    browser.open(f"http://{server.host}/correct", **sizes)
    browser.wait_for(NAME)
    if server.key and browser.evaluate("!document.getElementById('key').hidden"):
        browser.evaluate(f"document.getElementById('key').value = '{server.key}'")
    browser.evaluate(f"document.getElementById('who').value = '{who}'")
    browser.evaluate("document.querySelector('#entrance button').click()")
    browser.wait_for("!document.getElementById('work').hidden")
    browser.problems.clear()  # the first question had no key


def shown(browser) -> str:
    """The id of the utterance on the page, once its sound can be played."""
    browser.wait_for("document.getElementById('player').duration > 0")
    return browser.evaluate("document.getElementById('facts').textContent.split(' · ')[0]")


def typed(browser, text: str) -> None:
    """What somebody types into the text, in place of what it holds."""
    browser.press("e", 69, "e")
    browser.wait_for("document.activeElement.id === 'text'")
    browser.evaluate("document.getElementById('text').select()")
    browser.call("Input.insertText", text=text)


def test_from_the_first_sound_to_a_promoted_second_version(browser, place):
    corpus, texts = visits(place / "visits", 12)
    home, recipe = place / "home", place / "good.toml"
    recipe.write_text(RECIPE)
    with running("pt", "--workers", "1", "--correct", str(corpus), home=home, log=place / "log.txt") as server:
        enter(browser, server)
        browser.wait_for("document.getElementById('drafts').textContent.includes('pt@1')", 60)
        for number in range(len(texts)):
            name = shown(browser)
            if number == 1:
                browser.wait_for("document.querySelectorAll('#words .word small').length > 0")
                assert browser.evaluate("document.querySelector('.word').getAttribute('aria-label')").count(
                    "confidence"
                )
            if browser.evaluate(TEXT) != texts[name]:
                typed(browser, texts[name])
            browser.press("Enter", 13, "\r")
            browser.wait_for(f"{COUNTS}.startsWith('{number + 1} of 12')")
        browser.wait_for(f"{STATUS} === 'Everything is corrected.' || {STATUS} === 'Saved.'")
        rows = [json.loads(line) for line in (corpus.parent / "visits.edits.jsonl").read_text().splitlines()]
        assert {r["utterance"]: r["text"] for r in rows} == texts
        assert {(r["who"], r["draft"]) for r in rows} == {("Ana", "pt@1")}
        corrected = corpus.parent / "visits.corrected.jsonl"
        for _ in range(100):
            if corrected.is_file() and len(read_manifest(corrected)) == 12:
                break
            time.sleep(0.1)
        assert {u.id: u.text for u in read_manifest(corrected)} == texts
        done = vizinho("transfer", "pt@1", "--to", "pt", "--corpus", corrected, "--name", "pt", "--recipe", recipe,
                       "--quiet", home=home)  # fmt: skip
        assert done.returncode == 0, done.stderr
        browser.open(f"http://{server.host}/correct")
        browser.wait_for("document.querySelector('tr.current')?.dataset.ref === 'pt@2'")
        assert browser.evaluate("document.querySelector('.better').textContent").startswith("pt@2 against pt@1: ")
        assert browser.problems == []
        assert "Traceback" not in server.log.read_text()
