from dataclasses import asdict

import pytest
import torch
import torch.nn.functional as F

from vizinho.corpora.batches import Batch
from vizinho.errors import SpecError, TextError
from vizinho.g2p import letters as phonetics
from vizinho.g2p.espeak import is_available
from vizinho.g2p.letters import feature_names, phone_features, spoken_phones
from vizinho.model.phonemes import PhonemeHead, save_head
from vizinho.model.presets import build_model
from vizinho.text.tokens import bpe_tokenizer, character_tokenizer, encode
from vizinho.training.options import PhonemeOptions, TrainingOptions, differing
from vizinho.training.phonemes import Pronunciations, phoneme_task

needs_espeak = pytest.mark.skipif(not is_available(), reason="the extra 'speak' (eSpeak NG) is not installed")
LETTERS = character_tokenizer("abcdefghijklmnopqrstuvwxyzãáéíóúñç'")
TEXTS = ("la perra no para", "el año", "que coman")


def batch(*texts, frames=40):
    rows = [encode(LETTERS, text) for text in texts]
    return Batch(
        ids=tuple(f"u{n}" for n in range(len(texts))),
        features=torch.zeros(0),
        mask=torch.zeros(0),
        frames=torch.full((len(texts),), frames),
        labels=torch.tensor([row for text in rows for row in text]),
        label_lengths=torch.tensor([len(text) for text in rows]),
        audio_seconds=1.0,
    )


def task(language="es", texts=TEXTS, donor=None, weight=0.3, layer="top", seed=1):
    options, model = PhonemeOptions(weight, layer), build_model("micro", len(LETTERS), 0)
    return phoneme_task(options, language, texts, LETTERS, model, donor, seed)


@needs_espeak
def test_phones_are_what_is_said():
    assert spoken_phones("que", "es") == ("k", "e")
    assert "ɐ̃" in spoken_phones("mãe", "pt") or "ɐ\u0303" in spoken_phones("mãe", "pt")
    assert spoken_phones("", "es") == ()


@needs_espeak
@pytest.mark.parametrize(("word", "language"), [("michael", "pt"), ("other", "en"), ("before", "en"), ("the", "fr")])
def test_every_phone_has_features_and_marks_of_other_rules_are_no_phones(word, language):
    found = spoken_phones(word, language)
    assert len(found) >= 2
    assert all(phone_features(phone) is not None for phone in found)


def test_without_espeak_it_is_said_what_to_install(monkeypatch):
    monkeypatch.setattr(phonetics, "is_available", lambda: False)
    with pytest.raises(SpecError, match=r"eSpeak NG.*vizinho\[speak\]"):
        spoken_phones("casa", "es")


@needs_espeak
def test_a_language_without_rules_is_named():
    with pytest.raises(SpecError, match=r"no rules for the sounds of 'gl' -> set weight = 0, or choose a language"):
        spoken_phones("casa", "gl")


@needs_espeak
def test_phones_of_equal_features_share_a_row():
    found = Pronunciations("es", TEXTS, LETTERS)
    assert phone_features("r").tolist() == phone_features("ɾ").tolist()
    assert found.row("r") == found.row("ɾ")
    assert len({tuple(v) for v in found.vectors.tolist()}) == len(found.vectors)


@needs_espeak
def test_a_text_is_known_by_its_tokens_of_either_kind():
    for tokenizer in (LETTERS, bpe_tokenizer(TEXTS, 40)):
        found = Pronunciations("es", TEXTS, tokenizer)
        for text in TEXTS:
            assert found(tuple(encode(tokenizer, text))) == tuple(map(found.row, spoken_phones(text, "es")))


@needs_espeak
def test_texts_come_from_the_language_of_the_job():
    spanish, portuguese = (Pronunciations(lang, ["que coman"], LETTERS) for lang in ("es", "pt"))
    nasal = feature_names().index("nas")
    vowel = feature_names().index("syl")
    assert not any(v[nasal] == v[vowel] == 1 for v in spanish.vectors.tolist())
    assert any(v[nasal] == v[vowel] == 1 for v in Pronunciations("pt", ["mãe"], LETTERS).vectors.tolist())
    assert portuguese.vectors.tolist() != spanish.vectors.tolist()


@needs_espeak
def test_the_loss_is_torch_s_on_rows_written_out():
    made, hidden = task(), torch.randn(2, 40, 32)
    both = batch("la perra", "el año")
    head, spoken = made.head, made.spoken
    rows = [head.weight[0]] + [
        sum(value * row for value, row in zip(vector, head.weight[1:], strict=True)) for vector in spoken.vectors
    ]
    biases = torch.stack([head.bias[0]] + [(vector * head.bias[1:]).sum() for vector in spoken.vectors])
    log_probs = (hidden @ torch.stack(rows).T + biases).log_softmax(-1)
    expected = []
    for index, text in enumerate(("la perra", "el año")):
        labels = torch.tensor([[spoken.row(phone) for phone in spoken_phones(text, "es")]])
        found = F.ctc_loss(log_probs[index][:, None], labels, torch.tensor([40]), torch.tensor([labels.shape[1]]),
                           blank=0, reduction="sum")  # fmt: skip
        expected.append(found / labels.shape[1])
    loss = made.loss(head(hidden), both)
    assert loss.item() == pytest.approx(torch.stack(expected).mean().item(), rel=1e-5)
    assert made.mixed(torch.tensor(2.0), head(hidden), both).item() == pytest.approx(1.4 + 0.3 * loss.item(), rel=1e-5)
    assert not made.left_out


@needs_espeak
def test_what_has_no_phones_or_too_few_frames_is_left_out_and_named():
    made, hidden = task(texts=(*TEXTS, "'")), torch.randn(2, 40, 32)
    logits = made.head(hidden)
    alone = made.loss(logits[:1], batch("el año"))
    assert made.loss(logits, batch("el año", "'")).item() == pytest.approx(alone.item() / 2, rel=1e-5)
    assert made.left_out == {"u1": "no phones"}
    short = made.loss(logits, batch("la perra no para", "que coman", frames=3))
    assert short.item() == 0.0
    short.backward()
    assert made.head.weight.grad.abs().sum() == 0
    assert made.left_out["u0"].endswith("phones but only 3 frames")
    assert "no phoneme loss for 2 utterances: u0 (" in made.log_line(sorted(made.left_out))


@needs_espeak
def test_a_phone_that_the_first_texts_had_not_is_left_out():
    made = task(texts=("la",))
    assert made.loss(made.head(torch.randn(1, 40, 32)), batch("el año")).item() == 0.0
    assert "is in no text that the phones were collected from" in made.left_out["u0"]


@needs_espeak
def test_texts_without_any_phone_are_refused():
    with pytest.raises(TextError, match="no text has phones"):
        task(texts=("'",))


@needs_espeak
def test_the_plan_names_what_is_taken_over(tmp_path):
    donor = task("es", seed=1)
    assert {(row.target, row.action, row.reason) for row in donor.plan} == {
        ("phonemes.weight", "fresh", "no donor"),
        ("phonemes.bias", "fresh", "no donor"),
    }
    save_head(tmp_path, donor.head)
    target = task("pt", ("mãe",), donor=tmp_path, seed=2)
    assert {row.action for row in target.plan} == {"copy"}
    assert torch.equal(target.head.weight, donor.head.weight)
    assert torch.equal(target.start["phonemes.weight"], donor.head.weight)
    # Its nasal vowel has an output at once, though no Spanish text has one.
    assert torch.isfinite(target.head(torch.randn(1, 2, 32))[..., target.spoken.row("ɐ\u0303")]).all()
    assert isinstance(target.head, PhonemeHead)
    (tmp_path / "phonemes" / "head.safetensors").unlink()
    assert {row.reason for row in task("pt", ("mãe",), donor=tmp_path).plan} == {"the donor has none"}


def test_options_say_nothing_where_they_are_off():
    assert "phonemes" not in differing(asdict(TrainingOptions(steps=7)), asdict(TrainingOptions()))
    with pytest.raises(SpecError, match="weight is 1"):
        PhonemeOptions(1.0)
