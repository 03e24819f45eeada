"""A transducer through the commands and the server, as people type them: a version of one's own and a plain folder."""

import json

import numpy as np
import pytest
from commands import vizinho
from serving import KEY, linear16, running, speech, wav
from tiny_transducer import tiny_transducer
from tones import tone_corpus, tone_speech

from vizinho.store.card import read_card
from vizinho.store.store import Store

pytestmark = pytest.mark.pipeline
SAMPLES = np.concatenate([tone_speech("abc de"), np.zeros(24_000, np.float32), tone_speech("fgh fed cab a", seed=1)])
RECIPE = """
steps = 4
batch_seconds = 5.0
evaluate_every = 2
checkpoint_every = 2
workers = 0
"""


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A plain folder, a corpus, a recording, and a store with the version that was made of them."""
    place = tmp_path_factory.mktemp("place")
    folder = tiny_transducer(place / "plain", "tdt")
    corpus = tone_corpus(place / "corpus", count=9, lang="sw", splits=("train", "dev", "test"))
    (place / "talk.wav").write_bytes(wav(SAMPLES))
    (place / "recipe.toml").write_text(RECIPE)
    command = ["transfer", folder, "--from", "en", "--to", "sw", "--corpus", corpus, "--recipe", place / "recipe.toml"]
    done = vizinho(*command, home=place / "home")
    assert done.returncode == 0, done.stderr
    assert "the donor's 25 stay, because they write the training texts" in done.stdout
    return place


def transcript_of(place, model, *options):
    done = vizinho("transcribe", model, place / "talk.wav", "--json", *options, home=place / "home")
    assert done.returncode == 0, done.stderr
    (transcript,) = json.loads(done.stdout)["transcripts"]
    return transcript


@pytest.mark.parametrize("model", ["sw", "plain"])
def test_words_stand_in_order_inside_the_recording(place, model):
    transcript = transcript_of(place, place / model if model == "plain" else model)
    words = transcript["words"]
    assert transcript["text"] == " ".join(w["text"] for w in words)
    assert words
    starts, ends = ([w[f"{side}_seconds"] for w in words] for side in ("start", "end"))
    assert starts == sorted(starts)
    assert ends == sorted(ends)
    assert ends[-1] <= SAMPLES.size / 16000
    assert all(0 < w["confidence"] <= 1 for w in words)


def test_the_card_says_whose_tokens_it_has_and_makes_the_version_again(place):
    assert read_card(Store(place / "home").resolve("sw")).recipe["tokens"] == "donor"
    done = vizinho("models", "reproduce", "sw", "--json", home=place / "home")
    assert done.returncode == 0, done.stdout + done.stderr


def test_it_is_scored_labels_and_exports(place):
    home, corpus = place / "home", place / "corpus" / "sw.jsonl"
    done = vizinho("evaluate", "sw", "--corpus", corpus, "--json", home=home)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["utterances"] == 3
    done = vizinho("corpus", "label", "sw", place / "talk.wav", "--lang", "sw", "--out", place / "l.jsonl", home=home)
    assert done.returncode == 0, done.stderr
    done = vizinho("export", "sw", "--out", place / "export", home=home)
    assert done.returncode == 0, done.stderr
    assert transcript_of(place, place / "export")["text"] == transcript_of(place, "sw")["text"]


@pytest.mark.parametrize(
    "options", [("--beam-width", "8"), ("--n-best", "2"), ("--hotword", "abc")], ids=["beam", "n-best", "hotword"]
)
def test_searches_that_it_does_not_have_are_refused_in_one_line(place, options):
    done = vizinho("transcribe", "sw", place / "talk.wav", *options, home=place / "home")
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert "--head ctc" in done.stderr


def test_a_language_model_is_refused_in_one_line(place):
    (place / "text.txt").write_text("abc de\nfgh abc\nbad cab\n" * 20)
    home = place / "home"
    done = vizinho("lm", "train", place / "text.txt", "--lang", "sw", "--out", place / "sw.lm", home=home)
    assert done.returncode == 0, done.stderr
    done = vizinho("transcribe", "sw", place / "talk.wav", "--lm", place / "sw.lm", home=home)
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert "--head ctc" in done.stderr


def test_a_server_hears_recordings_and_streams(place, tmp_path):
    from websockets.sync.client import connect

    expected = {name: transcript_of(place, place / name if name == "plain" else name) for name in ("sw", "plain")}
    options = ("sw", str(place / "plain"), "--lang", "sw", "--workers", "1")
    with running(*options, home=place / "home", log=tmp_path / "log") as server:
        for name, transcript in expected.items():
            answer = server.ask(f"/v1/listen?model={name}", wav(SAMPLES))
            (heard,) = answer.json["results"]["channels"][0]["alternatives"]
            assert heard["transcript"] == transcript["text"]
            assert [w["word"] for w in heard["words"]] == [w["text"] for w in transcript["words"]]
        answer = server.ask("/v1/listen?model=sw&keywords=abc:2", wav(SAMPLES))
        assert answer.status == 400
        assert "hotwords" in answer.json["err_msg"]
        headers = {"Authorization": f"Token {KEY}"}
        query = "model=sw&encoding=linear16&sample_rate=16000&interim_results=true"
        with connect(f"ws://{server.host}/v1/listen?{query}", additional_headers=headers) as stream:
            samples = speech()  # tones are no speech to the detector of live streams
            for start in range(0, samples.size, 3200):
                stream.send(linear16(samples[start : start + 3200]))
            stream.send(json.dumps({"type": "CloseStream"}))
            received = [json.loads(message) for message in stream]
    finals = [m for m in received if m["type"] == "Results" and m["is_final"]]
    words = [w for m in finals for w in m["channel"]["alternatives"][0]["words"]]
    assert words
    starts = [w["start"] for w in words]
    assert starts == sorted(starts)
    assert all(0 <= w["start"] < w["end"] <= samples.size / 16000 for w in words)
