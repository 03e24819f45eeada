"""The correction page in a real browser: from first sound to a promoted second version, on the tone language."""

from __future__ import annotations

import io
import json
import time
import zipfile
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
    corpus = tone_corpus(folder / "first", count=18, letters="abcd", splits=("train", "train", "train", "test"))
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


@pytest.fixture(scope="module")
def correcting(place):
    """A server on a small corpus, with the model that is current."""
    corpus, texts = visits(place / "small", 6)
    with running(
        "pt", "--workers", "1", "--correct", str(corpus), home=place / "home", log=place / "small.txt"
    ) as server:
        yield server, corpus, texts


def post(server, path: str, **values):
    return server.ask(f"/v1/correct/{path}", json.dumps(values).encode())


def test_two_people_never_have_one_utterance_and_what_is_left_comes_back(browser, correcting):
    server, *_ = correcting
    enter(browser, server)
    mine = shown(browser)
    others = [post(server, "next", tab=f"tab-{n:05d}", who="Ben").json["utterance"] for n in range(6)]
    ids = [u["id"] for u in others if u]
    assert len(set(ids)) == 5
    assert mine not in ids
    assert others[-1] is None, "the sixth has nothing left"
    assert (
        post(server, "claim", tab="tab-00009", who="Ben", utterance=mine).json["err_msg"]
        == "Ana works on this utterance"
    )
    assert server.ask("/v1/correct").json["people"] == ["Ana", "Ben"]
    browser.open("about:blank")  # the tab is closed
    for _ in range(100):
        if (again := post(server, "next", tab="tab-00009", who="Ben").json["utterance"]) is not None:
            break
        time.sleep(0.1)
    assert again["id"] == mine
    for number in (*range(6), 9):
        post(server, "leave", tab=f"tab-{number:05d}")


def test_the_order_is_chosen_on_the_page_and_stays_after_a_reload(browser, correcting):
    server, *_ = correcting
    ids = [
        post(server, "next", tab=f"tab-{n:05d}", who="Ben", order="random").json["utterance"]["id"] for n in range(2)
    ]
    assert [u["id"] for u in server.ask("/v1/correct/recent").json["recent"]] == []
    for number in range(2):
        post(server, "leave", tab=f"tab-{number:05d}")
    enter(browser, server)
    shown(browser)
    browser.evaluate("document.getElementById('order').value = 'random'")
    browser.evaluate("document.getElementById('order').dispatchEvent(new Event('change'))")
    browser.open(f"http://{server.host}/correct")
    browser.wait_for("!document.getElementById('work').hidden")
    assert shown(browser) == ids[0]
    assert browser.evaluate("document.getElementById('order').value") == "random"
    assert post(server, "next", tab="tab-00009", who="Ben", order="by length").status == 400
    browser.open("about:blank")


def test_the_keyboard_alone_plays_slows_edits_skips_and_undoes(browser, correcting):
    server, corpus, _ = correcting
    enter(browser, server)
    first = shown(browser)
    assert browser.evaluate("document.activeElement.id") == "accept"
    browser.press("s", 83, "s")
    browser.wait_for("document.getElementById('player').playbackRate === 0.75")
    browser.press(" ", 32, " ")
    browser.press("e", 69, "e")
    browser.wait_for("document.activeElement.id === 'text'")
    browser.evaluate("document.getElementById('text').select()")
    browser.call("Input.insertText", text="abñ cd")
    browser.wait_for("document.getElementById('letters').textContent.includes('has no letter ñ')")
    browser.press("Escape", 27)
    browser.press("u", 85, "u")
    browser.wait_for(f"{COUNTS}.includes('1 unintelligible')")
    assert shown(browser) != first
    browser.press("z", 90, "z")
    browser.wait_for("document.querySelectorAll('#version-list button').length > 0")
    assert shown(browser) == first
    browser.wait_for("document.activeElement.textContent === 'Open again'")
    browser.press("Enter", 13, "\r")
    browser.wait_for(f"!{COUNTS}.includes('unintelligible')")
    browser.press("Escape", 27)
    browser.press("k", 75, "k")
    browser.wait_for(f"{STATUS} === 'Skipped.'")
    assert shown(browser) != first
    lines = [json.loads(line) for line in (corpus.parent / "visits.edits.jsonl").read_text().splitlines()]
    assert [(e["action"], e["status"]) for e in lines] == [
        ("unintelligible", "unintelligible"), ("restore", "open"), ("skip", "open"),
    ]  # fmt: skip
    assert lines[0]["strokes"] >= 4
    assert browser.problems == []


def test_nothing_is_lost_when_the_tab_or_the_server_dies(browser, place):
    corpus, _ = visits(place / "dying", 3)
    serve = ("pt", "--workers", "1", "--correct", str(corpus))
    with running(*serve, home=place / "home", log=place / "dying.txt") as server:
        enter(browser, server)
        first = shown(browser)
        typed(browser, "abc de")
        browser.open("about:blank")
        browser.open(f"http://{server.host}/correct")
        browser.wait_for(f"{TEXT} === 'abc de'")
        assert shown(browser) == first
        assert "kept in this browser" in browser.evaluate(STATUS)
        server.process.kill()
        server.process.wait()
        browser.press("Enter", 13, "\r")
        browser.wait_for(
            "document.getElementById('problem').textContent.includes('1 correction is kept in this browser')"
        )
        assert browser.evaluate(TEXT) == "abc de"
        log = corpus.parent / "visits.edits.jsonl"
        log.write_text(log.read_text() + '{"id": "cut of')
        with running(*serve, home=place / "home", log=place / "again.txt", port=server.port) as again:
            browser.wait_for(f"{COUNTS}.startsWith('1 of 3')")
            assert again.ask("/v1/correct").json["damaged"] == 1
            browser.wait_for("document.getElementById('problem').textContent === ''")
            assert shown(browser) != first
    edits = [json.loads(line) for line in log.read_text().splitlines() if line.endswith("}")]
    assert [(e["utterance"], e["text"], e["who"]) for e in edits] == [(first, "abc de", "Ana")]
    assert [u.text for u in read_manifest(corpus.parent / "visits.corrected.jsonl")] == ["abc de"]


@pytest.mark.parametrize("width", [1280, 360])
def test_the_page_fits_and_writes_from_the_right(browser, place, width):
    folder = place / f"right-{width}"
    corpus, _ = visits(folder, 2, lang="ar")
    write_manifest(corpus, [replace(u, text="مرحبا يا عالم") for u in read_manifest(corpus)])
    with running(
        "pt", "--workers", "1", "--correct", str(corpus), home=place / "home", log=folder / "log.txt"
    ) as server:
        enter(browser, server, width=width, height=800)
        shown(browser)
        browser.wait_for("document.querySelectorAll('#words .word').length === 3", 60)
        assert browser.evaluate("document.documentElement.scrollWidth") <= width
        touched = "[...document.querySelectorAll('button, select, textarea')].filter((e) => e.offsetParent)"
        assert browser.evaluate(f"{touched}.filter((e) => e.offsetHeight < 40).length") == 0
        assert browser.evaluate("[document.getElementById('text').dir, document.getElementById('words').dir]") == [
            "rtl",
            "rtl",
        ]
        lefts = browser.evaluate("[...document.querySelectorAll('.word')].map((w) => w.getBoundingClientRect().right)")
        assert lefts[0] == max(lefts), "the first word is the rightmost"
        browser.evaluate("document.querySelector('.word').focus()")
        browser.press("ArrowLeft", 37)
        assert browser.evaluate("document.activeElement === document.querySelectorAll('.word')[1]")
        (folder / "page.png").write_bytes(browser.screenshot())
        assert browser.problems == []


def test_every_format_is_taken_away_without_the_servers_paths(correcting):
    server, corpus, texts = correcting
    for number, (id_, text) in enumerate(texts.items()):
        saved = post(
            server,
            "edits",
            id=f"export-{number:03d}",
            tab="tab-00001",
            who="Ana",
            utterance=id_,
            action="edit",
            text=text,
        )
        assert saved.status == 200
    lines = server.ask("/v1/correct/export?kind=jsonl").body.decode().splitlines()
    assert {r["id"]: r["text"] for r in map(json.loads, lines)} == texts
    for kind in ("eaf", "textgrid", "audacity", "label-studio"):
        answer = server.ask(f"/v1/correct/export?kind={kind}")
        assert answer.status == 200
        with zipfile.ZipFile(io.BytesIO(answer.body)) as archive:
            contents = [archive.read(name).decode() for name in archive.namelist()]
        assert len(contents) == len(texts)
        assert not any(str(corpus.parent) in content for content in contents)
    with zipfile.ZipFile(io.BytesIO(server.ask("/v1/correct/export?kind=eaf").body)) as archive:
        archive.extractall(corpus.parent / "eaf")
    back = vizinho(
        "corpus", "convert", corpus.parent / "eaf", corpus.parent / "back.jsonl", "--lang", "pt", home=corpus.parent
    )
    assert back.returncode == 0, back.stderr
    assert sorted(u.text for u in read_manifest(corpus.parent / "back.jsonl")) == sorted(texts.values())


@pytest.mark.parametrize(
    ("path", "values", "status", "words"),
    [
        ("next", {"tab": "x", "who": "Ana"}, 400, "at least 8"),
        ("next", {"tab": "tab-00001", "who": "  "}, 400, "your name is missing"),
        ("claim", {"tab": "tab-00001", "who": "Ana", "utterance": "none"}, 404, "no such utterance"),
        ("edits", {"action": "fly"}, 400, "Input should be"),
        ("edits", {"action": "edit", "text": " "}, 400, "the text is empty"),
        ("edits", {"action": "edit", "text": "a\ud800"}, 400, ""),
        ("edits", {"action": "edit", "text": "x" * 30_000}, 400, "at most 20000"),
        ("edits", {"action": "restore", "version": 7}, 400, "version 7 of"),
        ("edits", {"action": "accept", "text": "a", "utterance": "none"}, 400, "no such utterance"),
    ],
    ids=["tab", "name", "claim", "action", "empty", "surrogate", "long", "version", "utterance"],
)
def test_what_cannot_be_saved_is_refused_with_its_reason(correcting, path, values, status, words):
    server, corpus, texts = correcting
    values = {"id": "refused-1", "tab": "tab-00001", "who": "Ana", "utterance": next(iter(texts))} | values
    before = (corpus.parent / "visits.edits.jsonl").read_bytes()
    answer = post(server, path, **values)
    assert answer.status == status, answer.body
    assert words in answer.json["err_msg"]
    assert (corpus.parent / "visits.edits.jsonl").read_bytes() == before


def test_keys_are_asked_for_and_broken_bodies_are_refused(correcting):
    server, _, _ = correcting
    for path in ("", "/recent", "/audio?utterance=x", "/export?kind=eaf"):
        assert server.ask(f"/v1/correct{path}", key="wrong-key-wrong-key").status == 401
    assert server.ask("/v1/correct/edits", b"{", key="wrong-key-wrong-key").status == 401
    assert server.ask("/v1/correct/edits", b"{").status == 400
    assert server.ask("/v1/correct/edits", b"x" * 100_000).status == 413
    assert server.ask("/v1/correct/audio?utterance=none").status == 404
    assert server.ask("/v1/correct/export?kind=doc").status == 400
    assert server.ask("/correct", key="").status == 200


def test_bad_corpora_and_a_second_server_are_refused(correcting, place, tmp_path):
    _, corpus, _ = correcting
    home = place / "home"

    def refusal(*options) -> str:
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("VIZINHO_API_KEYS", "a-key-for-the-tests-only")
            done = vizinho("serve", *options, "--port", "0", home=home)
        assert done.returncode == 2
        return done.stderr

    assert "another server corrects this corpus" in refusal("pt", "--correct", corpus)
    assert "cannot read the manifest" in refusal("pt", "--correct", tmp_path / "none.jsonl")
    (tmp_path / "empty.jsonl").write_text("")
    assert "holds no utterances" in refusal("pt", "--correct", tmp_path / "empty.jsonl")
    other, _ = visits(tmp_path / "other", 1, lang="sw")
    assert "no model speaks sw" in refusal("--correct", other)


def test_a_recording_that_is_missing_or_broken_is_named_and_the_others_are_given(place):
    folder = place / "broken"
    corpus, texts = visits(folder, 3)
    gone, broken, fine = (u.audio for u in read_manifest(corpus))
    gone.unlink()
    broken.write_bytes(b"no audio")
    with running(
        "pt", "--workers", "1", "--correct", str(corpus), home=place / "home", log=folder / "log.txt"
    ) as server:
        for _ in range(300):
            if len(problems := server.ask("/v1/correct").json["problems"]) == 2:
                break
            time.sleep(0.1)
        assert {p["utterance"] for p in problems} == set(list(texts)[:2])
        assert f"no such file: {gone.name}" in [p["problem"] for p in problems]
        assert post(server, "next", tab="tab-00001", who="Ana").json["utterance"]["id"] == fine.stem
        assert server.ask(f"/v1/correct/audio?utterance={broken.stem}").status == 410
        assert "Traceback" not in server.log.read_text()
