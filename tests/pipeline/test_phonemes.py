"""Phones learnt beside letters: off changes nothing, a run resumes exactly, what is learnt is handed over."""

import os
import signal
from dataclasses import replace

import pytest
import torch
from safetensors.torch import load_file
from tones import tone_corpus
from transformers import AutoModelForCTC

from vizinho.errors import InterruptedRunError
from vizinho.g2p import letters as phonetics
from vizinho.g2p.espeak import is_available
from vizinho.job.fit import fit_job, save
from vizinho.job.job import Job
from vizinho.job.publish import card_of, publish
from vizinho.job.start import make_ready
from vizinho.model.layers import AdapterOptions
from vizinho.model.networks import weights
from vizinho.model.phonemes import FILE
from vizinho.store.store import Store
from vizinho.training.options import PhonemeOptions, TrainingOptions

pytestmark = pytest.mark.pipeline
needs_espeak = pytest.mark.skipif(not is_available(), reason="the extra 'speak' (eSpeak NG) is not installed")
OFF = TrainingOptions(
    steps=6, batch_seconds=3, learning_rate=3e-3, evaluate_every=2, checkpoint_every=2, workers=0, average_share=0.5
)
ON = replace(OFF, phonemes=PhonemeOptions(0.3, "block0"))


def job(folder, options=ON, **settings):
    lang = settings.pop("lang", "pt")
    corpus = tone_corpus(folder / lang, count=12, lang=lang, letters="abdefgh", splits=("train", "train", "dev"))
    return Job(lang, (corpus,), preset="micro", options=options, **settings)


def learnt(done):
    return weights(done.ready.checkpoint.model)


def same(ours, theirs):
    return ours.keys() == theirs.keys() and all(torch.equal(ours[name], theirs[name]) for name in ours)


def test_off_needs_no_espeak_and_changes_nothing(tmp_path, monkeypatch):
    monkeypatch.setattr(phonetics, "is_available", lambda: False)
    plain, off = make_ready(job(tmp_path, OFF)), make_ready(job(tmp_path, replace(OFF, phonemes=PhonemeOptions())))
    assert plain.identity == off.identity
    assert plain.phonemes is None
    done = fit_job(off, tmp_path / "off")
    assert same(learnt(fit_job(plain, tmp_path / "plain")), learnt(done))
    save(tmp_path / "model", done.ready)
    assert not (tmp_path / "model" / FILE).exists()


@needs_espeak
def test_phones_change_the_encoder_and_are_left_beside_the_network(tmp_path):
    plain, ready = make_ready(job(tmp_path, OFF)), make_ready(job(tmp_path))
    names, before = set(weights(ready.checkpoint.model)), ready.phonemes.start
    assert plain.identity != ready.identity
    done = fit_job(ready, tmp_path / "run")
    assert not same(learnt(fit_job(plain, tmp_path / "plain")), learnt(done))
    save(tmp_path / "model", ready)
    assert set(weights(AutoModelForCTC.from_pretrained(tmp_path / "model"))) == names
    written = load_file(tmp_path / "model" / FILE)
    assert not same({f"phonemes.{name}": tensor for name, tensor in written.items()}, before)


@needs_espeak
def test_an_interrupted_run_ends_with_the_same_weights(tmp_path):
    alone = fit_job(make_ready(job(tmp_path)), tmp_path / "alone")
    seen = []

    def interrupt(amount, note=""):
        seen.append(note)
        if len(seen) == 4:  # the first call says where it begins
            os.kill(os.getpid(), signal.SIGINT)

    with pytest.raises(InterruptedRunError, match="step 3 of 6"):
        fit_job(make_ready(job(tmp_path)), tmp_path / "stopped", progress=interrupt)
    again = fit_job(make_ready(job(tmp_path)), tmp_path / "stopped")
    assert same(learnt(alone), learnt(again))
    ours, theirs = (weights(done.ready.phonemes.head) for done in (alone, again))
    assert same(ours, theirs)
    assert not same(ours, {name.partition(".")[2]: t for name, t in alone.ready.phonemes.start.items()})


@needs_espeak
def test_a_transfer_takes_over_what_its_donor_learnt_and_says_so(tmp_path):
    donor = fit_job(make_ready(job(tmp_path, lang="es")), tmp_path / "donor run")
    save(tmp_path / "donor", donor.ready)
    ready = make_ready(job(tmp_path, donor=tmp_path / "donor", donor_language="es"))
    assert same(weights(ready.phonemes.head), weights(donor.ready.phonemes.head))
    assert [r.action for r in ready.plan.rows if (r.target or "").startswith("phonemes.")] == ["copy", "copy"]
    other = make_ready(job(tmp_path, replace(ON, phonemes=PhonemeOptions(0.3)), donor=tmp_path / "donor"))
    rows = [(r.action, r.reason) for r in other.plan.rows if (r.target or "").startswith("phonemes.")]
    assert rows == [("fresh", "the donor's reads another layer (block0)")] * 2
    store = Store(tmp_path / "home")
    finished = fit_job(ready, tmp_path / "run")
    made = publish(store, "pt", finished, tmp_path / "run", donor=None, command=["vizinho"])
    assert (store.resolve(made.ref) / FILE).is_file()
    assert card_of(store, "pt", finished, donor=None, command=[]).plan[-2:] == ready.plan.as_json()[-2:]


@needs_espeak
@pytest.mark.parametrize(
    "changed",
    [
        {"adapter": AdapterOptions(rank=2)},
        {"activation_checkpointing": True},
        {"accumulate": 2},
    ],
    ids=str,
)
def test_it_goes_with_other_options(tmp_path, changed):
    settings = {}
    if "adapter" in changed:
        save(tmp_path / "donor", make_ready(job(tmp_path, OFF, lang="es")))
        settings = {"donor": tmp_path / "donor", "donor_language": "es"}
    done = fit_job(make_ready(job(tmp_path, replace(ON, **changed), **settings)), tmp_path / "run")
    assert done.result.skipped_batches == 0
    before = done.ready.phonemes.start["phonemes.weight"]
    assert not torch.equal(done.ready.phonemes.head.weight.detach(), before)
    assert "phonemes.weight" not in learnt(done)


@needs_espeak
def test_recomputed_blocks_learn_the_same(tmp_path):
    kept = fit_job(make_ready(job(tmp_path)), tmp_path / "kept")
    again = fit_job(make_ready(job(tmp_path, replace(ON, activation_checkpointing=True))), tmp_path / "again")
    ours, theirs = ([p.train_loss for p in done.result.curve[1:]] for done in (kept, again))
    assert ours == pytest.approx(theirs, rel=1e-4)


@needs_espeak
def test_utterances_without_phones_are_counted_in_the_log(tmp_path):
    ready = make_ready(job(tmp_path))
    ready.phonemes.spoken._known[ready.prepared.examples[0].labels] = ()
    lines = []
    fit_job(ready, tmp_path / "run", log=lines.append)
    named = ready.prepared.examples[0].utterance.id
    assert [line for line in lines if "phoneme" in line] == [f"no phoneme loss for 1 utterances: {named} (no phones)"]
