"""Every kind of donor goes the whole way: loaded, planned, trained, saved, loaded again, at work."""

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
import transformers as hf
from donor_zoo import ENCODERS, RECOGNISERS
from nemo_archive import ARCHIVE
from tones import tone_corpus, tone_speech

from vizinho.audio.augment import AugmentOptions
from vizinho.job.job import Job
from vizinho.job.start import make_ready
from vizinho.model.checkpoint import load_checkpoint, load_donor, save_checkpoint
from vizinho.model.networks import weights
from vizinho.plan.movement import movement
from vizinho.recognition.engines import TorchEngine
from vizinho.recognition.recognizer import Recognizer
from vizinho.training.loop import fit
from vizinho.training.options import LayerPolicy, TrainingOptions
from vizinho.training.speech_task import SpeechTask

KINDS: dict[str, Callable[[Path], Path]] = {
    **RECOGNISERS,
    **ENCODERS,
    "nemo": lambda folder: Path(shutil.copy(ARCHIVE, folder.with_suffix(".nemo"))),
}
OPTIONS = TrainingOptions(
    steps=2,
    batch_seconds=5,
    learning_rate=1e-2,
    workers=0,
    augment=AugmentOptions(speed_share=1, noise_share=1),
    layers=LayerPolicy(layer_decay=0.9, frozen=("front",)),
)
WAVEFORMS = [tone_speech("abc de"), tone_speech("fgh", seed=1), tone_speech("ab", seed=2)[:3600]]


@pytest.fixture(scope="module")
def corpus(tmp_path_factory) -> Path:
    return tone_corpus(tmp_path_factory.mktemp("corpus"), count=6, splits=("train", "train", "dev"))


@pytest.fixture(scope="module", params=KINDS)
def kind(request, tmp_path_factory, corpus):
    """The donor, and a job from it made ready; once a kind."""
    path = KINDS[request.param](tmp_path_factory.mktemp("donor") / "model")
    return load_donor(path, ctc=True), make_ready(Job("pt", (corpus,), path, "es", head="ctc", options=OPTIONS))


def test_the_plan_accounts_for_every_parameter(kind):
    donor, ready = kind
    whole = [row for row in ready.plan.rows if row.token is None]
    by_token = [row for row in ready.plan.rows if row.token is not None]
    named = [row.target for row in whole if row.target is not None]
    assert len(named) == len(set(named))
    assert {*named, *(row.target for row in by_token if row.target)} == set(ready.start)
    used = {row.source for row in whole}
    heads = {name for name in donor.weights() if name not in used}
    assert all("head" in name for name in heads)
    assert donor.unused.keys() <= used
    if donor.tokenizer is None:
        assert {row.action for row in by_token} == {"fresh"}
    else:
        same = {row.token: row.source for row in by_token if row.action == "row copy"}
        assert {donor.tokenizer.pad_token, "a"} <= {
            source.partition("[")[2].removesuffix("]") for source in same.values()
        }
    copied = {row.target for row in whole if row.action == "copy"}
    given = donor.weights()
    assert all(torch.equal(ready.start[name], given[name]) for name in copied)


def test_it_trains_and_comes_back_bit_equal(kind, tmp_path):
    _, ready = kind
    result = fit(SpeechTask(ready.checkpoint, ready.prepared.examples), OPTIONS, tmp_path / "run")
    assert result.steps == 2
    assert result.skipped_batches == 0
    moved = {
        layer.layer: layer.relative_distance for layer in movement(ready.start, weights(ready.checkpoint.model)).layers
    }
    assert moved["front"] == 0
    assert all(moved[layer] > 0 for layer in moved if layer != "front")
    save_checkpoint(tmp_path / "model", ready.checkpoint)
    again = load_checkpoint(tmp_path / "model")
    theirs = hf.AutoModelForCTC.from_pretrained(tmp_path / "model")
    processor = hf.AutoProcessor.from_pretrained(tmp_path / "model")
    ours = weights(ready.checkpoint.model)
    for other in (again.model, theirs):
        assert ours.keys() == weights(other).keys()
        assert all(torch.equal(ours[name], tensor) for name, tensor in weights(other).items())
    assert processor.tokenizer.get_vocab() == ready.checkpoint.tokenizer.get_vocab()
    assert again.front.output_frames(9000) == ready.checkpoint.front.output_frames(9000)
    dev = list(ready.dataset.dev)
    said = Recognizer.of(again).transcribe_corpus(dev)
    assert said == Recognizer.of(ready.checkpoint).transcribe_corpus(dev)
    assert said.keys() == {u.id for u in dev}


def test_steps_and_frames_are_those_of_the_network(kind):
    donor, _ = kind
    front = donor.recogniser.front
    rng = np.random.default_rng(0)
    for size in (640, 3199, 3200, 4799, 7000, 16123):
        samples = rng.standard_normal(size).astype(np.float32)
        made, steps = front.extract([samples]), front.steps_of(size)
        official = donor.extractor(
            samples, sampling_rate=16000, padding="longest", return_attention_mask=True, return_tensors="pt"
        )
        assert int(official["attention_mask"].sum()) == int(made.mask.sum()) == steps
        with torch.inference_mode():
            logits = donor.model(
                made.features[:, :steps], attention_mask=front.attention_mask(made.mask[:, :steps])
            ).logits
        assert logits.shape[1] == front.output_frames(steps)


def test_nobody_in_a_batch_changes_what_is_heard(kind):
    recogniser = TorchEngine(kind[0].recogniser)
    together = recogniser.log_probs(WAVEFORMS)
    for samples, frames in zip(WAVEFORMS, together, strict=True):
        assert np.allclose(recogniser.log_probs([samples])[0], frames, atol=1e-5)


@pytest.mark.parametrize("name", RECOGNISERS)
def test_it_hears_what_the_official_classes_hear(name, tmp_path):
    folder = RECOGNISERS[name](tmp_path / "model")
    model = hf.AutoModelForCTC.from_pretrained(folder).eval()
    processor = hf.AutoProcessor.from_pretrained(folder)
    recogniser = TorchEngine.load(folder)
    for samples in WAVEFORMS:
        inputs = processor(samples, sampling_rate=16000, return_tensors="pt")
        with torch.inference_mode():
            expected = model(**inputs).logits.log_softmax(-1)[0].numpy()
        found = recogniser.log_probs([samples])[0]
        # The official extractor pads FastConformer's features by a frame that its mask takes out again.
        assert 0 <= len(expected) - len(found) <= 1
        assert np.allclose(found, expected[: len(found)], atol=1e-5)
