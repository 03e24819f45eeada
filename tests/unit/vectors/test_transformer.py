import json

import numpy as np
import pytest
import torch
from encoders import PORTUGUESE, SPANISH, model, tokenizer
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import load_file, save_file
from transformers import AutoModelForMaskedLM, AutoTokenizer, BertModel

from vizinho.errors import ModelError, TextError
from vizinho.vectors.pieces import encode, train_pieces
from vizinho.vectors.sentence_folder import SentenceSettings
from vizinho.vectors.transformer import Encoder, load_encoder, pool, save_encoder

WORDS = st.lists(st.text("abcdeñãçlpo", min_size=1, max_size=12), min_size=1, max_size=6)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    made = tmp_path_factory.mktemp("encoder") / "mlm"
    save_encoder(made, model(), tokenizer())
    return made


@pytest.fixture(scope="module")
def encoder(folder):
    return load_encoder(folder)


@settings(max_examples=25)
@given(sentences=st.lists(WORDS, min_size=1, max_size=4))
def test_a_words_vector_is_the_mean_of_all_its_pieces_each_used_once(encoder, sentences):
    found = encoder.words(sentences)
    for words, vectors in zip(sentences, found, strict=True):
        encoded = encoder.tokenizer(words, is_split_into_words=True, return_tensors="pt")
        with torch.no_grad():
            states = encoder.model(**encoded).last_hidden_state[0].numpy()
        ids = encoded.word_ids(0)
        counts = np.array([ids.count(i) for i in range(len(words))])
        assert counts.min() >= 1 and counts.sum() == len(ids) - 2  # all but the two marks
        # The sum over words of mean times count must be the sum over all pieces.
        assert np.allclose((vectors * counts[:, None]).sum(axis=0), states[1:-1].sum(axis=0), atol=1e-4)


def test_padding_and_order_do_not_change_a_sentences_vector(encoder):
    together = encoder.encode([*SPANISH, "pan"])
    for sentence, row in zip([*SPANISH, "pan"], together, strict=True):
        assert np.allclose(encoder.encode([sentence])[0], row, atol=1e-5)
    order = [3, 0, 5, 1, 4, 2]
    assert np.allclose(encoder.encode([[*SPANISH, "pan"][i] for i in order]), together[order], atol=1e-5)
    assert np.allclose(np.linalg.norm(together, axis=1), 1, atol=1e-5)


def test_an_empty_sentence_is_zero_and_a_long_one_is_cut_but_never_for_words(encoder):
    assert not encoder.encode(["", "  "]).any()
    long = " ".join(["casa"] * 400)
    assert np.isfinite(encoder.encode([long])).all()
    with pytest.raises(TextError, match="more than 128"):
        encoder.words([long.split()])
    with pytest.raises(TextError, match="has no piece"):
        encoder.words([["casa", " "]])


def test_layers_are_read_and_one_that_is_not_there_is_refused(encoder):
    word = [["casa"]]
    assert not np.allclose(encoder.at(0).words(word)[0], encoder.at(1).words(word)[0])
    assert np.allclose(encoder.at(2).words(word)[0], encoder.words(word)[0])
    # At the embeddings a word is the same at the same place, whatever follows.
    assert np.allclose(encoder.at(0).words([["casa", "é"]])[0][0], encoder.at(0).words(word)[0][0], atol=1e-6)
    with pytest.raises(ModelError, match="no layer 3 -> use 0"):
        encoder.at(3)


def test_what_is_saved_loads_equal_here_and_elsewhere(folder, encoder):
    again = AutoModelForMaskedLM.from_pretrained(folder)
    assert all(torch.equal(a, b) for a, b in zip(again.parameters(), model().parameters(), strict=True))
    inputs = AutoTokenizer.from_pretrained(folder)(SPANISH, padding=True, return_tensors="pt")
    with torch.no_grad():
        states = again.bert(**inputs).last_hidden_state
    rows = torch.nn.functional.normalize(pool(states, inputs["attention_mask"]), dim=1).numpy()
    assert np.allclose(rows, encoder.encode(SPANISH), atol=1e-5)


def test_pooling_leaves_out_what_is_masked():
    states = torch.tensor([[[1.0, 5.0], [3.0, 1.0], [100.0, 100.0]]])
    mask = torch.tensor([[1, 1, 0]])
    assert pool(states, mask).tolist() == [[2.0, 3.0]]
    assert pool(states, mask, ("cls", "max")).tolist() == [[1.0, 5.0, 3.0, 5.0]]
    assert pool(states, mask, ("mean_sqrt_len_tokens",))[0].tolist() == pytest.approx([4 / 2**0.5, 6 / 2**0.5])


def test_a_sentence_transformers_folder_is_pooled_as_it_says(tmp_path):
    bert = BertModel(model().config, add_pooling_layer=True)
    folder = tmp_path / "st"
    (folder / "0_Transformer").mkdir(parents=True)
    (folder / "1_Pooling").mkdir()
    bert.save_pretrained(folder / "0_Transformer")
    tokenizer().save_pretrained(folder / "0_Transformer")
    kinds = [("Transformer", "0_Transformer"), ("Pooling", "1_Pooling")]
    modules = [
        {"idx": i, "name": str(i), "path": path, "type": f"sentence_transformers.models.{kind}"}
        for i, (kind, path) in enumerate(kinds)
    ]
    (folder / "modules.json").write_text(json.dumps(modules))
    (folder / "0_Transformer" / "sentence_bert_config.json").write_text('{"max_seq_length": 6, "do_lower_case": true}')
    pooling = {"word_embedding_dimension": 16, "pooling_mode_cls_token": True, "pooling_mode_mean_tokens": True}
    (folder / "1_Pooling" / "config.json").write_text(json.dumps(pooling))
    found = load_encoder(folder)
    assert found.settings == SentenceSettings(("cls", "mean"), False, 6, True, "0_Transformer")
    made = found.encode(["A casa É grande e bonita"])[0]
    inputs = tokenizer()("a casa é grande e bonita", truncation=True, max_length=6, return_tensors="pt")
    with torch.no_grad():
        states = bert.eval()(**inputs).last_hidden_state[0]
    assert np.allclose(made, torch.cat([states[0], states.mean(dim=0)]).numpy(), atol=1e-5)

    for named in ('["cls", "mean"]', '"mean"'):  # as sentence-transformers 6 writes it
        (folder / "1_Pooling" / "config.json").write_text(f'{{"embedding_dimension": 16, "pooling_mode": {named}}}')
        again = load_encoder(folder).encode(["A casa É grande e bonita"])[0]
        assert np.allclose(again, made[-len(again) :], atol=1e-6)
    (folder / "1_Pooling" / "config.json").write_text('{"pooling_mode_lasttoken": true}')
    with pytest.raises(ModelError, match="pooling pooling_mode_lasttoken -> use a model with cls, mean"):
        load_encoder(folder)
    modules.append({"idx": 2, "name": "2", "path": "2_Dense", "type": "sentence_transformers.models.Dense"})
    (folder / "modules.json").write_text(json.dumps(modules))
    with pytest.raises(ModelError, match="modules Transformer, Pooling, Dense"):
        load_encoder(folder)


def test_weights_that_are_missing_are_an_error_not_noise(tmp_path):
    save_encoder(tmp_path / "a", model(), tokenizer())
    path = tmp_path / "a" / "model.safetensors"
    kept = {k: v for k, v in load_file(path).items() if "layer.1.attention" not in k}
    save_file(kept, path, metadata={"format": "pt"})
    with pytest.raises(ModelError, match="weights are missing"):
        load_encoder(tmp_path / "a")
    (tmp_path / "b").mkdir()
    with pytest.raises(ModelError, match="no encoder can be loaded"):
        load_encoder(tmp_path / "b")


def test_pieces_are_shared_by_neighbours_and_keep_their_marks():
    made = tokenizer()
    spanish, portuguese = ({i for ids in encode(made, side) for i in ids[1:-1]} for side in (SPANISH, PORTUGUESE))
    assert 0 < len(spanish & portuguese) < len(spanish | portuguese)
    assert made.convert_ids_to_tokens(encode(made, ["A CASA É"])[0])[1] == "▁a"
    assert "é" in "".join(made.convert_ids_to_tokens(encode(made, ["É"])[0]))
    assert made.unk_token_id not in [i for ids in encode(made, SPANISH + PORTUGUESE) for i in ids]
    with pytest.raises(TextError, match="10 pieces for"):
        train_pieces(SPANISH, 10)
    with pytest.raises(TextError, match="no text"):
        train_pieces(["", " "], 100)


def test_encoders_compare_by_what_they_hold(encoder):
    assert isinstance(encoder.at(1), Encoder)
    assert encoder.at(1).layer == 1 and encoder.layer == -1
