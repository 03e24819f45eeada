import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from vizinho.cli.main import app
from vizinho.errors import ModelError, TextError
from vizinho.vectors.align import csls
from vizinho.vectors.retrieval import distinct, hits, read_pairs, retrieve, retrieve_by, share
from vizinho.vectors.static import WordVectors, save_vectors

RNG = np.random.default_rng(5)


def unit(count, dim=16):
    rows = RNG.standard_normal((count, dim)).astype(np.float32)
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def test_partners_are_found_both_ways_and_strangers_at_the_floor():
    rows = unit(300)
    noisy = rows + 0.05 * unit(300)
    right = retrieve(rows, noisy / np.linalg.norm(noisy, axis=1, keepdims=True))
    assert right.forward.value == right.back.value == right.both.value == 1.0
    strangers = retrieve(rows, unit(300))
    assert strangers.floor == pytest.approx(1 / 300)
    assert strangers.both.value < 0.03
    assert right.both.low <= right.both.value <= right.both.high


def test_a_tie_and_a_row_of_zeros_are_not_found():
    assert hits(np.array([[1.0, 1.0], [0.0, 1.0]])).tolist() == [0.0, 1.0]
    rows = unit(5)
    rows[2] = 0
    assert retrieve(rows, rows, scaled=False).forward.value == pytest.approx(0.8)
    with pytest.raises(TextError, match="2 and 3 sentences"):
        retrieve(unit(2), unit(3))


@settings(max_examples=20)
@given(order=st.permutations(range(40)))
def test_the_order_of_the_pairs_does_not_matter(order):
    rows = np.random.default_rng(1).standard_normal((40, 6)).astype(np.float32)
    others = rows + 0.8 * np.random.default_rng(2).standard_normal((40, 6)).astype(np.float32)
    whole, mixed = retrieve(rows, others), retrieve(rows[order], others[order])
    assert mixed.both.value == pytest.approx(whole.both.value)
    assert mixed.forward.value == pytest.approx(whole.forward.value)


def test_cosines_and_vectors_give_the_same():
    rows, others = unit(50), unit(50)
    assert retrieve(rows, others) == retrieve_by(rows @ others.T)
    assert retrieve(rows, others).forward.value == hits(csls(rows, others)).mean()


def test_intervals_cover_the_share_they_estimate():
    covered = 0
    for seed in range(60):
        rng = np.random.default_rng(seed)
        interval = share((rng.random(200) < 0.3).astype(float), rng)
        covered += interval.low <= 0.3 <= interval.high
    assert covered >= 50


def test_pairs_are_read_checked_and_made_distinct(tmp_path):
    path = tmp_path / "p.tsv"
    path.write_text("casa\tcasa\n\nperro\tcachorro\nperro\tcão\n", encoding="utf-8")
    assert distinct(read_pairs(path)) == [("casa", "casa"), ("perro", "cachorro")]
    path.write_text("casa\n", encoding="utf-8")
    with pytest.raises(TextError, match=r"p\.tsv:1: not two sentences"):
        read_pairs(path)
    with pytest.raises(TextError, match="no such file of sentence pairs"):
        read_pairs(tmp_path / "q.tsv")


def test_the_command_reads_word_vectors(tmp_path):
    words = tuple(f"w{chr(97 + i)}" for i in range(20))
    save_vectors(tmp_path / "a.bin", WordVectors(words, unit(20)))
    (tmp_path / "p.tsv").write_text("".join(f"{w}\t{w}\n" for w in words))
    run = CliRunner().invoke(
        app, ["vectors", "evaluate", f"{tmp_path}/a.bin", "--pairs", f"{tmp_path}/p.tsv", "--json"]
    )
    assert json.loads(run.stdout)["csls"]["both"]["value"] == 1.0
    save_vectors(tmp_path / "b.bin", WordVectors(words, unit(20, 4)))
    run = CliRunner().invoke(
        app,
        ["vectors", "evaluate", f"{tmp_path}/a.bin", f"{tmp_path}/b.bin", "--pairs", f"{tmp_path}/p.tsv"],
    )
    assert isinstance(run.exception, ModelError) and "16 and of 4 components" in str(run.exception)
