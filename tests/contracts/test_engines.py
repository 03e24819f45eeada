"""One suite over every engine: what a transcriber relies on, and that all of them hear the same."""

import numpy as np
import pytest
from tones import tone_speech

from vizinho.audio.io import load_audio
from vizinho.evaluation.score import error_rates
from vizinho.model.checkpoint import load_checkpoint
from vizinho.recognition.engines import TorchEngine
from vizinho.recognition.export import export
from vizinho.recognition.opening import ENGINES
from vizinho.recognition.recognizer import Recognizer

TEXTS = ["abc def", "fade bed", "bed cab", "fa ed", "deaf face", "cafe bead"]


@pytest.fixture(scope="module")
def transcribers(tone_model, tmp_path_factory):
    home = tmp_path_factory.mktemp("home")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("VIZINHO_HOME", str(home))
        return {name: Recognizer.load(tone_model, name) for name in ENGINES}


@pytest.fixture(scope="module")
def waveforms():
    return [tone_speech(text, seed=i) for i, text in enumerate(TEXTS)]


@pytest.mark.parametrize("name", ENGINES)
def test_log_probabilities_are_the_original_networks(transcribers, tone_model, waveforms, name):
    """Against Hugging Face's own forward pass, one utterance at a time; ours sees them as one padded batch."""
    import torch

    checkpoint = load_checkpoint(tone_model)
    for samples, found in zip(waveforms, transcribers[name].engine.log_probs(waveforms), strict=True):
        made = checkpoint.front.extract([samples])
        with torch.inference_mode():
            logits = checkpoint.model(made.features, attention_mask=made.mask).logits[0]
        expected = logits.log_softmax(dim=-1).numpy()[: checkpoint.front.output_frames(int(made.mask.sum()))]
        assert found.shape == expected.shape
        assert np.abs(found - expected).max() < 1e-4 * np.abs(expected).max()


@pytest.mark.parametrize("name", ENGINES)
def test_transcripts_are_what_was_said(transcribers, waveforms, name):
    heard = [t.text for t in transcribers[name].transcribe_many(waveforms)]
    assert heard == [transcribers[name].transcribe(w).text for w in waveforms]
    assert error_rates(dict(enumerate(TEXTS)), dict(enumerate(heard)))[0] < 0.1, heard


@pytest.mark.parametrize("name", ENGINES)
def test_words_stand_where_they_were_said(transcribers, name):
    first, second = transcribers[name].transcribe(tone_speech("abc def")).words
    assert first.start_seconds == pytest.approx(0.0, abs=0.15)
    assert first.end_seconds == pytest.approx(0.36, abs=0.15)
    assert second.start_seconds == pytest.approx(0.48, abs=0.15)


def test_all_engines_hear_the_same(transcribers, waveforms):
    heard = [[t.words for t in transcribers[name].transcribe_many(waveforms)] for name in ENGINES]
    for others in heard[1:]:
        for ours, theirs in zip(heard[0], others, strict=True):
            assert [w.text for w in ours] == [w.text for w in theirs]
            for a, b in zip(ours, theirs, strict=True):
                assert (a.start_seconds, a.end_seconds) == pytest.approx((b.start_seconds, b.end_seconds))
                assert a.confidence == pytest.approx(b.confidence, abs=1e-3)


def test_all_engines_hear_the_same_in_real_recordings(shared, tmp_path):
    """With a bundled donor, on the beginnings of a few files of each source."""
    from vizinho.store.store import Store

    files = sorted((shared / "speech" / "es").glob("*.opus"))[::320][:6]
    waveforms = [load_audio(file)[: 16_000 * 4] for file in files]
    model = Store().resolve("es-demo")
    export(model, tmp_path / "export")
    heard = [
        [t.text for t in transcriber.transcribe_many(waveforms)]
        for transcriber in (Recognizer.load(tmp_path / "export"), Recognizer.load(model, "torch"))
    ]
    assert heard[0] == heard[1]
    assert sum(map(len, heard[0])) > 30


def test_eight_fold_subsampling_and_other_biases_are_exported_too(tmp_path):
    """Pieces instead of letters, and a network without biases: other paths through the export."""
    import torch

    from vizinho.audio.features import make_extractor
    from vizinho.model.checkpoint import save_checkpoint
    from vizinho.model.networks import Checkpoint
    from vizinho.model.presets import build_model
    from vizinho.text.tokens import bpe_tokenizer

    tokenizer = bpe_tokenizer(["uma casa", "a casa azul", "duas casas azuis"] * 4, 30)
    model = build_model("micro", len(tokenizer.get_vocab()), tokenizer.pad_token_id, tokens="bpe")
    config = model.config
    config.encoder_config.attention_bias = config.encoder_config.convolution_bias = False
    config.encoder_config.scale_input = True
    torch.manual_seed(3)
    model = type(model)(config).eval()
    for name, buffer in model.named_buffers():
        if name.endswith("running_var"):
            buffer.uniform_(0.5, 2.0)
    save_checkpoint(tmp_path / "model", Checkpoint(model, make_extractor(), tokenizer))
    made = export(tmp_path / "model", tmp_path / "export")
    assert made.largest_difference < 1e-4
    waveforms = [tone_speech("abcdef"), tone_speech("ab")]
    ours = Recognizer.load(tmp_path / "export").engine.log_probs(waveforms)
    theirs = TorchEngine.load(tmp_path / "model").log_probs(waveforms)
    for a, b in zip(ours, theirs, strict=True):
        assert a.shape == b.shape
        assert np.abs(a - b).max() < 1e-3
