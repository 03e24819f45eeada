import json

import numpy as np
import pytest
import scipy.stats
from typer.testing import CliRunner

from vizinho.cli.main import app
from vizinho.errors import ModelError, TextError
from vizinho.vectors.explore import CLEAR, Boxes, analogy, bands, boxes, colour, draw_boxes, neighbours, sign
from vizinho.vectors.static import WordVectors, load_vectors, save_vectors

# Components: person or fruit, woman or man, royal or not, and one that means nothing.
WORDS = ("homem", "mulher", "rei", "rainha", "maçã")
MATRIX = np.array(
    [[1, -1, -1, 0.1], [1, 1, -1, -0.2], [1, -1, 1, 0.2], [1, 1, 1, 0.0], [-1, 0.1, -1, 0.1]], dtype=np.float32
)
VECTORS = WordVectors(WORDS, MATRIX)


def run(*arguments):
    return CliRunner().invoke(app, ["vectors", *map(str, arguments)])


def test_the_queen_is_to_the_king_as_the_woman_to_the_man():
    assert analogy(VECTORS, "homem", "mulher", "rei")[0][0] == "rainha"
    assert neighbours(VECTORS, "rainha", 2)[0][0] in ("mulher", "rei")
    assert all(word != "rei" for word, _ in neighbours(VECTORS, "rei"))
    with pytest.raises(TextError, match="did you mean"):
        neighbours(VECTORS, "rey")


def test_boxes_mark_what_words_share():
    found = boxes(VECTORS, ["homem", "mulher", "rei"])
    assert found.shared == (True, False, False, False)
    drawn = draw_boxes(found)
    assert drawn.count("<rect") == 3 * 4 + 1
    assert drawn.count('class="shared"') == 1
    assert drawn.count("<text") == 3
    assert draw_boxes(boxes(WordVectors(("<b>", "c"), MATRIX[:2]), ["<b>"])).count("<b>") == 0


def test_components_are_seen_against_the_mean_of_all_words():
    shifted = WordVectors(WORDS, MATRIX + 7)
    assert np.allclose(boxes(shifted, ["homem", "rei"]).values, boxes(VECTORS, ["homem", "rei"]).values, atol=1e-4)
    assert boxes(VECTORS, ["homem"]).shared == (False,) * 4


def test_as_many_words_at_random_share_the_floor():
    rng = np.random.default_rng(4)
    noise = WordVectors(tuple(f"w{i}" for i in range(3000)), rng.standard_normal((3000, 80)).astype(np.float32))
    found = boxes(noise, ["w1", "w2"])
    assert found.floor == pytest.approx(2 * scipy.stats.norm.sf(CLEAR) ** 2, abs=0.02)
    assert np.mean(found.shared) == pytest.approx(found.floor, abs=0.15)


@pytest.mark.parametrize(("width", "components"), [(30, 80), (80, 80), (200, 80)])
def test_every_component_is_drawn_once_whatever_the_width(width, components):
    values = np.zeros((2, components))
    found = Boxes(("a", "b"), values, (False,) * components, 0.0)
    assert [i for run in bands(found, width) for i in run] == list(range(components))
    assert draw_boxes(found).count("<rect") == 2 * components


def test_signs_stand_for_colours():
    assert "".join(map(sign, (2.0, 0.6, 0.1, -0.6, -2.0))) == "#+·-="


def test_colours_run_from_orange_to_blue():
    assert colour(0.0) == "#ffffff"
    assert colour(5.0) == "#0072b2"
    assert colour(-5.0) == "#d55e00"


def test_commands_from_text_to_picture(tmp_path):
    text = tmp_path / "pt.txt"
    text.write_text("o homem viu a mulher\na mulher viu o rei\n" * 40, encoding="utf-8")
    done = run("train", text, "--out", tmp_path / "pt.bin", "--dim", 12, "--epochs", 2, "--json")
    assert done.exit_code == 0
    assert json.loads(done.stdout)["words"] == 6
    near = json.loads(
        run("show", "rei", "--as", "neighbours", "--vectors", tmp_path / "pt.bin", "--count", 2, "--json").stdout
    )
    assert len(near["neighbours"]) == 2
    shown = run("show", "homem", "rei", "--vectors", tmp_path / "pt.bin", "--svg", tmp_path / "v.svg")
    assert "of 12 components are shared" in shown.stdout
    assert (tmp_path / "v.svg").read_text(encoding="utf-8").startswith("<svg")
    answers = json.loads(
        run("show", "o", "homem", "a", "--as", "analogy", "--vectors", tmp_path / "pt.bin", "--json").stdout
    )["answers"]
    assert answers


def test_a_turned_file_shares_the_space_of_its_target(tmp_path):
    rng = np.random.default_rng(1)
    words = tuple(f"word{i}" for i in range(60))
    matrix = rng.standard_normal((60, 6)).astype(np.float32)
    turn, _ = np.linalg.qr(rng.standard_normal((6, 6)))
    save_vectors(tmp_path / "pt.bin", WordVectors(words, matrix))
    save_vectors(tmp_path / "es.bin", WordVectors(words, (matrix @ turn).astype(np.float32)))
    done = run("align", tmp_path / "es.bin", tmp_path / "pt.bin", "--out", tmp_path / "turned.bin", "--json")
    found = json.loads(done.stdout)
    assert found["seeds"] == 60
    turned, target = load_vectors(tmp_path / "turned.bin"), load_vectors(tmp_path / "pt.normal.bin")
    assert np.allclose(turned["word7"], target["word7"], atol=1e-3)


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        (["train", "nothing.txt", "--out", "a.bin"], TextError, "no such text file"),
        (["train", "nothing.txt", "--out", "a.npy"], ModelError, "unknown kind of vectors"),
        (["show", "a", "--as", "neighbours", "--vectors", "nothing.bin"], ModelError, "no such file of vectors"),
    ],
)
def test_bad_input_is_refused(arguments, error, message):
    done = run(*arguments)
    assert isinstance(done.exception, error)
    assert message in str(done.exception)
