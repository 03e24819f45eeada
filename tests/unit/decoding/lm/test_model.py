import json

import pytest

from vizinho.decoding.lm.model import LmCard, card_path, check_fits, load_language_model
from vizinho.decoding.lm.train import LmOptions, Source, train_language_model
from vizinho.errors import ModelError, TextError
from vizinho.text.normalize import get_normalizer

PT = get_normalizer("pt")


def source(*lines, **options):
    return Source("text", [(line, 1) for line in lines], **options)


def trained(path, *lines, letters="acosã", unit="word", order=2, **options):
    return train_language_model(path, [source(*lines)], LmOptions(unit, order), PT, letters, **options)


def test_the_card_says_what_the_model_was_made_of(tmp_path):
    card, reports = trained(tmp_path / "m.arpa", "A casa!", "São casas", "x-ray", "10 ovos", "")
    assert load_language_model(tmp_path / "m.arpa").card == card
    assert (card.unit, card.order, card.normalizer, card.language) == ("word", 2, get_normalizer("pt").name, "pt")
    assert card.alphabet == "acosã"
    assert card.sentences == 4 and card.unknown == 4  # x, ray, dez and ovos have other letters
    assert (reports[0].lines, reports[0].kept) == (5, 4)


def test_character_models_know_the_whole_alphabet(tmp_path):
    card, _ = trained(tmp_path / "m.arpa", "a casa", unit="char", letters="acosç")
    model = load_language_model(tmp_path / "m.arpa")
    assert set(model.unigrams) == {"<unk>", "<s>", "</s>", "|", *"acosç"} and card.unit == "char"


def test_lines_of_a_corpus_are_kept_out_and_counted(tmp_path):
    _, (report,) = trained(tmp_path / "m.arpa", "A casa.", "casa", exclude={"a casa"})
    assert (report.kept, report.excluded) == (1, 1)
    assert "a" not in load_language_model(tmp_path / "m.arpa").unigrams


@pytest.mark.parametrize(("asked", "excluded"), [(False, 0), (True, 1)])
def test_word_lists_keep_their_words_unless_asked(tmp_path, asked, excluded):
    words = source("casa", "saco", word_list=True)
    _, (report,) = train_language_model(
        tmp_path / "m.arpa", [words], LmOptions(), PT, "acos", exclude={"casa"}, exclude_from_lists=asked
    )
    assert report.excluded == excluded


def test_lines_that_cannot_be_normalised_are_counted_and_named(tmp_path):
    normalize = get_normalizer("qaa")  # a language without numerals
    _, (report,) = train_language_model(tmp_path / "m.arpa", [source("a", "a 7")], LmOptions(), normalize, "a")
    assert (report.kept, report.unreadable, report.first_unreadable) == (1, 1, "a 7")


def test_an_unknown_unit_is_refused(tmp_path):
    with pytest.raises(TextError, match="unknown unit 'syllable'"):
        trained(tmp_path / "m.arpa", "a", unit="syllable")


@pytest.mark.parametrize(
    ("letters", "normalizer", "message"),
    [
        ("abç", "pt-v1", "the recogniser cannot write 'é'"),
        ("abçéñ", "pt-v1", "the language model lacks 'ñ'"),
        ("abñé", "pt-v1", "cannot write 'ç'; the language model lacks 'ñ'"),
        ("abçé", "es-v1", "the normaliser pt-v1, the recogniser's through es-v1"),
    ],
)
def test_a_model_of_another_alphabet_or_normaliser_is_refused(letters, normalizer, message):
    card = LmCard("word", 3, "abçé", "pt-v1")
    with pytest.raises(ModelError, match=message) as caught:
        check_fits(card, letters, normalizer, "m.arpa")
    assert "vizinho lm train" in str(caught.value)


def test_the_same_alphabet_and_normaliser_fit():
    check_fits(LmCard("word", 3, "abçé", "pt-v1"), "éçba", "pt-v1", "m.arpa")
    check_fits(LmCard("word", 3, "abçé"), "éçba", "pt-v1", "m.arpa")  # made elsewhere: letters alone decide


def test_a_file_made_elsewhere_needs_no_card(tmp_path):
    trained(tmp_path / "m.arpa", "a casa", unit="char")
    card_path(tmp_path / "m.arpa").unlink()
    card = load_language_model(tmp_path / "m.arpa").card
    assert (card.unit, card.order, card.normalizer, card.alphabet) == ("char", 2, None, "acosã")


def test_a_file_that_changed_beside_its_card_is_refused(tmp_path):
    path = tmp_path / "m.arpa"
    trained(path, "a casa")
    path.write_text(path.read_text().replace("-0.", "-1.", 1))
    with pytest.raises(ModelError, match=r"not the one that m\.arpa\.json describes"):
        load_language_model(path)
    path.write_text(path.read_text()[:-10])
    with pytest.raises(ModelError, match="cut short"):
        load_language_model(path)


@pytest.mark.parametrize("change", [{"format": 2}, {"unit": None, "order": None, "format": None}, None])
def test_a_broken_card_is_refused(tmp_path, change):
    path = tmp_path / "m.arpa"
    trained(path, "a casa")
    card = json.loads(card_path(path).read_text())
    card_path(path).write_text("[" if change is None else json.dumps({**card, **change}))
    with pytest.raises(ModelError, match=r"card|format"):
        load_language_model(path)
