"""A recogniser from text alone, with the bundled Spanish donor."""

import json

import pytest
import torch

from vizinho.corpora.synthetic import practice_corpus
from vizinho.decoding.lexicon import read_lexicon
from vizinho.decoding.lm.train import text_file
from vizinho.decoding.setup import own_decoder, read_decoder
from vizinho.errors import ModelError, SpecError, TextError
from vizinho.g2p.espeak import is_available
from vizinho.job.evaluate import evaluate, load
from vizinho.job.text_only import transfer_text
from vizinho.store.card import verify
from vizinho.store.store import Store

pytestmark = pytest.mark.skipif(not is_available(), reason="the extra 'speak' (eSpeak NG) is not installed")
torch.set_num_threads(1)


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    folder = tmp_path_factory.mktemp("text")
    corpus = practice_corpus("pt", 0.4, folder / "pt", seed=5)
    texts = [json.loads(line)["text"] for line in corpus.read_text().splitlines()]
    (folder / "words.txt").write_text("\n".join(texts) + "\n")
    store = Store(folder / "home")
    result = transfer_text("es-demo", to="pt", texts=[text_file(folder / "words.txt")], store=store, quiet=True)
    return folder, corpus, store, result


def test_the_version_knows_the_texts_words_in_the_donors_letters(made):
    _, _, store, result = made
    card, folder = store.card(result.ref), store.resolve(result.ref)
    assert result.ref == "pt@1" and card.language == "pt" and card.donor["language"] == "es" and card.steps == 0
    lexicon = read_lexicon(read_decoder(own_decoder(folder)).lexicon)
    assert len(lexicon) == result.words > 10
    letters = set("".join(load(folder).ctc.inventory.letters))
    assert all(letters.issuperset(spelling) for of_word in lexicon.values() for spelling in of_word)
    assert any("ã" in word or "ç" in word for word in lexicon)


def test_it_writes_the_targets_words_and_makes_fewer_errors_than_the_donor(made):
    _, corpus, store, result = made
    scored = evaluate(result.ref, corpus, store=store)
    assert scored.greedy is not None
    assert scored.scores.wer < scored.greedy.wer


def test_a_new_decoder_leaves_the_version_whole(made):
    _, _, store, result = made
    before = read_decoder(own_decoder(store.resolve(result.ref))).options
    store.add_decoder(result.ref, lambda place: (place.mkdir(), (place / "decoder.json").write_text('{"format": 1}')))
    verify(store.resolve(result.ref))
    assert read_decoder(own_decoder(store.resolve(result.ref))).options != before
    assert not list(store.resolve(result.ref).glob(".decoder*"))


def test_what_cannot_be_spelt_or_has_no_donor_language_is_refused(made, tmp_path):
    folder, _, store, _ = made
    text = text_file(folder / "words.txt")
    bare = tmp_path / "bare"
    bare.mkdir()
    with pytest.raises(SpecError, match="language is not known"):
        transfer_text(str(bare), to="pt", texts=[text], store=store, quiet=True)
    (tmp_path / "none.txt").write_text("\n")
    with pytest.raises(TextError, match="no text to count"):
        transfer_text("es-demo", to="pt", texts=[text_file(tmp_path / "none.txt")], store=store, quiet=True)
    with pytest.raises(ModelError):
        transfer_text(str(bare), to="pt", texts=[text], donor_language="es", store=store, quiet=True)
