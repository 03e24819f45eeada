"""Whose tokens a transfer writes: pieces that know the language stay, others give way to letters, with the reason."""

import json
from dataclasses import replace

import pytest
import torch
from donor_zoo import parakeet
from hypothesis import given, settings
from hypothesis import strategies as st
from tiny_transducer import KINDS, save, tiny_model, tiny_tokenizer, tiny_transducer
from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from tones import tone_corpus, tone_speech
from transformers import ParakeetTokenizer

from vizinho.errors import SpecError
from vizinho.job.fit import fit_job
from vizinho.job.job import Job, MixedDonor
from vizinho.job.start import make_ready
from vizinho.model.checkpoint import load_checkpoint, load_donor, save_checkpoint
from vizinho.model.networks import weights
from vizinho.plan.summary import summarise
from vizinho.plan.tokens import RowOptions
from vizinho.recognition.recognizer import Recognizer
from vizinho.text.tokens import bpe_tokenizer, encode, inventory_of, spelt
from vizinho.training.options import AdapterOptions, TrainingOptions

OPTIONS = TrainingOptions(steps=2, batch_seconds=5, workers=0, evaluate_every=2, checkpoint_every=2, average_share=0.0)
WAVEFORMS = [tone_speech("abc de"), tone_speech("fgh fed cab a", seed=1)]


@pytest.fixture(scope="module", params=["ctc", *KINDS])
def donor(request, tmp_path_factory):
    folder = tmp_path_factory.mktemp("donor") / request.param
    return parakeet(folder) if request.param == "ctc" else tiny_transducer(folder, request.param)


@pytest.fixture(scope="module")
def corpora(tmp_path_factory):
    """Of Swahili, whose alphabet vizinho does not list, and Portuguese, whose alphabet the donors' pieces lack."""
    place = tmp_path_factory.mktemp("corpora")
    return {lang: tone_corpus(place / lang, count=6, lang=lang, splits=("train", "dev")) for lang in ("sw", "pt")}


def ready_of(donor, corpora, lang="sw", tokens="auto", **how):
    return make_ready(Job(lang, (corpora[lang],), donor, "en", tokens=tokens, **{"options": OPTIONS} | how))


def test_pieces_that_write_the_language_stay_and_the_start_is_the_donor(donor, corpora):
    ready, original = ready_of(donor, corpora), load_donor(donor)
    assert ready.job.tokens == "donor"
    assert ready.checkpoint.inventory == original.inventory
    assert ready.checkpoint.blank == original.recogniser.blank
    assert ready.start.keys() == weights(original.model).keys()
    assert all(torch.equal(ready.start[name], tensor) for name, tensor in weights(original.model).items())
    untrained, start = Recognizer.of(original.recogniser), Recognizer.of(ready.checkpoint)
    assert start.transcribe_many(WAVEFORMS) == untrained.transcribe_many(WAVEFORMS)
    assert any(t.text for t in start.transcribe_many(WAVEFORMS))
    first, *_ = summarise(ready.plan)
    count = len(original.inventory.tokens)
    assert first == f"tokens: the donor's {count} stay, because they write the training texts (--tokens)"
    assert f"copied by name: the donor's vocabulary, {count} tokens" in summarise(ready.plan)
    assert {row.action for row in ready.plan.rows} <= {"copy", "row copy"}


@pytest.mark.parametrize("kind", KINDS)
def test_pieces_that_lack_a_letter_of_the_alphabet_give_way(kind, corpora, tmp_path):
    ready = ready_of(tiny_transducer(tmp_path / kind, kind), corpora, "pt")
    assert ready.job.tokens == "characters"
    assert set("abcãõç") < set(ready.checkpoint.inventory.letters)
    first, *_ = summarise(ready.plan)
    assert first.startswith("tokens: 39 letters of pt and its training texts, because the donor's pieces cannot write")
    assert first.endswith("and 21 more (--tokens)")


@pytest.fixture
def frames_of_80_ms(tmp_path):
    """A CTC network with pieces of two words each, so that texts of tones take few of them."""
    texts = [f"{a}{b} {b}{a}" for a in "abcdefgh" for b in "abcdefgh"]
    return parakeet(tmp_path / "long", bpe_tokenizer(texts, 80))


def test_where_frames_are_long_the_letters_that_pieces_lack_are_added(frames_of_80_ms, corpora):
    ready, original = ready_of(frames_of_80_ms, corpora, "pt"), load_donor(frames_of_80_ms)
    assert ready.job.tokens == "extended"
    inventory = ready.checkpoint.inventory
    assert set(inventory.tokens) > set(original.inventory.tokens) and {"ã", "ç", "z"} < set(inventory.letters)
    first, *_ = summarise(ready.plan)
    assert first.startswith(f"tokens: the donor's {len(original.inventory.tokens)} and i j k l")
    assert first.endswith("since frames of 80 ms are too long for letters alone (--tokens)")
    before, after = weights(original.model)["ctc_head.weight"], ready.start["ctc_head.weight"]
    for token in original.inventory.tokens:
        assert torch.equal(after[inventory.index(token)], before[original.inventory.index(token)])
    made_again = ready_of(frames_of_80_ms, corpora, "pt", ready.job.tokens)
    assert [k for k in ready.start if not torch.equal(made_again.start[k], ready.start[k])] == []
    assert made_again.identity == ready.identity
    by_letters = ready_of(frames_of_80_ms, corpora, "pt", "characters")
    assert all(len(letter) == 1 for letter in by_letters.checkpoint.inventory.letters)


def test_donors_with_other_pieces_are_not_mixed_by_row(corpora, tmp_path):
    """Equal sizes say nothing: the pieces of one stand in other rows than those of the other."""
    texts = ["abc de", "fgh abc"] * 4
    mirrored = [text.translate(str.maketrans("abcdefgh", "hgfedcba")) for text in texts]
    one, other = (parakeet(tmp_path / name, bpe_tokenizer(t, 16)) for name, t in (("one", texts), ("other", mirrored)))
    assert load_donor(one).model.config.vocab_size == load_donor(other).model.config.vocab_size
    with pytest.raises(SpecError, match="gb: its tokens are not those of one -> use --tokens characters"):
        ready_of(one, corpora, "pt", "extended", others=(MixedDonor("gb", other, "en"),))
    mixed = ready_of(one, corpora, "pt", "characters", others=(MixedDonor("gb", other, "en"),))
    assert mixed.job.others[0].share is not None


def test_where_pieces_of_another_script_leave_single_letters_pieces_are_learnt(frames_of_80_ms, corpora):
    manifest = corpora["pt"].with_name("greek.jsonl")
    greek = str.maketrans("abcdefgh", "αβγδεζηθ")
    rows = [json.loads(line) for line in corpora["pt"].read_text().splitlines()]
    written = [row | {"text": row["text"].translate(greek), "lang": "el"} for row in rows]
    manifest.write_text("\n".join(json.dumps(row, ensure_ascii=False) for row in written) + "\n")
    ready = ready_of(frames_of_80_ms, {"el": manifest}, "el", pieces=40)
    assert ready.job.tokens == "bpe"
    assert summarise(ready.plan)[0].startswith("tokens: 40 pieces of the training texts, because the donor's pieces")
    extended = ready_of(frames_of_80_ms, {"el": manifest}, "el", "extended")
    assert {"α", "en"} & set(extended.checkpoint.inventory.letters) == {"α"}


def test_pieces_stay_where_they_are_asked_for(donor, corpora):
    ready = ready_of(donor, corpora, "pt", "donor")
    assert ready.checkpoint.inventory == load_donor(donor).inventory
    assert "; of pt they lack i j k" in summarise(ready.plan)[0]


def test_what_the_texts_need_cannot_be_left_out(donor, corpora, tmp_path):
    manifest = corpora["sw"].with_name("more.jsonl")
    manifest.write_text(corpora["sw"].read_text().replace('"text": "', '"text": "zã '))
    with pytest.raises(SpecError, match=r"cannot be kept: the donor's pieces cannot write z ã.*use auto or characters"):
        ready_of(donor, {"sw": manifest}, tokens="donor")
    # Frames of 80 ms are too long for letters.
    assert ready_of(donor, {"sw": manifest}).job.tokens == ("bpe" if donor.name == "ctc" else "characters")


def test_letters_of_ones_own_choice(donor, corpora):
    ready = ready_of(donor, corpora, tokens="characters")
    assert ready.job.tokens == "characters"
    assert all(len(letter) == 1 for letter in ready.checkpoint.inventory.letters)
    assert not ready.plan.notes
    with pytest.raises(SpecError, match="unknown kind of tokens 'words'"):
        ready_of(donor, corpora, tokens="words")


def test_a_random_output_layer_stays_random(donor, corpora):
    """The control of an experiment that asks what the rows are worth."""
    ready = ready_of(donor, corpora, rows=RowOptions(known_rows="fresh"))
    original = weights(load_donor(donor).model)
    rows = [name for name in original if name in ("ctc_head.weight", "joint.head.weight", "decoder.embedding.weight")]
    assert rows
    assert not any(torch.equal(ready.start[name], original[name]) for name in rows)


def test_a_donor_without_tokens_or_with_letters_gets_letters(donor, corpora, tmp_path):
    ready = ready_of(donor, corpora)
    letters = ready_of(donor, corpora, tokens="characters")
    fit_job(letters, tmp_path / "run")
    save_checkpoint(tmp_path / "letters", letters.checkpoint)
    again = ready_of(tmp_path / "letters", corpora)
    assert again.plan.notes == ("tokens: 8 letters of sw and its training texts, because the donor's tokens are letters too (--tokens)",)  # fmt: skip  # noqa: E501
    assert ready_of(tmp_path / "letters", corpora, tokens="donor").job.tokens == "donor"
    if not hasattr(ready.checkpoint.model, "ctc_head"):
        with pytest.raises(SpecError, match="cannot be kept: the donor has no tokens"):
            ready_of(donor, corpora, tokens="donor", head="ctc")


def test_what_is_trained_is_saved_with_the_donors_tokens(donor, corpora, tmp_path):
    ready = ready_of(donor, corpora, options=replace(OPTIONS, adapter=AdapterOptions(rank=2), learning_rate=1e-2))
    fit_job(ready, tmp_path / "run")
    save_checkpoint(tmp_path / "model", ready.checkpoint)
    again = load_checkpoint(tmp_path / "model")
    assert again.inventory == load_donor(donor).inventory
    assert again.blank == ready.checkpoint.blank
    by_memory, by_folder = Recognizer.of(ready.checkpoint), Recognizer.load(tmp_path / "model", "torch")
    assert [t.text for t in by_folder.transcribe_many(WAVEFORMS)] == [
        t.text for t in by_memory.transcribe_many(WAVEFORMS)
    ]


def test_a_blank_without_a_token_keeps_its_row(corpora, tmp_path):
    """As in checkpoints whose tokeniser has the pieces alone."""
    original, (config, network) = load_donor(tiny_transducer(tmp_path / "tdt", "tdt")).recogniser, KINDS["tdt"]
    settings = original.model.config.to_dict()
    rows = settings["vocab_size"]
    model = network(config.from_dict(settings | {"vocab_size": rows + 1, "blank_token_id": rows}))
    model.generation_config.decoder_start_token_id = rows
    save(tmp_path / "other", model, original.tokenizer)
    ready = ready_of(tmp_path / "other", corpora)
    assert (ready.job.tokens, ready.checkpoint.blank) == ("donor", rows)
    assert ready.checkpoint.inventory.roles[-1] == "blank"
    assert ready.checkpoint.inventory.tokens[-1] == f"<row {rows}>"
    given_rows = weights(load_donor(tmp_path / "other").model)
    assert all(torch.equal(ready.start[name], tensor) for name, tensor in given_rows.items())


def cased(manifest, ending="."):
    """The corpus with capitals and full stops."""
    rows = [json.loads(line) for line in manifest.read_text().splitlines()]
    rows = [row | {"text": row["text"].capitalize() + ending} for row in rows]
    copy = manifest.with_name("cased.jsonl")
    copy.write_text("\n".join(json.dumps(row, ensure_ascii=False) for row in rows))
    return copy


CASED = ["Abc de.", "Fgh abc.", "De fgh.", "Bad cab.", "Cab.", "Each.", "Gab.", "Had."]


def test_a_transducer_that_writes_capitals_learns_texts_as_they_are_written(corpora, tmp_path):
    folder = tiny_transducer(tmp_path / "tdt", "tdt", tiny_tokenizer(40, CASED))
    ready = ready_of(folder, {"sw": cased(corpora["sw"])})
    written = {e.utterance.text: spelt(ready.checkpoint.inventory, e.labels) for e in ready.prepared.examples}
    assert all(text == labels and text.endswith(".") for text, labels in written.items())
    assert summarise(ready.plan)[0].endswith("(--tokens); texts are learnt as they are written")
    assert "." not in ready.prepared.letters


@pytest.mark.parametrize("case", ["a mark that it does not write", "without capitals", "CTC"])
def test_other_networks_learn_normalised_texts(case, corpora, tmp_path):
    manifest = cased(corpora["sw"], "!" if case.startswith("a mark") else ".")
    if case == "CTC":
        folder = parakeet(tmp_path / "ctc", tiny_tokenizer(40, CASED))
    else:
        texts = CASED if case.startswith("a mark") else [text.lower() for text in CASED]
        folder = tiny_transducer(tmp_path / "tdt", "tdt", tiny_tokenizer(40, texts))
    ready = ready_of(folder, {"sw": manifest})
    assert ready.job.tokens == "donor"
    labels = [spelt(ready.checkpoint.inventory, e.labels) for e in ready.prepared.examples]
    assert labels == [e.utterance.text.lower().rstrip("!.") for e in ready.prepared.examples]
    assert not summarise(ready.plan)[0].endswith("written")


def test_pieces_that_only_begin_words_are_not_enough(corpora, tmp_path):
    pieces = [("<unk>", 0.0), ("<pad>", 0.0), *((piece, -1.0) for piece in ("▁", "▁h", "abc", *"abcdefg"))]
    unigram = Tokenizer(models.Unigram(pieces, unk_id=0))
    unigram.pre_tokenizer, unigram.decoder = pre_tokenizers.Metaspace(), decoders.Metaspace()
    tokenizer = ParakeetTokenizer(tokenizer_object=unigram, pad_token="<pad>", unk_token="<unk>")
    tokenizer.add_special_tokens({"additional_special_tokens": ["<blank>"]})
    ready = ready_of(save(tmp_path / "tdt", tiny_model("tdt", tokenizer), tokenizer), corpora)
    assert ready.job.tokens == "characters"
    assert "cannot write hh (--tokens)" in summarise(ready.plan)[0]


@settings(deadline=None)
@given(st.lists(st.text("abcdefgh", min_size=1), max_size=4).map(" ".join))
def test_rows_spell_the_text_that_they_came_from(text):
    tokenizer = tiny_tokenizer()
    assert spelt(inventory_of(tokenizer), encode(tokenizer, text)) == text


def letters_of(text):
    """Of rows that start equal any may win."""
    return [c for c in text.lower() if c.isalpha()]


def test_written_tokens_have_capitals_from_small_letters_and_marks_from_the_space(tone_model, corpora):
    manifest = corpora["pt"].with_name("written.jsonl")
    rows = [json.loads(line) for line in corpora["pt"].read_text().splitlines()]
    texts = [row["text"].capitalize() + ". Não!" for row in rows]
    lines = (json.dumps(row | {"text": text}) for row, text in zip(rows, texts, strict=True))
    manifest.write_text("\n".join(lines) + "\n")
    ready = ready_of(tone_model, {"pt": manifest}, "pt", "written")
    inventory = ready.checkpoint.inventory
    assert ready.job.tokens == "written" and {"A", "N", "Ã", ".", "!", "?", ","} < set(inventory.letters)
    assert summarise(ready.plan)[0] == "tokens: 39 letters, 39 capitals and 4 marks (--tokens)"
    weight = ready.start["ctc_head.weight"]
    for token, source in (("A", "a"), ("B", "b"), (".", "|"), ("?", "|")):
        assert torch.equal(weight[inventory.index(token)], weight[inventory.index(source)])
    labels = {spelt(inventory, example.labels) for example in ready.prepared.examples}
    assert labels == {text for text, row in zip(texts, rows, strict=True) if row["split"] == "train"}
    ways = Recognizer.of(ready.checkpoint), Recognizer.load(tone_model, "torch")
    started, donated = ([letters_of(t.text) for t in way.transcribe_many(WAVEFORMS)] for way in ways)
    assert started == donated and any(started)
    assert ready_of(tone_model, {"pt": manifest}, "pt", ready.job.tokens).identity == ready.identity
