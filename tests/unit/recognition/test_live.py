import json
import subprocess
import sys

import numpy as np
import pytest
import torch

from vizinho.audio.features import make_extractor
from vizinho.audio.logmel import LogMel, normalize_running
from vizinho.errors import ModelError
from vizinho.model.checkpoint import load_checkpoint, save_checkpoint
from vizinho.model.fast import Chunks, chunks_of, fast_forward, set_chunks
from vizinho.model.networks import Checkpoint
from vizinho.model.presets import build_model
from vizinho.recognition.export_stream import export
from vizinho.recognition.live import load_live, streams, torch_live
from vizinho.recognition.recognizer import Recognizer
from vizinho.recognition.stream import Final, Partial, StreamOptions, StreamSession
from vizinho.text.tokens import character_tokenizer
from vizinho.training.options import StreamingOptions
from vizinho.training.speech_task import mark_streaming

SPEECH = (np.random.default_rng(1).standard_normal(3 * 16_000) * 0.1).astype(np.float32)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    tokenizer = character_tokenizer("abcdeo")
    model = build_model("micro", len(tokenizer), tokenizer.pad_token_id).eval()
    set_chunks(model, Chunks(8, 2))
    place = tmp_path_factory.mktemp("streaming")
    save_checkpoint(place, Checkpoint(model, make_extractor(), tokenizer))
    return place


def test_the_saved_configuration_says_how_a_model_streams(folder, tmp_path):
    assert chunks_of(json.loads((folder / "config.json").read_text())) == Chunks(8, 2)
    checkpoint = load_checkpoint(folder)
    mark_streaming(checkpoint, StreamingOptions())  # trained on without chunks, it no longer streams
    save_checkpoint(tmp_path, checkpoint)
    assert not streams(tmp_path)
    with pytest.raises(ModelError, match="not trained to stream"):
        export(tmp_path, tmp_path / "export")


@pytest.fixture(scope="module", params=["torch", "onnx"])
def begin(request, folder, tmp_path_factory):
    if request.param == "torch":
        return torch_live(load_checkpoint(folder))
    place = tmp_path_factory.mktemp("export") / "stream"
    export(folder, place)
    return load_live(place)


def test_blocks_of_any_size_give_what_the_whole_gives_under_the_same_masks(folder, begin):
    checkpoint = load_checkpoint(folder)
    features = torch.from_numpy(normalize_running(LogMel()(SPEECH).T, 32))
    with torch.inference_mode(), fast_forward(checkpoint.model):
        whole = checkpoint.model(features[None], chunks=Chunks(8, 2)).logits[0].log_softmax(-1).numpy()
    for size in (160, 1_000, 20_000, 48_000):
        live = begin()
        for start in range(0, SPEECH.size, size):
            found = live.feed(SPEECH[start : start + size])
            assert len(found) % 8 == 0
        found = live.finish()
        assert found.shape == whole.shape
        assert np.abs(found - whole).max() < 0.05  # raw bands and normalised ones differ by the deviation's floor


def test_an_utterance_too_short_for_a_frame_is_heard_as_silence_after_it(begin):
    live = begin()
    live.feed(np.ones(10, np.float32))
    assert len(live.finish()) == 1


class _SpeechInTheMiddle:
    """A detector that hears speech in the second second and silence around it."""

    def __init__(self) -> None:
        self._seen = 0

    def feed(self, samples):
        before, self._seen = self._seen // 512, self._seen + samples.size
        return np.array([float(31 <= n < 62) for n in range(before, self._seen // 512)])


def test_a_session_feeds_every_sample_once(folder):
    fed = []
    transcriber = Recognizer.load(folder, engine="torch")
    begin = transcriber.live

    def counted():
        live = begin()
        take = live.take
        live.take = lambda samples: fed.append(samples.size) or take(samples)
        return live

    transcriber.live = counted
    session = StreamSession(transcriber, StreamOptions(partial_seconds=0.2), _SpeechInTheMiddle())
    events = [e for block in np.split(SPEECH, 30) for e in session.accept(block)] + session.finish()
    finals = [e for e in events if isinstance(e, Final)]
    assert len(finals) == 1 and finals[0].words
    assert any(isinstance(e, Partial) for e in events)
    assert sum(fed) <= SPEECH.size
    assert len(fed) > 4


def test_networks_of_other_kinds_are_refused():
    class Other:
        class config:  # noqa: N801
            model_type = "wav2vec2"

    with pytest.raises(ModelError, match="cannot be trained for streams"):
        mark_streaming(Checkpoint(Other(), None, None), StreamingOptions(share=0.5))


def test_the_torch_engine_and_live_utterances_share_one_model(folder, monkeypatch):
    from vizinho.model import checkpoint

    opened = []
    monkeypatch.setattr(checkpoint, "load_checkpoint", lambda place: opened.append(place) or load_checkpoint(place))
    transcriber = Recognizer.load(folder, engine="torch")
    assert transcriber.live is not None
    transcriber.live().feed(SPEECH)
    assert opened == [folder]


def test_a_stream_in_onnxruntime_says_what_torch_says_and_needs_no_torch(folder, tmp_path, monkeypatch):
    monkeypatch.setenv("VIZINHO_HOME", str(tmp_path))
    fast, plain = Recognizer.load(folder), Recognizer.load(folder, engine="torch")
    assert fast.live is not None and plain.live is not None
    utterances = fast.live(), plain.live()
    for block in np.split(SPEECH, 10):
        chunks = [utterance.feed(block) for utterance in utterances]
        assert np.allclose(*chunks, atol=1e-4)
    assert np.allclose(*(utterance.finish() for utterance in utterances), atol=1e-4)
    command = "import sys; from pathlib import Path; from vizinho.recognition.recognizer import Recognizer"
    check = f"{command}; assert Recognizer.load(Path({str(folder)!r})).live(); assert 'torch' not in sys.modules"
    assert subprocess.run([sys.executable, "-c", check], capture_output=True, text=True).stderr == ""


@pytest.mark.parametrize("fault", ["no file", "half a file", "a later format"])
def test_a_broken_export_is_named(folder, tmp_path, fault):
    place = tmp_path / "stream"
    export(folder, place)
    settings = place / "stream.json"
    if fault == "no file":
        settings.unlink()
    elif fault == "half a file":
        settings.write_bytes(settings.read_bytes()[:40])
    else:
        settings.write_text(json.dumps(json.loads(settings.read_text()) | {"format": 99}))
    with pytest.raises(ModelError, match="format 99" if fault == "a later format" else "not an exported stream"):
        load_live(place)


def test_whole_recordings_do_not_wait_for_the_graph_of_streams(folder, tmp_path, monkeypatch):
    monkeypatch.setenv("VIZINHO_HOME", str(tmp_path))
    recognizer = Recognizer.load(folder)
    assert recognizer.live is not None
    recognizer.transcribe(SPEECH)
    assert not list(tmp_path.rglob("stream.onnx"))
    first, second = recognizer.live(), recognizer.live()
    assert len(list(tmp_path.rglob("stream.onnx"))) == 1
    assert first is not second and np.array_equal(first.feed(SPEECH), second.feed(SPEECH))
