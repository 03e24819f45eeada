"""Whisper with its decoder goes the whole way: planned, trained, saved, read by the official classes."""

import json
import shutil
from dataclasses import replace

import numpy as np
import pytest
import torch
import transformers as hf
from interrupted import whole_and_resumed
from tiny_whisper import tiny_whisper
from tones import tone_corpus, tone_speech

from vizinho.audio.augment import AugmentOptions
from vizinho.errors import ModelError, SpecError
from vizinho.job.fit import _dev_set, fit_job
from vizinho.job.job import Job
from vizinho.job.run import transfer
from vizinho.job.start import make_ready
from vizinho.model import whisper_silence
from vizinho.model.checkpoint import load_checkpoint, load_donor, save_checkpoint
from vizinho.model.networks import weights
from vizinho.model.whisper import TOKEN_PARAMETERS, most_tokens, prompt_of, write
from vizinho.plan.tokens import RowOptions
from vizinho.recognition.recognizer import Recognizer
from vizinho.store.store import Store
from vizinho.training.loop import fit
from vizinho.training.options import AdapterOptions, TrainingOptions
from vizinho.training.speech_task import dev_rates
from vizinho.training.written_task import WrittenTask

OPTIONS = TrainingOptions(
    steps=4,
    batch_seconds=5,
    learning_rate=1e-3,
    workers=0,
    evaluate_every=2,
    checkpoint_every=2,
    average_share=0.0,
    augment=AugmentOptions(speed_share=1, noise_share=1),
)
(TOKENS, *_) = TOKEN_PARAMETERS


@pytest.fixture(scope="module")
def donor(tmp_path_factory):
    return tiny_whisper(tmp_path_factory.mktemp("donor") / "whisper")


@pytest.fixture(scope="module")
def corpora(tmp_path_factory):
    folder = tmp_path_factory.mktemp("corpora")
    return {
        language: tone_corpus(folder / language, count=9, lang=language, splits=("train", "train", "dev"))
        for language in ("pt", "ast")
    }


def ready_of(donor, corpora, language="pt", options=OPTIONS, **how):
    return make_ready(Job(language, (corpora[language],), donor, options=options, **how))


def batch_of(ready, folder):
    task = WrittenTask(ready.checkpoint, ready.prepared.examples)
    return task, next(task.batches(range(1), OPTIONS, folder, lambda _line: None))


def test_a_language_that_whisper_has_takes_everything_over(donor, corpora):
    ready = ready_of(donor, corpora)
    given = weights(load_donor(donor).model)
    assert {row.target for row in ready.plan.rows} == set(ready.start) == set(given)
    assert all(torch.equal(ready.start[name], tensor) for name, tensor in given.items())
    (line,) = (row for row in ready.plan.rows if row.token is not None)
    assert (line.action, line.count) == ("row copy", len(given[TOKENS]))
    assert ready.plan.counts() == {"copy": len(given) - 1, "row copy": len(given[TOKENS])}


def test_a_language_that_whisper_lacks_starts_like_its_neighbours(donor, corpora):
    ready = ready_of(donor, corpora, "ast")
    given, tokenizer = weights(load_donor(donor).model)[TOKENS], ready.checkpoint.tokenizer
    (line,) = (row for row in ready.plan.rows if row.token == "<|ast|>")
    assert line.action == "feature row"
    assert "family tree" in line.reason
    shares = dict(line.mix)
    # Both are West Iberian; English shares only the family, which is too little.
    assert shares.keys() == {"<|es|>", "<|pt|>"}
    mixture = sum(share * given[tokenizer.convert_tokens_to_ids(token)] for token, share in shares.items())
    assert torch.allclose(ready.start[TOKENS][-1], mixture)
    assert torch.equal(ready.start[TOKENS][:-1], given)
    assert tokenizer.convert_tokens_to_ids("<|ast|>") == len(given)


@pytest.mark.parametrize(
    ("how", "action", "expected"),
    [
        ({"language_like": (("en", 1.0),)}, "feature row", "<|en|>"),
        ({"rows": RowOptions(new_rows="neighbours"), "language_like": (("pt", 1.0),)}, "neighbour row", "<|pt|>"),
        ({"rows": RowOptions(overrides={"<|ast|>": "<|es|>"})}, "neighbour row", "<|es|>"),
        ({"rows": RowOptions(new_rows="fresh")}, "fresh", None),
    ],
    ids=["like English", "the nearest", "one of one's own choice", "random"],
)
def test_ways_to_start_a_language(donor, corpora, how, action, expected):
    ready = ready_of(donor, corpora, "ast", **how)
    (line,) = (row for row in ready.plan.rows if row.token == "<|ast|>")
    assert line.action == action
    row, given = ready.start[TOKENS][-1], weights(load_donor(donor).model)[TOKENS]
    same = [n for n in range(len(given)) if torch.equal(given[n], row)]
    assert same == ([] if expected is None else [ready.checkpoint.tokenizer.convert_tokens_to_ids(expected)])


def test_the_loss_is_that_of_the_official_class(donor, corpora, tmp_path):
    task, batch = batch_of(ready_of(donor, corpora), tmp_path)
    model = task.model.eval()
    inputs, labels = task._teacher(batch)
    assert inputs.shape == labels.shape == (len(batch.ids), 4 + int(batch.label_lengths.max()))
    assert (labels[:, :3] == -100).all()
    with torch.no_grad():
        official = model(
            input_features=batch.features.transpose(1, 2), decoder_input_ids=inputs, labels=labels, use_cache=False
        )
        mine = task.loss(model, batch, OPTIONS, task.begin(OPTIONS))
    assert torch.allclose(mine, official.loss)
    written = [task.checkpoint.tokenizer.decode(row[row >= 0], skip_special_tokens=True) for row in labels]
    texts = {e.utterance.id: e.utterance.text for e in task.examples}
    assert written == [f" {texts[id_]}" for id_ in batch.ids]


@pytest.mark.parametrize("language", ["pt", "ast"])
def test_official_classes_read_what_is_saved_and_write_the_same(donor, corpora, language, tmp_path):
    ready = ready_of(donor, corpora, language)
    model = ready.checkpoint.model
    fit(WrittenTask(ready.checkpoint, ready.prepared.examples), OPTIONS, tmp_path / "run")
    save_checkpoint(tmp_path / "model", ready.checkpoint)
    official = hf.WhisperForConditionalGeneration.from_pretrained(tmp_path / "model").eval()
    processor = hf.WhisperProcessor.from_pretrained(tmp_path / "model")
    samples = tone_speech("abc de")
    features = processor(samples, sampling_rate=16000, return_tensors="pt").input_features
    with torch.inference_mode():
        expected = official.generate(features, language=language, max_new_tokens=12)[0]
    rows = write(model, features.transpose(1, 2), prompt_of(model), [12])[0].rows
    prompt = len(prompt_of(model))
    end = int(model.config.eos_token_id)
    after_prompt = [int(row) for row in expected if int(row) not in prompt_of(model)]
    assert list(rows) == [row for row in after_prompt if row != end]
    assert prompt == 4
    again = load_checkpoint(tmp_path / "model")
    assert all(torch.equal(tensor, weights(model)[name]) for name, tensor in weights(again.model).items())
    assert Recognizer.of(again).transcribe(samples) == Recognizer.of(ready.checkpoint).transcribe(samples)


def encodings(donor, waveform, seconds):
    """What the network makes of audio in a window of so many seconds, and what the official encoder makes of 30 s."""
    checkpoint = load_donor(donor).recogniser
    window = np.pad(waveform, (0, round(seconds * 16000) - waveform.size))
    whole = np.pad(waveform, (0, 30 * 16000 - waveform.size))
    official = hf.WhisperForConditionalGeneration.from_pretrained(donor).eval()
    positions = checkpoint.model.model.encoder.embed_positions.weight
    with torch.inference_mode():
        # Where all silence has one position, one place of it is truly what the others are.
        for table in (positions, official.model.encoder.embed_positions.weight):
            table[round(seconds * 50) :] = table[-1].clone()
        mine = checkpoint.model.model.encoder(_features(checkpoint, window)).last_hidden_state
        expected = official.model.encoder(_features(checkpoint, whole)).last_hidden_state
        tokens = torch.tensor([prompt_of(checkpoint.model, "pt")])
        logits = [
            network(encoder_outputs=(states,), decoder_input_ids=tokens, use_cache=False).logits
            for network, states in ((checkpoint.model, mine), (official, expected))
        ]
    return mine, expected, logits


def _features(checkpoint, samples):
    made = checkpoint.extractor(samples, sampling_rate=16000, padding="longest", return_tensors="pt")
    return made["input_features"]


def test_a_place_of_silence_stands_for_those_around_it(donor):
    speech = tone_speech("abc de fgh")
    mine, expected, logits = encodings(donor, speech, 2.0)
    assert mine.shape[1] < expected.shape[1] / 7
    # Not to the last digit: the last of the 1,500 positions sees the zeros after the window, not silence.
    assert torch.allclose(mine[:, :100], expected[:, :100], atol=5e-3)
    assert torch.allclose(*logits, atol=5e-2)


def test_a_whole_window_is_the_official_one(donor):
    mine, expected, logits = encodings(donor, tone_speech("abc de fgh"), 30.0)
    assert torch.allclose(mine, expected, atol=1e-5)
    assert torch.allclose(*logits, atol=1e-4)


def test_without_its_weight_the_silence_would_count_too_little(donor, monkeypatch):
    monkeypatch.setattr(whisper_silence.math, "log", lambda _number: 0.0)
    mine, expected, _ = encodings(donor, tone_speech("abc de fgh"), 2.0)
    assert not torch.allclose(mine[:, :100], expected[:, :100], atol=1e-2)


def test_neighbours_in_a_batch_and_their_windows_change_nothing(donor, corpora):
    ready = ready_of(donor, corpora)
    recognizer = Recognizer.of(ready.checkpoint)
    waveforms = [tone_speech("abc de"), tone_speech("fgh" * 7, seed=1), np.zeros(1000, np.float32)]
    together = recognizer.transcribe_many(waveforms)
    alone = [recognizer.transcribe(samples) for samples in waveforms]
    assert [t.text for t in together] == [t.text for t in alone]
    for transcript, samples in zip(together, waveforms, strict=True):
        ends = [w.end_seconds for w in transcript.words]
        assert ends == sorted(ends)
        assert all(0 < w.confidence <= 1 for w in transcript.words)
        assert not ends or ends[-1] <= max(samples.size, 640) / 16000 + 1e-6


def test_an_interrupted_run_goes_on_to_the_same_weights(donor, corpora, tmp_path):
    whole, resumed = whole_and_resumed(lambda: ready_of(donor, corpora), WrittenTask, OPTIONS, tmp_path)
    after = weights(resumed.checkpoint.model)
    assert all(torch.equal(after[name], tensor) for name, tensor in weights(whole.checkpoint.model).items())
    assert any(not torch.equal(after[name], tensor) for name, tensor in whole.start.items())


def test_what_is_kept_is_never_worse_on_dev_than_the_donor(donor, corpora, tmp_path):
    options = replace(OPTIONS, learning_rate=10.0, start_shares=(0.5,))
    ready = ready_of(donor, corpora, options=options)
    finished = fit_job(ready, tmp_path / "run")
    assert finished.result.dev_score <= finished.untrained
    untouched = load_donor(donor).recogniser
    untouched.model.generation_config.language = "<|pt|>"
    assert finished.untrained == dev_rates(untouched, _dev_set(ready, lambda _line: None), pooled=False)[0]
    if finished.result.chosen == "the donor untrained":
        assert all(torch.equal(ready.start[n], t) for n, t in weights(ready.checkpoint.model).items())


def test_only_the_adapter_of_a_lora_run_moves(donor, corpora, tmp_path):
    options = replace(OPTIONS, adapter=AdapterOptions(rank=2), learning_rate=1e-2)
    ready = ready_of(donor, corpora, "ast", options=options)
    finished = fit_job(ready, tmp_path / "run")
    after = weights(ready.checkpoint.model)
    moved = {name for name, tensor in ready.start.items() if not torch.equal(after[name], tensor)}
    if finished.result.chosen != "the donor untrained":
        assert moved
        assert all("attn" in name for name in moved)
        assert any("decoder" in name for name in moved)
        assert any("encoder.layers" in name for name in moved)


def test_what_the_language_spells_with_is_no_longer_suppressed(donor, corpora, tmp_path):
    folder = tmp_path / "whisper"
    shutil.copytree(donor, folder)
    settings = json.loads((folder / "generation_config.json").read_text())
    row = load_donor(donor).tokenizer.convert_tokens_to_ids("d")
    settings["suppress_tokens"].append(row)
    (folder / "generation_config.json").write_text(json.dumps(settings))
    assert row in load_donor(folder).model.generation_config.suppress_tokens
    kept = ready_of(folder, corpora).checkpoint.model.generation_config.suppress_tokens
    assert row not in kept
    assert len(kept) >= len(settings["suppress_tokens"]) - 1


def test_texts_that_are_too_long_are_skipped_and_named(donor, corpora, tmp_path):
    lines = [json.loads(line) for line in corpora["pt"].read_text().splitlines()]
    lines[0]["text"] = "ab " * 300
    manifest = corpora["pt"].with_name("long.jsonl")
    manifest.write_text("\n".join(map(json.dumps, lines)))
    ready = make_ready(Job("pt", (manifest,), donor, options=OPTIONS))
    ((name, reason),) = ready.prepared.skipped
    assert name == lines[0]["id"]
    assert f"at most {most_tokens(ready.checkpoint.model, 1e9)}" in reason


def test_folders_that_cannot_write_are_refused(donor, tmp_path):
    def broken(name, change):
        folder = tmp_path / name
        shutil.copytree(donor, folder)
        change(folder)
        with pytest.raises(ModelError) as error:
            load_donor(folder)
        assert error.value.fix
        return str(error.value)

    def without_tokenizer(folder):
        (folder / "tokenizer.json").unlink()

    def other_size(folder):
        config = json.loads((folder / "config.json").read_text())
        (folder / "config.json").write_text(json.dumps(config | {"d_model": 64}))

    def half(folder):
        weights_file = folder / "model.safetensors"
        weights_file.write_bytes(weights_file.read_bytes()[:5000])

    def pointer(folder):
        (folder / "model.safetensors").write_text("version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 9\n")

    def adapter(folder):
        (folder / "config.json").rename(folder / "adapter_config.json")

    assert "--head ctc" in broken("tokenizer", without_tokenizer)
    assert "another shape" in broken("size", other_size)
    assert "cannot be loaded" in broken("half", half)
    assert "git lfs pull" in broken("pointer", pointer)
    assert "models merge" in broken("adapter", adapter)


def test_whisper_keeps_its_own_tokens(donor, corpora, tmp_path):
    with pytest.raises(SpecError, match=r"in its own tokens.*--head ctc"):
        transfer(donor, to="pt", corpus=corpora["pt"], tokens="characters", store=Store(tmp_path))
    assert ready_of(donor, corpora, tokens="auto").job.tokens == "donor"


def test_a_decoder_cannot_do_what_ctc_does(donor, corpora):
    with pytest.raises(SpecError, match="language"):
        prompt_of(load_donor(donor).model, "xh")
    recognizer = Recognizer.of(ready_of(donor, corpora).checkpoint)
    with pytest.raises(SpecError, match="--head ctc"):
        _ = recognizer.ctc
