import numpy as np
import pytest
import torch
from grammar import FORWARD, TWO_WAY, fresh, sentences

from vizinho.errors import PlanError
from vizinho.plan.tokens import RowOptions
from vizinho.text_models.lstm import build
from vizinho.text_models.lstm_folder import TrainedModel
from vizinho.text_models.lstm_scores import sentence_scores
from vizinho.text_models.lstm_transfer import AlignedVectors, plan_transfer, transferred, word_neighbours
from vizinho.text_models.words import TokenList, character_list, word_list
from vizinho.vectors.static import WordVectors

SPANISH = [["el", "gato", "come", "pan"], ["el", "viejo", "vende", "libros"]] * 3
PORTUGUESE = [["o", "gato", "come", "pão"], ["o", "velho", "vende", "livros"]] * 3


@pytest.mark.parametrize("shape", [FORWARD, TWO_WAY])
def test_same_words_give_bit_equal_scores(shape):
    donor = fresh(shape)
    target, plan = transferred(donor, donor.words, donor.characters, RowOptions(), seed=7)
    ours = sentence_scores(target, donor.words, donor.characters, sentences(20))
    theirs = sentence_scores(donor.model, donor.words, donor.characters, sentences(20))
    assert (ours == theirs).all()
    assert set(plan.counts()) == {"copy", "row copy"}


@pytest.mark.parametrize("shape", [FORWARD, TWO_WAY])
def test_every_parameter_and_row_is_planned_once_and_every_donor_one_used_or_dropped(shape):
    donor = fresh(shape, texts=SPANISH)
    words = word_list(PORTUGUESE, 100)
    characters = character_list(PORTUGUESE) if donor.characters else None
    target, plan = transferred(donor, words, characters, RowOptions())
    planned = [(r.target, r.token) for r in plan.rows if r.target is not None]
    by_row = {"words.weight": words.tokens, "words.bias": words.tokens}
    if characters:
        by_row["encoder.characters.weight"] = characters.tokens
    expected = {(name, token) for name in target.state_dict() for token in by_row.get(name, (None,))}
    assert len(planned) == len(set(planned))
    assert set(planned) == expected
    used = {r.source for r in plan.rows if r.action == "copy"} | set(by_row)
    assert used == set(donor.model.state_dict())
    for parameter, theirs in (("words.weight", donor.words), ("encoder.characters.weight", donor.characters)):
        if parameter in by_row:
            dropped = {r.token for r in plan.rows if r.action == "drop" and r.source.startswith(parameter)}
            mixed = {t for r in plan.rows if r.target == parameter for t, _ in r.mix}
            assert dropped | mixed == set(theirs.tokens)
            assert not dropped & mixed


def test_words_start_by_name_by_spelling_or_at_random():
    donor = fresh(texts=SPANISH)
    words = word_list(PORTUGUESE, 100)
    target, plan = transferred(donor, words, None, RowOptions(), seed=5)
    actions = {r.token: r.action for r in plan.rows if r.target == "words.weight"}
    assert (actions["gato"], actions["livros"], actions["o"]) == ("row copy", "feature row", "fresh")
    ours, theirs = target.words.weight, donor.model.words.weight
    assert torch.equal(ours[words.row("livros")], theirs[donor.words.row("libros")])
    scratch = build(FORWARD, len(words), None, 5)
    assert torch.equal(ours[words.row("o")], scratch.words.weight[words.row("o")])
    _, random_rows = transferred(donor, words, None, RowOptions("fresh"))
    assert random_rows.counts()["fresh"] == 2 * sum(w not in donor.words for w in words.tokens)


def test_aligned_vectors_find_what_spelling_cannot_and_spelling_what_has_no_vector():
    rng = np.random.default_rng(1)
    shared = [f"word{i}" for i in range(40)]
    points = rng.normal(size=(42, 6)).astype(np.float32)
    turn = np.linalg.qr(rng.normal(size=(6, 6)))[0].astype(np.float32)
    ours = WordVectors((*shared, "janela", "cão"), points)
    theirs = WordVectors((*shared, "ventana", "perro"), points @ turn)
    donors = dict.fromkeys([*shared, "ventana", "perro", "libros"])
    table = word_neighbours(["janela", "cão", "livros", "word3"], donors, AlignedVectors(ours, theirs))
    best = table.nearest("janela", donors)[0]
    assert best[0] == "ventana"
    assert best[1] == pytest.approx(1, abs=0.05)
    assert table.nearest("livros", donors)[0][0] == "libros"
    assert table.reason("livros", [("libros", 0.8)]) == "is spelt like libros 0.80 (vectors, else spelling)"
    assert table.nearest("word3", donors) == []  # the donor has it by name


def test_models_of_another_shape_are_refused_by_name():
    donor = fresh(TWO_WAY)
    other = build(FORWARD, len(donor.words), None, 1)
    with pytest.raises(PlanError):
        plan_transfer(other, donor.words, None, donor, RowOptions())


def test_many_words_are_matched_without_comparing_each_with_each():
    count = 5000
    donor = TokenList(("<unk>", "<s>", "</s>", *(f"a{i}" for i in range(count))))
    shape = FORWARD
    model = build(shape, len(donor), None, 1)
    target = TokenList(("<unk>", "<s>", "</s>", *(f"a{i}" for i in reversed(range(count)))))
    made, plan = transferred(TrainedModel(model, donor, None, fresh().normalizer, {}), target, None, RowOptions())
    assert plan.counts()["row copy"] == 2 * len(donor)
    assert torch.equal(made.words.weight[3:], model.words.weight[3:].flip(0))
