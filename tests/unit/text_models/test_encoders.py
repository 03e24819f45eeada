import signal
from dataclasses import replace

import numpy as np
import pytest
import torch
from encoders import PAIRS, PORTUGUESE, SMALL, SPANISH, model, tokenizer
from hypothesis import given
from hypothesis import strategies as st

from vizinho.corpora.batches import BatchPlan
from vizinho.errors import InterruptedRunError, ModelError, TextError
from vizinho.text_models.contrastive import ContrastiveOptions, missed, ranking_loss
from vizinho.text_models.encoders import make_contrastive, make_masked
from vizinho.text_models.masked import hide, masked_loss, start_embeddings
from vizinho.vectors.pieces import encode
from vizinho.vectors.transformer import load_encoder, save_encoder

LINES = (SPANISH + PORTUGUESE) * 3


@given(lengths=st.lists(st.integers(2, 40), min_size=1, max_size=60), pieces=st.integers(40, 200))
def test_an_epoch_has_every_sentence_once_in_batches_that_fit(lengths, pieces):
    batches, seen, step = BatchPlan(lengths, pieces, 3), [], 0
    while len(seen) < len(lengths):
        batch = batches(step)[1]
        assert max(lengths[i] for i in batch) * len(batch) <= pieces
        seen += batch
        step += 1
    assert sorted(seen) == list(range(len(lengths)))
    # A step is a function of its number, wherever one starts.
    assert BatchPlan(lengths, pieces, 3)(step) == batches(step)


def test_pieces_are_hidden_within_the_words_only():
    ids = encode(tokenizer(), SPANISH)
    inputs, mask, labels = hide(tokenizer(), ids, 0.3, np.random.default_rng(1))
    for row, line in enumerate(ids):
        chosen = labels[row] != -100
        assert chosen.sum() >= 1
        assert not chosen[0] and not chosen[len(line) - 1 :].any()
        assert mask[row].sum() == len(line)
        assert all(int(labels[row, i]) == line[i] for i in torch.where(chosen)[0])
        assert all(int(inputs[row, i]) == line[i] for i in range(len(line)) if not chosen[i])


def test_the_loss_equals_that_of_the_whole_model():
    made = model()
    ids = encode(tokenizer(), PORTUGUESE)
    total, count = masked_loss(made, hide(tokenizer(), ids, 0.3, np.random.default_rng(2)))
    inputs, mask, labels = hide(tokenizer(), ids, 0.3, np.random.default_rng(2))
    whole = made(input_ids=inputs, attention_mask=mask, labels=labels).loss
    assert float((total / count).detach()) == pytest.approx(float(whole.detach()), rel=1e-5)


def test_embeddings_start_from_word2vec_at_the_spread_of_fresh_ones():
    made = model()
    before = made.get_input_embeddings().weight.detach().clone()
    ids = encode(tokenizer(), LINES * 4)
    start_embeddings(made, ids, SMALL)
    after = made.get_input_embeddings().weight.detach()
    moved = (after != before).any(dim=1)
    assert moved.sum() > 10 and not moved.all()
    assert float(after[moved].std()) == pytest.approx(float(before[moved].std()), rel=0.05)


def test_training_stopped_and_resumed_ends_with_the_same_weights(tmp_path):
    lines = LINES * 12
    whole = make_masked(lines, tmp_path / "whole", SMALL)

    def press(_amount, note=""):
        if note:
            signal.raise_signal(signal.SIGINT)

    with pytest.raises(InterruptedRunError, match=r"stopped at step 1 of 4.*--fresh"):
        make_masked(lines, tmp_path / "again", SMALL, progress=press)
    assert not (tmp_path / "again").exists()
    log = []
    card = make_masked(lines, tmp_path / "again", SMALL, log=log.append)
    assert "going on from step 1" in log
    assert card["curve"] == whole["curve"]
    first, second = (load_encoder(tmp_path / name).model.state_dict() for name in ("whole", "again"))
    assert all(torch.equal(first[k], second[k]) for k in first)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["again", "whole"]
    with pytest.raises(ModelError, match="there are files already"):
        make_masked(lines, tmp_path / "whole", SMALL)


def test_texts_that_hold_nothing_are_refused(tmp_path):
    with pytest.raises(TextError, match="0 lines of text"):
        make_masked(["", " "], tmp_path / "a", SMALL)
    save_encoder(tmp_path / "e", model(), tokenizer())
    with pytest.raises(TextError, match="1 sentence pairs"):
        make_contrastive(tmp_path / "e", PAIRS[:1], [], tmp_path / "b", ContrastiveOptions())


def test_the_ranking_loss_is_least_for_partners():
    rows = torch.nn.functional.normalize(torch.randn(6, 8, generator=torch.Generator().manual_seed(1)), dim=1)
    assert float(ranking_loss(rows, rows, 0.05)) < float(ranking_loss(rows, rows.roll(1, 0), 0.05))
    assert missed(rows, rows) == 0.0
    assert missed(rows, rows.roll(1, 0)) == 1.0


def test_tuning_brings_translations_together(tmp_path):
    save_encoder(tmp_path / "e", model(), tokenizer())
    options = ContrastiveOptions(steps=40, learning_rate=3e-3, evaluate_every=10, checkpoint_every=20)
    card = make_contrastive(tmp_path / "e", PAIRS, PAIRS, tmp_path / "t", options)
    assert (
        card["curve"][-1]["train_loss"] < 0.5 * card["curve"][1]["train_loss"] or card["curve"][-1]["dev_missed"] == 0.0
    )
    made = load_encoder(tmp_path / "t")
    ours, theirs = (torch.from_numpy(made.encode(side)) for side in zip(*PAIRS, strict=True))
    # What is written are the weights that were best on dev.
    assert missed(ours, theirs) == pytest.approx(min(point["dev_missed"] for point in card["curve"]), abs=1e-6)
    assert missed(ours, theirs) < 0.3


def test_a_diverged_loss_is_an_error(tmp_path):
    options = replace(SMALL, learning_rate=float("inf"))
    with pytest.raises(ModelError, match=r"the weights are not numbers -> lower the learning rate"):
        make_masked(LINES, tmp_path / "a", options)
