import json

import numpy as np
import pytest
import scipy.stats
from typer.testing import CliRunner

from vizinho.cli.main import app
from vizinho.errors import ModelError, TextError
from vizinho.vectors.align import normalize
from vizinho.vectors.isomorphism import eigenvector_similarity, gromov_hausdorff_bound
from vizinho.vectors.static import WordVectors, save_vectors
from vizinho.vectors.translation import evaluate_alignment

RNG = np.random.default_rng(6)
DIM = 12
TURN = scipy.stats.ortho_group.rvs(DIM, random_state=7).astype(np.float32)
POINTS = RNG.standard_normal((1400, DIM)).astype(np.float32)
OURS = WordVectors(tuple(f"p{i}" for i in range(1400)), POINTS)
# The rarer half of the donor's words lies elsewhere than the translations.
NOISE = np.where(np.arange(1400)[:, None] < 1000, 0.05, 3.0) * RNG.standard_normal((1400, DIM))
THEIRS = WordVectors(tuple(f"s{i}" for i in range(1400)), ((POINTS + NOISE) @ TURN).astype(np.float32))
SEEDS = [(f"p{i}", f"s{i}") for i in range(0, 600, 2)]
TESTED = [(f"p{i}", f"s{i}") for i in range(1, 1400, 2)]


def test_aligned_beats_the_floor_and_rare_words_are_told_apart():
    found = evaluate_alignment(OURS, THEIRS, SEEDS, TESTED)
    at = {(r.mapping, r.band): r for r in found.rows}
    assert at["aligned", "1-1000"].csls.value > 0.95
    assert at["aligned", "1001-3000"].csls.value < 0.2
    assert at["unmapped", "all"].csls.value < 0.05
    assert at["floor", "all"].csls.value < 0.05
    assert at["aligned", "1-1000"].csls.n + at["aligned", "1001-3000"].csls.n == at["aligned", "all"].csls.n == 700
    assert (found.seeds, found.tested, found.untested) == (300, 700, 0)


def test_seeds_are_never_tested_and_any_translation_is_right():
    found = evaluate_alignment(OURS, THEIRS, [*SEEDS, *TESTED], TESTED[:200])
    assert found.seeds == len(SEEDS) + len(TESTED) - 200
    wrong_too = [*TESTED[:200], *((f"p{i}", b) for i, (_, b) in enumerate(TESTED[:200]))]
    several = evaluate_alignment(OURS, THEIRS, SEEDS[150:], wrong_too)
    assert several.tested == 200
    assert next(r for r in several.rows if r.mapping == "aligned" and r.band == "all").csls.value > 0.95


def test_words_without_vectors_or_too_rare_are_counted():
    found = evaluate_alignment(OURS, THEIRS, SEEDS, [*TESTED[:50], ("p1", "unknown"), ("p1399", "s3")], candidates=1000)
    assert found.untested == 2
    with pytest.raises(TextError, match="only 1 words to test on"):
        evaluate_alignment(OURS, THEIRS, SEEDS, TESTED[:1])
    narrow = WordVectors(OURS.words, OURS.matrix[:, :5])
    with pytest.raises(ModelError, match="of 12 and of 5 components"):
        evaluate_alignment(narrow, THEIRS, SEEDS, TESTED)


def test_shapes_do_not_change_with_a_turn_or_an_order():
    rows = normalize(POINTS[:300])
    moved = (rows @ TURN)[RNG.permutation(300)]
    assert eigenvector_similarity(rows, moved) == pytest.approx(0, abs=1e-6)
    assert gromov_hausdorff_bound(rows, moved) == pytest.approx(0, abs=1e-4)
    line = np.concatenate([np.linspace(0, 3, 300)[:, None], np.ones((300, DIM - 1))], axis=1).astype(np.float32)
    line = line / np.linalg.norm(line, axis=1, keepdims=True)
    assert eigenvector_similarity(rows, line) > 1
    assert gromov_hausdorff_bound(rows, line) > 0.05


def test_the_bound_by_hand():
    # Edges of the trees: 1 and 1; 1 and 3. Matching 1 with 3 costs 2, leaving both unmatched 1.5; half of that.
    two = np.array([[0.0], [1.0], [2.0]], dtype=np.float32)
    four = np.array([[0.0], [1.0], [4.0]], dtype=np.float32)
    assert gromov_hausdorff_bound(two, four) == pytest.approx(0.75)
    assert gromov_hausdorff_bound(np.zeros((3, 1), dtype=np.float32), two) == pytest.approx(0.25, abs=1e-5)


def test_the_command_prints_the_table(tmp_path):
    save_vectors(tmp_path / "es.bin", THEIRS)
    save_vectors(tmp_path / "pt.bin", OURS)
    for name, pairs in (("test", TESTED), ("seeds", SEEDS)):
        (tmp_path / f"{name}.tsv").write_text("".join(f"{b}\t{a}\n" for a, b in pairs))
    arguments = ["vectors", "evaluate", tmp_path / "es.bin", tmp_path / "pt.bin"]
    arguments += ["--dictionary", tmp_path / "test.tsv", "--seed-dictionary", tmp_path / "seeds.tsv"]
    text = CliRunner().invoke(app, list(map(str, arguments))).stdout
    assert "| unmapped | all " in text and "| floor " in text and "| aligned  | 1-1000 " in text
    assert "spectral distance" in text and "300 seeds; 0 pairs" in text
    values = json.loads(CliRunner().invoke(app, [*map(str, arguments), "--json"]).stdout)
    assert values["seeds"] == 300 and len(values["rows"]) == 9


def test_spaces_of_other_widths_are_not_aligned(tmp_path):
    save_vectors(tmp_path / "a.bin", WordVectors(OURS.words[:50], OURS.matrix[:50, :5]))
    save_vectors(tmp_path / "b.bin", WordVectors(OURS.words[:50], OURS.matrix[:50]))
    run = CliRunner().invoke(
        app, ["vectors", "align", f"{tmp_path}/a.bin", f"{tmp_path}/b.bin", "--out", f"{tmp_path}/c.bin"]
    )
    assert isinstance(run.exception, ModelError) and "of 5 and of 12 components" in str(run.exception)
