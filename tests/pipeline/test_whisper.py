"""A Whisper folder through the commands, as people type them."""

import json

import numpy as np
import pytest
from commands import vizinho
from tiny_whisper import tiny_whisper

from vizinho.audio.io import load_audio, save_audio
from vizinho.corpora.manifest import read_manifest, write_manifest
from vizinho.errors import ModelError
from vizinho.records import Utterance
from vizinho.server.catalog import Catalog
from vizinho.server.security.refusals import Refusal
from vizinho.server.workers.models import loader
from vizinho.store.store import Store

pytestmark = pytest.mark.pipeline


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    return tmp_path_factory.mktemp("place")


@pytest.fixture(scope="module")
def whisper(place):
    return tiny_whisper(place / "tiny-whisper", seed=3)


@pytest.fixture(scope="module")
def speech(place, shared):
    """Two recordings of people, and one of nobody."""
    folder = place / "speech"
    for number, file in enumerate(sorted((shared / "speech" / "pt").glob("*.opus"))[:2]):
        save_audio(folder / f"{number}.wav", load_audio(file))
    save_audio(folder / "silence.wav", np.zeros(32_000, np.float32))
    return folder


def test_people_are_written_and_silence_is_not(whisper, speech, place):
    done = vizinho("transcribe", whisper, speech, "--lang", "pt", "--json", home=place / "home")
    assert done.returncode == 0, done.stderr
    first, second, silence = (json.loads(done.stdout)["transcripts"])[:3]
    assert first["text"] and second["text"]
    assert not silence["text"]
    heard = vizinho("transcribe", whisper, speech / "0.wav", home=place / "home")  # the likeliest language
    assert heard.returncode == 0
    assert heard.stdout.strip()


def test_languages_and_searches_that_it_does_not_have_are_refused_in_one_line(whisper, speech, place):
    for options in (("--lang", "gd"), ("--beam-width", "8"), ("--n-best", "2")):
        done = vizinho("transcribe", whisper, speech / "0.wav", *options, home=place / "home")
        assert done.returncode == 2
        assert done.stderr.count("\n") == 1
        assert "->" in done.stderr


def test_hotwords_are_taken(whisper, speech, place):
    done = vizinho(
        "transcribe", whisper, speech / "0.wav", "--lang", "pt", "--hotword", "casa", "--hotword", "cão=3",
        home=place / "home",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr


def test_a_broken_recording_does_not_cost_the_others(whisper, speech, place):
    (place / "broken.wav").write_bytes(b"RIFF")
    done = vizinho("transcribe", whisper, place / "broken.wav", speech / "0.wav", "--lang", "pt", home=place / "home")
    assert done.returncode == 2
    assert "0.wav\t" in done.stdout
    assert "broken.wav" in done.stderr


def test_outputs_of_another_language_are_written_again(whisper, speech, place):
    def counts(*options):
        command = ("transcribe", whisper, speech, "--out", place / "out", *options)
        return vizinho(*command, home=place / "home").stdout

    assert counts("--lang", "pt").startswith("3 transcribed, 0 done before")
    assert counts("--lang", "pt").startswith("0 transcribed, 3 done before")
    assert counts("--lang", "es").startswith("3 transcribed, 0 done before")


def test_it_makes_pseudo_labels(whisper, speech, place):
    out = place / "labels.jsonl"
    done = vizinho("corpus", "label", whisper, speech, "--lang", "pt", "--out", out, home=place / "home")
    assert done.returncode == 0, done.stderr
    assert [u.id for u in read_manifest(out)] == ["0", "1"]


def test_it_is_scored_as_it_transcribes(whisper, speech, place):
    utterances = [
        Utterance(
            name, speech / f"{name}.wav", "a casa", "pt", "s", load_audio(speech / f"{name}.wav").size / 16_000, "test"
        )
        for name in "01"
    ]
    write_manifest(place / "m.jsonl", utterances)
    done = vizinho("evaluate", whisper, "--corpus", place / "m.jsonl", "--lang", "pt", "--json", home=place / "home")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["utterances"] == 2


def test_language_models_are_weighed_on_dev_and_choose_among_its_texts(whisper, speech, place):
    utterances = [
        Utterance(
            f"{split}-{name}", speech / f"{name}.wav", text, "pt", "s",
            load_audio(speech / f"{name}.wav").size / 16_000, split,
        )
        for split, name, text in (("train", "0", "uma casa"), ("dev", "0", "a casa"), ("dev", "1", "o cão"))
    ]  # fmt: skip
    manifest, out = place / "dev.jsonl", place / "decoder.json"
    write_manifest(manifest, utterances)
    tuned = vizinho(
        "lm", "tune", whisper, "--corpus", manifest, "--out", out, "--beam-width", "4", "--json", home=place / "home"
    )
    assert tuned.returncode == 0, tuned.stderr
    assert list(json.loads(tuned.stdout)["parts"]) == ["network alone", "words"]
    assert json.loads(out.read_text())["lms"] in ([], ["decoder.arpa"])  # none where it does not help
    searching = ("--lm", place / "decoder.arpa", "--beam-width", "4", "--lm-weight", "2")
    listed = vizinho("transcribe", whisper, speech / "0.wav", *searching, "--n-best", "2", home=place / "home")
    assert listed.returncode == 2 and "list none" in listed.stderr  # a beam width would not help
    for options in (("--decoder", out), searching):
        done = vizinho("transcribe", whisper, speech / "0.wav", "--lang", "pt", *options, home=place / "home")
        assert done.returncode == 0, done.stderr
        done = vizinho("evaluate", whisper, "--corpus", manifest, "--split", "dev", *options, home=place / "home")
        assert done.returncode == 0, done.stderr


def test_a_folder_can_be_served_by_its_name(whisper, place, monkeypatch):
    monkeypatch.setenv("VIZINHO_HOME", str(place / "home"))
    catalog = Catalog(Store(), [str(whisper), "es-demo"], {"whisper-1": "tiny-whisper"}, "pt")
    assert [m.ref for m in catalog.current()] == ["tiny-whisper@1", "es-demo@2"]
    for name in ("tiny-whisper", "tiny-whisper@1", "whisper-1", None):
        assert catalog.choose(name, "pt-BR").folder == whisper
    assert catalog.choose(None, "es").name == "es-demo"
    with pytest.raises(Refusal):
        catalog.choose("tiny-whisper", "es")
    recognizer = loader("onnx")(catalog.choose("whisper-1", None))
    assert recognizer.engine.max_seconds == 30.0


def test_a_folder_without_a_tokeniser_is_refused(whisper, place, speech, tmp_path):
    import shutil

    folder = shutil.copytree(whisper, tmp_path / "m")
    (folder / "tokenizer.json").unlink()
    done = vizinho("transcribe", folder, speech / "0.wav", home=place / "home")
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    with pytest.raises(ModelError):
        loader("onnx")(Catalog(Store(), [str(folder)], language="pt").choose(None, None))
