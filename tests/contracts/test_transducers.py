"""Transducers (RNN-T, TDT) go the whole way: read, at work; what the official classes say is the measure."""

import numpy as np
import pytest
import torch
import transformers as hf
from tiny_transducer import KINDS, tiny_transducer
from tones import tone_speech

from vizinho.errors import ModelError, SpecError
from vizinho.model.checkpoint import load_checkpoint, load_donor, save_checkpoint, weights
from vizinho.recognition.recognizer import Recognizer

WAVEFORMS = [tone_speech("abc de"), tone_speech("fgh fed cab a", seed=1), tone_speech("ab", seed=2)[:3600]]


@pytest.fixture(scope="module", params=KINDS)
def folder(request, tmp_path_factory):
    return tiny_transducer(tmp_path_factory.mktemp("donor") / request.param, request.param)


def official(folder):
    network = KINDS["tdt" if "tdt" in folder.name else "rnnt"][1]
    return network.from_pretrained(folder).eval(), hf.AutoProcessor.from_pretrained(folder)


def officially_written(model, processor, samples):
    inputs = processor(samples, sampling_rate=16000)
    output = model.generate(**inputs)
    (text,) = processor.decode(output.sequences, skip_special_tokens=True)
    return text, output


def test_it_writes_what_the_official_classes_write(folder):
    model, processor = official(folder)
    recognizer = Recognizer.load(folder)
    texts = [recognizer.transcribe(samples).text for samples in WAVEFORMS]
    assert texts == [" ".join(officially_written(model, processor, samples)[0].split()) for samples in WAVEFORMS]
    assert sum(map(len, texts)) > 10, texts
    assert [t.text for t in recognizer.transcribe_many(WAVEFORMS)] == texts


def test_words_stand_in_the_frames_that_gave_their_tokens(folder):
    model, processor = official(folder)
    samples = WAVEFORMS[1]
    _, output = officially_written(model, processor, samples)
    _, (tokens,) = processor.decode(output.sequences, durations=output.durations, skip_special_tokens=True)
    words = Recognizer.load(folder).transcribe(samples).words
    assert words[0].start_seconds == pytest.approx(tokens[0]["start"])
    assert words[-1].end_seconds >= tokens[-1]["end"] - 1e-6
    starts = [w.start_seconds for w in words]
    assert starts == sorted(starts)
    assert all(w.end_seconds > w.start_seconds and 0 < w.confidence <= 1 for w in words)


def test_it_is_saved_as_it_came(folder, tmp_path):
    checkpoint = load_checkpoint(folder)
    copy = tmp_path / folder.name
    save_checkpoint(copy, checkpoint)
    model, processor = official(copy)
    original = weights(checkpoint.model)
    assert all(torch.equal(original[name], tensor) for name, tensor in weights(model).items())
    assert processor.blank_token == "<blank>"
    before = officially_written(*official(folder), WAVEFORMS[0])[0]
    assert officially_written(model, processor, WAVEFORMS[0])[0] == before


def test_roles_tell_the_blank_from_the_padding(folder):
    inventory = load_donor(folder).inventory
    roles = dict(zip(inventory.tokens, inventory.roles, strict=True))
    assert (roles["<blank>"], roles["<pad>"], roles["<unk>"], roles["a"]) == ("blank", "special", "unknown", "letter")


def test_tokens_without_end_are_cut_off(tmp_path):
    """A network that says a token of no duration, again and again."""
    folder = tiny_transducer(tmp_path / "tdt", "tdt", blank_nats=-50.0, durations=[0, 1])
    model = load_checkpoint(folder).model
    with torch.no_grad():
        model.joint.head.bias[-2] = 50.0
    model.save_pretrained(folder)
    samples = np.zeros(16000, np.float32)
    recognizer = Recognizer.load(folder)
    frames = load_checkpoint(folder).front.output_frames(100)
    letters = recognizer.transcribe(samples).text.replace(" ", "")
    assert letters
    assert len(letters) <= 10 * frames * max(map(len, recognizer.engine.inventory.tokens))


def test_what_is_not_there_is_one_clear_error(folder, tmp_path):
    recognizer = Recognizer.load(folder)
    with pytest.raises(SpecError, match="--head ctc"):
        _ = recognizer.ctc
    with pytest.raises(SpecError, match="hotwords"):
        recognizer.favouring({"bad": 1.0})
    donor = load_donor(folder, ctc=True)
    assert donor.tokenizer is None
    copy = tmp_path / folder.name
    save_checkpoint(copy, load_checkpoint(folder))
    (copy / "tokenizer.json").unlink()
    with pytest.raises(ModelError, match="--head ctc"):
        load_donor(copy)
