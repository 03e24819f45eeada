"""Transducers (RNN-T, TDT) go the whole way: read, planned, trained, at work; the official classes are the measure."""

from dataclasses import replace

import numpy as np
import pytest
import torch
import transformers as hf
from interrupted import whole_and_resumed
from tiny_transducer import KINDS, tiny_transducer
from tones import tone_corpus, tone_speech

from vizinho.audio.augment import NO_AUGMENT, AugmentOptions
from vizinho.errors import ModelError, SpecError
from vizinho.evaluation.score import error_rates
from vizinho.job.fit import fit_job
from vizinho.job.job import Job
from vizinho.job.start import make_ready
from vizinho.model.checkpoint import load_checkpoint, load_donor, save_checkpoint
from vizinho.model.layers import layer_of
from vizinho.model.networks import EMBEDDING, OUTPUTS, durations_of, weights
from vizinho.recognition.export import export
from vizinho.recognition.recognizer import Recognizer
from vizinho.training.options import PhonemeOptions, StreamingOptions, TrainingOptions
from vizinho.training.transducer_task import TransducerTask

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
    assert words[-1].end_seconds >= min(tokens[-1]["end"], samples.size / 16000) - 1e-6


@pytest.mark.parametrize("engine", ["torch", "onnx"])
def test_words_follow_each_other_inside_the_audio(folder, engine):
    recognizer = Recognizer.load(folder, engine)
    cut = [samples[: samples.size - 160 * n] for n, samples in enumerate([WAVEFORMS[1]] * 8)]
    for samples, transcript in zip(cut, recognizer.transcribe_many(cut), strict=True):
        starts, ends = ([getattr(w, f"{side}_seconds") for w in transcript.words] for side in ("start", "end"))
        assert starts == sorted(starts)
        assert ends == sorted(ends)
        assert ends[-1] <= samples.size / 16000
        assert all(w.end_seconds > w.start_seconds >= 0 and 0 < w.confidence <= 1 for w in transcript.words)


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
    assert recognizer.writable("words of a prompt") == []
    donor = load_donor(folder, ctc=True)
    assert donor.tokenizer is None
    copy = tmp_path / folder.name
    save_checkpoint(copy, load_checkpoint(folder))
    (copy / "tokenizer.json").unlink()
    with pytest.raises(ModelError, match="--head ctc"):
        load_donor(copy)


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


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    return tone_corpus(tmp_path_factory.mktemp("corpus"), count=9, splits=("train", "train", "dev"))


def ready_of(folder, corpus, options=OPTIONS, **how):
    return make_ready(Job("pt", (corpus,), folder, "en", options=options, **how))


def test_rows_of_both_networks_come_by_name_and_role(folder, corpus):
    donor, ready = load_donor(folder), ready_of(folder, corpus)
    rows = {token: row for row, token in enumerate(ready.checkpoint.inventory.tokens)}
    donor_rows = {token: row for row, token in enumerate(donor.inventory.tokens)}
    given = weights(donor.model)
    for name in (EMBEDDING, *OUTPUTS):
        for token, source in (("<pad>", "<blank>"), ("|", "▁"), ("a", "a"), ("<unk>", "<unk>"), ("ã", "a")):
            assert torch.equal(ready.start[name][rows[token]], given[name][donor_rows[source]])
    durations = len(durations_of(donor.model))
    assert durations == (5 if "tdt" in folder.name else 0)
    for name in OUTPUTS if durations else ():
        assert torch.equal(ready.start[name][-durations:], given[name][-durations:])
    whole = {row.target for row in ready.plan.rows if row.token is None and row.target}
    assert {*whole, EMBEDDING, *OUTPUTS} == set(ready.start) == set(given)
    assert all(torch.equal(ready.start[name], given[name]) for name in whole)
    assert {layer_of(name) for name in given} == {
        "front", "block0", "block1", "decoder0", "decoder1", "top", "head",
    }  # fmt: skip


def test_the_loss_is_the_official_one(folder, corpus, tmp_path):
    ready = ready_of(folder, corpus)
    task = TransducerTask(ready.checkpoint, ready.prepared.examples)
    batch = next(task.batches(range(1), OPTIONS, tmp_path, lambda _line: None))
    model = ready.checkpoint.model.eval()
    found = task.loss(model, batch, OPTIONS, task.begin(OPTIONS))
    if "tdt" not in folder.name:  # the official one of RNN-T needs torchaudio; see tests/unit/model
        assert torch.isfinite(found)
        return
    texts = torch.split(batch.labels, batch.label_lengths.tolist())
    labels = torch.nn.utils.rnn.pad_sequence(list(texts), batch_first=True, padding_value=0)
    encoded = model.get_audio_features(batch.features, batch.mask, output_attention_mask=True)
    output = model(encoder_outputs=encoded, decoder_input_ids=torch.nn.functional.pad(labels, (1, 0)), labels=labels)
    assert found.item() == pytest.approx(output.loss.item(), rel=1e-5)


def test_it_trains_and_the_official_classes_read_it(folder, corpus, tmp_path):
    ready = ready_of(folder, corpus)
    finished = fit_job(ready, tmp_path / "run")
    assert finished.result.steps == 4
    assert finished.result.skipped_batches == 0
    moved = {layer.layer: layer.relative_distance for layer in finished.movement.layers}
    assert all(moved.values()), moved
    save_checkpoint(tmp_path / folder.name, ready.checkpoint)
    model, processor = official(tmp_path / folder.name)
    trained = weights(ready.checkpoint.model)
    assert all(torch.equal(trained[name], tensor) for name, tensor in weights(model).items())
    recognizer = Recognizer.load(tmp_path / folder.name)
    for samples in WAVEFORMS:
        assert recognizer.transcribe(samples).text == " ".join(officially_written(model, processor, samples)[0].split())


def test_a_stopped_run_ends_as_an_uninterrupted_one(folder, corpus, tmp_path):
    whole, resumed = whole_and_resumed(lambda: ready_of(folder, corpus), TransducerTask, OPTIONS, tmp_path)
    trained = weights(whole.checkpoint.model)
    assert all(torch.equal(trained[name], tensor) for name, tensor in weights(resumed.checkpoint.model).items())
    assert any(not torch.equal(trained[name], tensor) for name, tensor in whole.start.items())


def test_the_encoder_alone_becomes_a_ctc_network(folder, corpus):
    ready = ready_of(folder, corpus, head="ctc")
    assert isinstance(ready.checkpoint.model, hf.ParakeetForCTC)
    dropped = {row.source for row in ready.plan.rows if row.action == "drop"}
    assert {EMBEDDING, *OUTPUTS} <= dropped


@pytest.mark.parametrize("table", ["streaming", "phonemes"])
def test_a_transducer_cannot_do_what_ctc_does(folder, corpus, table):
    options = {
        "streaming": replace(OPTIONS, streaming=StreamingOptions(share=0.5)),
        "phonemes": replace(OPTIONS, phonemes=PhonemeOptions(weight=0.3)),
    }[table]
    ready = ready_of(folder, corpus)
    with pytest.raises(SpecError, match=table):
        TransducerTask(ready.checkpoint, ready.prepared.examples).begin(options)


def test_durations_without_zero_are_refused(corpus, tmp_path):
    folder = tiny_transducer(tmp_path / "tdt", "tdt", durations=[1, 2])
    with pytest.raises(ModelError, match="durations are 1, 2"):
        fit_job(ready_of(folder, corpus), tmp_path / "run")


@pytest.fixture(scope="module", params=KINDS)
def learnt(request, tone_model, tmp_path_factory):
    """The folder of a network that has learnt the tone language, with the encoder of a CTC network."""
    place, encoder = tmp_path_factory.mktemp("tones"), load_checkpoint(tone_model).model.encoder
    corpus = tone_corpus(place, count=24, letters="abcdef")
    options = replace(OPTIONS, steps=200, learning_rate=1e-2, batch_seconds=8, evaluate_every=200, augment=NO_AUGMENT)
    ready = ready_of(tiny_transducer(place / "donor", request.param, encoder=encoder), corpus, options)
    fit_job(ready, place / "run")
    save_checkpoint(place / request.param, ready.checkpoint)
    return place / request.param


NEW = {text: tone_speech(text, seed=9) for text in ("abc def", "fade bed", "bed cab", "deaf face")}


def test_it_learns_the_language_of_tones(learnt):
    transcripts = Recognizer.load(learnt, "torch").transcribe_many(list(NEW.values()))
    cer, _ = error_rates(dict(enumerate(NEW)), dict(enumerate(t.text for t in transcripts)))
    assert cer < 0.5, [t.text for t in transcripts]


@pytest.fixture(scope="module")
def exported(folder, tmp_path_factory):
    out = tmp_path_factory.mktemp("export") / folder.name
    assert export(folder, out).largest_difference < 1e-4
    return out


def test_an_export_writes_what_the_network_writes(folder, exported):
    with_torch = Recognizer.load(folder, "torch").transcribe_many(WAVEFORMS)
    for recognizer in (Recognizer.load(exported), Recognizer.load(folder)):
        assert type(recognizer.engine).__name__ == "OnnxTransducer"
        found = recognizer.transcribe_many(WAVEFORMS)
        assert [t.text for t in found] == [t.text for t in with_torch]
        for ours, original in zip(found, with_torch, strict=True):
            for a, b in zip(ours.words, original.words, strict=True):
                assert (a.start_seconds, a.end_seconds) == pytest.approx((b.start_seconds, b.end_seconds))
                assert a.confidence == pytest.approx(b.confidence, abs=1e-3)


def test_sherpa_onnx_reads_the_export(learnt, tmp_path):
    """It computes features of its own, which differ a little, so a letter may; a wrong order would change them all."""
    sherpa_onnx = pytest.importorskip("sherpa_onnx")
    export(learnt, tmp_path / "export")
    parts = {part: str(tmp_path / "export" / f"{part}.onnx") for part in ("encoder", "decoder", "joiner")}
    recognizer = sherpa_onnx.OfflineRecognizer.from_transducer(
        **parts, tokens=str(tmp_path / "export" / "tokens.txt"), model_type="nemo_transducer"
    )
    by_vizinho, found, expected = Recognizer.load(tmp_path / "export"), {}, {}
    for text, samples in NEW.items():
        stream = recognizer.create_stream()
        stream.accept_waveform(16000, samples)
        recognizer.decode_stream(stream)
        found[text], expected[text] = " ".join(stream.result.text.split()), by_vizinho.transcribe(samples).text
    assert error_rates(expected, found)[0] < 0.3, (found, expected)


def test_eight_bits_are_near(exported, folder, tmp_path):
    written = export(folder, tmp_path / "int8", "int8")
    assert not (tmp_path / "int8" / "encoder.onnx").exists()
    assert written.largest_difference > 0
    assert Recognizer.load(tmp_path / "int8").transcribe(WAVEFORMS[0]).words is not None


def test_other_durations_are_not_exported(tmp_path):
    folder = tiny_transducer(tmp_path / "tdt", "tdt", durations=[0, 2, 4])
    with pytest.raises(ModelError, match="durations of 0, 2, 4"):
        export(folder, tmp_path / "export")
    assert Recognizer.load(folder).transcribe(WAVEFORMS[0]).duration_seconds > 0
