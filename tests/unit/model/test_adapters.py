"""Low-rank adapters: the donor stays the donor, what is learnt can be taken out, sent and put in again."""

import shutil
from dataclasses import replace
from pathlib import Path

import donor_zoo
import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from tiny_transducer import tiny_transducer
from tiny_whisper import tiny_whisper
from tones import tone_corpus, tone_speech
from typer.testing import CliRunner

from vizinho.cli.main import app
from vizinho.errors import ModelError, SpecError
from vizinho.job.fit import fit_job
from vizinho.job.job import Job
from vizinho.job.publish import ADAPTER, publish
from vizinho.job.start import make_ready
from vizinho.model.adapters import attach, merge, merge_adapter, save_adapter, take
from vizinho.model.checkpoint import load_donor, save_checkpoint, weights_digest
from vizinho.model.layers import AdapterOptions, layer_of
from vizinho.model.networks import weights
from vizinho.recognition.engines import TorchEngine
from vizinho.store.card import read_card
from vizinho.store.store import Store
from vizinho.training.loop import fit
from vizinho.training.options import TrainingOptions, from_dict
from vizinho.training.speech_task import SpeechTask

OPTIONS = TrainingOptions(
    steps=4,
    batch_seconds=5,
    learning_rate=1e-2,
    evaluate_every=2,
    checkpoint_every=2,
    workers=0,
    adapter=AdapterOptions(),
)
WAVEFORM = tone_speech("abc de")
# BatchNorm's statistics in blocks and in front, attention that bypasses its own projections, a strided adapter.
KINDS = ("parakeet", "hubert batch norm", "wavlm", "wav2vec2-bert")


@pytest.fixture(scope="module")
def corpus(tmp_path_factory) -> Path:
    return tone_corpus(tmp_path_factory.mktemp("corpus"), count=6, splits=("train", "train", "dev"))


def job(name: str, folder: Path, corpus: Path, adapter: AdapterOptions) -> Job:
    donor = donor_zoo.RECOGNISERS[name](folder / "donor")
    return Job("pt", (corpus,), donor, "es", options=replace(OPTIONS, adapter=adapter))


@pytest.mark.parametrize("name", KINDS)
def test_switched_off_the_donor_is_untouched_bit_for_bit(name, tmp_path, corpus):
    asked = job(name, tmp_path, corpus, AdapterOptions(where="all"))
    ready = make_ready(asked)
    model = ready.checkpoint.model
    head = {n: t.clone() for n, t in weights(model).items() if layer_of(n) == "head"}
    before = TorchEngine(ready.checkpoint).log_probs([WAVEFORM])[0]
    handle = attach(model, ready.job.options.adapter, 1)
    assert np.array_equal(TorchEngine(ready.checkpoint).log_probs([WAVEFORM])[0], before)
    fit(SpeechTask(ready.checkpoint, ready.prepared.examples), ready.job.options, tmp_path / "run")
    second = {n: p.detach() for n, p in model.named_parameters() if ".lora_B." in n}
    assert second
    assert all(matrix.abs().max() > 0 for matrix in second.values()), "an adapter that nothing asks cannot learn"
    found = {n.replace(".base_layer", ""): t for n, t in weights(model).items() if ".lora_" not in n}
    assert found.keys() == ready.start.keys()
    assert all(torch.equal(found[n], t) for n, t in ready.start.items() if layer_of(n) != "head")
    with_adapter = TorchEngine(ready.checkpoint).log_probs([WAVEFORM])[0]
    handle.disable_adapter_layers()
    learnt = {n: t.clone() for n, t in weights(model).items() if layer_of(n) == "head"}
    model.load_state_dict(head, strict=False)
    assert np.array_equal(TorchEngine(ready.checkpoint).log_probs([WAVEFORM])[0], before)
    model.load_state_dict(learnt, strict=False)
    handle.enable_adapter_layers()
    assert not np.array_equal(with_adapter, before)
    merge(handle)
    assert weights(model).keys() == ready.start.keys()
    assert np.allclose(TorchEngine(ready.checkpoint).log_probs([WAVEFORM])[0], with_adapter, atol=1e-5)


@pytest.mark.parametrize("kind", ["lora", "dora"])
def test_donor_and_adapter_make_the_same_model_again(kind, tmp_path, corpus):
    asked = job("parakeet", tmp_path, corpus, AdapterOptions(kind, rank=2))
    done = fit_job(make_ready(asked), tmp_path / "run")
    assert done.adapter is not None
    origin = {"language": "pt", "donor": {"ref": "zoo", "weights_sha256": weights_digest(asked.donor)}}
    save_adapter(tmp_path / "adapter", done.adapter, done.ready.checkpoint, origin)
    again = merge_adapter(asked.donor, tmp_path / "adapter")
    assert again.inventory == done.ready.checkpoint.inventory
    ours, theirs = weights(done.ready.checkpoint.model), weights(again.model)
    assert all(torch.equal(ours[name], theirs[name]) for name in ours)
    sizes = [load_file(tmp_path / "adapter" / n) for n in ("adapter_model.safetensors", "head.safetensors")]
    assert sum(t.numel() for file in sizes for t in file.values()) < sum(t.numel() for t in ours.values()) / 2


STARTS = {
    "rnnt": (lambda folder: tiny_transducer(folder, "rnnt"), {}),
    "tdt": (lambda folder: tiny_transducer(folder, "tdt"), {}),
    "tdt, its pieces": (lambda folder: tiny_transducer(folder, "tdt"), {"tokens": "donor"}),
    "tdt, its encoder": (lambda folder: tiny_transducer(folder, "tdt"), {"head": "ctc"}),
    "whisper": (tiny_whisper, {}),
    "whisper, its encoder": (tiny_whisper, {"head": "ctc"}),
    "mms": (donor_zoo.mms, {"donor_adapter": "spa"}),
}


@pytest.mark.parametrize("name", STARTS)
def test_an_adapter_knows_what_of_the_donor_it_was_trained_on(name, tmp_path, corpus):
    make, how = STARTS[name]
    asked = Job("pt", (corpus,), make(tmp_path / "donor"), "es", options=replace(OPTIONS, learning_rate=1e-3), **how)
    store = Store(tmp_path / "home")
    done = fit_job(make_ready(asked), tmp_path / "run")
    published = publish(store, "pt", done, tmp_path / "run", donor=str(asked.donor), command=[])
    adapter = store.resolve(published.ref) / ADAPTER
    again = merge_adapter(asked.donor, adapter)
    assert again.inventory == done.ready.checkpoint.inventory
    assert again.blank == done.ready.checkpoint.blank
    trained = weights(done.ready.checkpoint.model)
    assert trained.keys() == weights(again.model).keys()
    assert all(torch.equal(trained[key], tensor) for key, tensor in weights(again.model).items())
    moved = {layer_of(key) for key, tensor in trained.items() if not torch.equal(tensor, done.ready.start[key])}
    assert any(layer.startswith("block") for layer in moved) or done.result.best_step == 0
    assert all(layer == "head" or layer.startswith(("block", "decoder")) for layer in moved)
    settings = [
        getattr(c.model, "generation_config", None) for c in (again, done.ready.checkpoint)
    ]  # name the language
    assert not any(settings) or settings[0].to_dict() == settings[1].to_dict()


def test_an_adapter_of_a_language_that_whisper_lacks_is_whole_only(tmp_path):
    corpus = tone_corpus(tmp_path / "corpus", count=6, lang="ast", splits=("train", "train", "dev"))
    asked = Job("ast", (corpus,), tiny_whisper(tmp_path / "donor"), "es", options=OPTIONS)
    done = fit_job(make_ready(asked), tmp_path / "run")
    origin = {"language": "ast", "donor": {"ref": "zoo", "weights_sha256": weights_digest(asked.donor)}}
    save_adapter(tmp_path / "adapter", done.adapter, done.ready.checkpoint, origin)
    with pytest.raises(ModelError, match="a token that the donor lacks -> take the model folder"):
        merge_adapter(asked.donor, tmp_path / "adapter")


def test_peft_reads_the_adapter(tmp_path, corpus):
    from peft import PeftModel

    asked = job("parakeet", tmp_path, corpus, AdapterOptions(where="all"))
    ready = make_ready(asked)
    handle = attach(ready.checkpoint.model, asked.options.adapter, 1)
    fit(SpeechTask(ready.checkpoint, ready.prepared.examples), asked.options, tmp_path / "run")
    save_adapter(tmp_path / "adapter", take(handle), ready.checkpoint, {"language": "pt", "donor": {}})
    expected = TorchEngine(ready.checkpoint).log_probs([WAVEFORM])[0]
    other = make_ready(asked).checkpoint
    other.model.load_state_dict(load_file(tmp_path / "adapter" / "head.safetensors"), strict=False)
    PeftModel.from_pretrained(other.model, tmp_path / "adapter")
    assert np.array_equal(TorchEngine(other).log_probs([WAVEFORM])[0], expected)


def test_a_resumed_run_ends_with_the_same_weights(tmp_path, corpus):
    asked = job("parakeet", tmp_path, corpus, AdapterOptions(dropout=0.1))
    alone = fit_job(make_ready(asked), tmp_path / "run")
    shutil.rmtree(max((tmp_path / "run").glob("step-*")))
    lines: list[str] = []
    resumed = fit_job(make_ready(asked), tmp_path / "run", log=lines.append)
    assert "going on from step 2" in lines
    ours, theirs = weights(alone.ready.checkpoint.model), weights(resumed.ready.checkpoint.model)
    assert all(torch.equal(ours[name], theirs[name]) for name in ours)


def test_an_adapter_on_other_weights_is_refused(tmp_path, corpus):
    asked = job("parakeet", tmp_path, corpus, AdapterOptions())
    done = fit_job(make_ready(asked), tmp_path / "run")
    origin = {"language": "pt", "donor": {"ref": "es@1", "weights_sha256": weights_digest(asked.donor)}}
    save_adapter(tmp_path / "adapter", done.adapter, done.ready.checkpoint, origin)
    save_checkpoint(tmp_path / "other", done.ready.checkpoint)
    with pytest.raises(ModelError, match="trained on other weights than these -> give the donor es@1"):
        merge_adapter(tmp_path / "other", tmp_path / "adapter")
    (tmp_path / "adapter" / "adapter_model.safetensors").write_bytes(b"damaged")
    with pytest.raises(ModelError, match="the adapter cannot be read"):
        merge_adapter(asked.donor, tmp_path / "adapter")
    with pytest.raises(ModelError, match=r"not an adapter: it lacks origin\.json"):
        merge_adapter(asked.donor, tmp_path / "other")


def test_commands_train_publish_and_merge(tmp_path, corpus):
    donor = donor_zoo.RECOGNISERS["wav2vec2 layer"](tmp_path / "donor")
    recipe = tmp_path / "lora.toml"
    recipe.write_text("steps = 2\nbatch_seconds = 5\nworkers = 0\nevaluate_every = 2\n[adapter]\nrank = 2\n")
    for words in (
        ("transfer", donor, "--to", "pt", "--from", "es", "--corpus", corpus, "--recipe", recipe, "--quiet"),
        ("models", "merge", donor, tmp_path / "home" / "models" / "pt" / "1" / "adapter", "--name", "again"),
    ):
        found = CliRunner().invoke(app, list(map(str, words)), catch_exceptions=False)
        assert found.exit_code == 0, found.output
    trained, merged = (Store().resolve(name) for name in ("pt", "again"))
    ours, theirs = (load_file(folder / "model.safetensors") for folder in (trained, merged))
    assert all(torch.equal(ours[name], theirs[name]) for name in ours)
    cards = [read_card(folder) for folder in (trained, merged)]
    assert cards[0].recipe["adapter"]["rank"] == cards[1].recipe["adapter"]["rank"] == 2
    assert cards[0].donor == cards[1].donor
    assert cards[1].language == "pt"


def test_an_adapter_without_a_donor_is_refused(corpus):
    with pytest.raises(SpecError, match="an adapter needs a donor"):
        make_ready(Job("pt", (corpus,), preset="micro", options=OPTIONS))


def test_options_come_from_a_recipe_and_are_checked():
    made = from_dict(TrainingOptions, {"adapter": {"kind": "dora", "rank": 4, "where": "all"}})
    assert made.adapter == AdapterOptions("dora", rank=4, where="all")
    with pytest.raises(SpecError, match="adapter kind is 'prefix'"):
        from_dict(TrainingOptions, {"adapter": {"kind": "prefix"}})
    with pytest.raises(SpecError, match="adapter rank 0"):
        AdapterOptions(rank=0)


def test_attention_that_bypasses_its_projections_gets_no_adapter(tmp_path):
    donor = load_donor(donor_zoo.RECOGNISERS["wavlm"](tmp_path / "wavlm"))
    with pytest.raises(SpecError, match="no linear maps that an adapter of 'attention' could change"):
        attach(donor.model, AdapterOptions(), 1)
