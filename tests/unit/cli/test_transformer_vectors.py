"""A transformer's vectors as a user makes them: trained, tuned on pairs, looked at, evaluated."""

import json

import pytest
from commands import vizinho
from grammar import sentences


@pytest.fixture
def folder(tmp_path):
    lines = [" ".join(words) for words in sentences(300)]
    (tmp_path / "pt.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")
    (tmp_path / "pairs.tsv").write_text("".join(f"{line}\t{line}\n" for line in lines[:60]), encoding="utf-8")
    return tmp_path


def run(folder, *arguments):
    done = vizinho("vectors", *arguments, "--json", home=folder)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_from_text_to_measure(folder):
    small = ["--dim", 16, "--layers", 1, "--vocabulary", 80, "--steps", 2, "--fresh-embeddings", "--quiet"]
    card = run(folder, "train", folder / "pt.txt", "--kind", "transformer", "--out", folder / "mlm", *small)
    assert card["pieces"] <= 80
    tuned = run(
        folder, "tune", folder / "mlm", folder / "pairs.tsv", "--out", folder / "tuned", "--steps", 2, "--quiet"
    )
    assert tuned["dev_pairs"] > 0
    texts = [line.split("\t")[0] for line in (folder / "pairs.tsv").read_text(encoding="utf-8").splitlines()]
    word = texts[0].split()[0]
    others = [line for line in texts if word in line.split()][:2]
    found = run(folder, "senses", word, "--model", folder / "tuned", "--sentence", others[0], "--sentence", others[1])
    assert [row[i] for i, row in enumerate(found["cosines"])] == pytest.approx([1.0, 1.0], abs=1e-3)
    measured = run(folder, "evaluate", folder / "tuned", "--pairs", folder / "pairs.tsv")
    assert measured["cosine"]["both"]["value"] == 1.0  # each sentence is its own translation
    wrong = vizinho("vectors", "senses", "xyz", "--model", folder / "tuned", "--sentence", others[0], home=folder)
    assert wrong.returncode == 2 and "no 'xyz' in it" in wrong.stderr
