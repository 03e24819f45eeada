"""The level of vectors on two made-up languages that say the same things in other words.

Meanings stand on a ring and a sentence says some of them in a row, so each has neighbours of its own; half of the
words are spelt alike in both languages, half end in other letters.
"""

import numpy as np
import pytest

from vizinho.errors import CorpusError
from vizinho.languages.levels import vectors as level
from vizinho.languages.levels.dictionary import parallel_sentences, word_pairs
from vizinho.languages.levels.vocabulary import compare_vocabulary
from vizinho.languages.sources import Inputs, TextSources
from vizinho.text.language import Language
from vizinho.vectors.static import VectorOptions

PT, ES = Language.of("pt"), Language.of("es")
MEANINGS = 240


@pytest.fixture(scope="module")
def texts(tmp_path_factory):
    folder = tmp_path_factory.mktemp("texts")
    rng = np.random.default_rng(1)
    stems = [f"{a}{b}{c}" for a in "bcdfgklmnp" for b in "aeiou" for c in "rstvzx"][:MEANINGS]

    def said(meaning, language):
        return stems[meaning] + ("ca" if meaning % 2 else {"pt": "ao", "es": "on"}[language])

    def sentence():
        return [int(m) % MEANINGS for m in rng.integers(MEANINGS) + np.arange(rng.integers(1, 9))]

    for part in ("sentences", "parallel"):
        (folder / part).mkdir()
    for language in ("pt", "es"):
        lines = [" ".join(said(m, language) for m in sentence()) for _ in range(6000)]
        (folder / "sentences" / f"{language}_made.txt").write_text("\n".join(lines), encoding="utf-8")
    pairs = [sentence() for _ in range(1500)]
    rows = ["\t".join(" ".join(said(m, lang) for m in row) for lang in ("es", "pt")) for row in pairs]
    (folder / "parallel" / "made_es_pt.tsv").write_text("\n".join(rows), encoding="utf-8")
    return TextSources(folder)


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    monkeypatch.setattr(level, "LEAST_WORDS", 10_000)
    monkeypatch.setattr(level, "_OPTIONS", VectorOptions(dim=24, epochs=6))


def test_word_pairs_are_translations_and_never_spelt_alike(texts):
    found = word_pairs(parallel_sentences(PT, ES, texts))
    assert len(found) > 60
    assert all(a != b for a, b in found)
    assert np.mean([a[:-2] == b[:-2] for a, b in found]) > 0.95
    assert parallel_sentences(ES, PT, texts)[0][::-1] == parallel_sentences(PT, ES, texts)[0]


def test_translations_are_found_and_chance_is_not(texts, tmp_path):
    (result,) = level.compare_vectors(PT, [ES], Inputs(texts, work=tmp_path))
    found = {m.name: m for m in result.measures}
    assert set(found) == {"translation", "relational_similarity", "sentence_retrieval"}
    assert found["relational_similarity"].value > 0.5
    for measure in found.values():
        assert measure.value > measure.floor + 0.1, measure
        assert measure.ceiling > measure.floor
    assert len(list(tmp_path.glob("*.bin"))) == 3
    assert {row["language"] for row in result.evidence["picture"]} == {"target", "donor"}
    assert result.evidence["nearest_across"]


def test_false_friends_get_a_low_cosine(texts, tmp_path):
    cosine = level.aligned(PT, ES, texts, tmp_path, 1).space.cosine
    pairs = word_pairs(parallel_sentences(PT, ES, texts))
    right = np.mean([cosine(a, b) for a, b in pairs])
    wrong = np.mean([cosine(a, pairs[(i + 37) % len(pairs)][1]) for i, (a, _) in enumerate(pairs)])
    assert right > wrong + 0.3
    assert cosine("nothing", "nada") is None


def test_cognates_are_flagged_only_where_there_are_vectors(texts, tmp_path):
    inputs = Inputs(texts, work=tmp_path, top=600, false_friends=True)
    (texts.folder / "frequencies").mkdir(exist_ok=True)
    for language in ("pt", "es", "xx"):
        (texts.folder / "frequencies" / f"{language}.tsv").write_text("basaca\t3\nberca\t2\n", encoding="utf-8")
    es, unknown = compare_vocabulary(PT, [ES, Language.of("xx")], inputs)
    assert not es.gaps and [gap.name for gap in unknown.gaps] == ["meaning"]


def test_too_little_text_is_a_gap(texts, monkeypatch):
    monkeypatch.setattr(level, "LEAST_WORDS", 10**9)
    level._vectors.cache_clear()
    level.aligned.cache_clear()
    (result,) = level.compare_vectors(PT, [ES], Inputs(texts))
    assert not result.measures
    assert "running words of pt" in result.gaps[0].reason


def test_a_line_without_a_tab_is_named(tmp_path):
    (tmp_path / "parallel").mkdir()
    (tmp_path / "parallel" / "x_es_pt.tsv").write_text("casa\tcasa\nno tab\n")
    with pytest.raises(CorpusError, match=r"x_es_pt\.tsv:2"):
        parallel_sentences(PT, ES, TextSources(tmp_path))
