"""Syntax: the published figures on PUD, what holds for any treebank, gaps, and drawings."""

from __future__ import annotations

import json
import re
import xml.etree.ElementTree as ET
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vizinho.languages.levels.syntax import (
    compare_syntax,
    compare_treebank,
    edge_f1,
    edges,
    kl_from,
    learn_treebank,
    orders,
    shuffled_classes,
    shuffled_words,
    triples,
)
from vizinho.languages.levels.treebank import Node, Sentence, Treebank, built_in
from vizinho.languages.levels.trees import draw_tree
from vizinho.languages.measures import LevelResult, Measure
from vizinho.languages.sources import Inputs, TextSources
from vizinho.text.language import Language

PUBLISHED = {
    "triple_divergence": {"es": 0.038, "gl": 0.052, "it": 0.057, "fr": 0.058, "en": 0.135, "de": 0.152},
    "edge_f1": {"es": 0.705, "gl": 0.693, "it": 0.662, "fr": 0.648, "en": 0.604, "de": 0.533},
    "klcpos3": {"es": 0.141, "gl": 0.198, "it": 0.134, "fr": 0.226, "en": 0.695, "de": 0.936},
}
"""Figures on the PUD treebanks, target Portuguese."""
ES, PT, EN = (Language.of(code) for code in ("es", "pt", "en"))


def _bank(language: str) -> Treebank:
    bank = built_in(language)
    assert bank is not None
    return bank


def _compared(target: Language, donor: Language, texts: TextSources) -> LevelResult:
    (result,) = compare_syntax(target, [donor], Inputs(texts))
    return result


def _measures(target: Treebank, donor: Treebank) -> dict[str, Measure]:
    return {m.name: m for m in compare_treebank(learn_treebank(target), donor).measures}


@pytest.mark.parametrize("donor", PUBLISHED["edge_f1"])
def test_the_published_figures_on_pud(donor: str, shared: Path) -> None:
    result = _compared(PT, Language.of(donor), TextSources(shared / "text"))
    found = {m.name: m for m in result.measures}
    for name, figures in PUBLISHED.items():
        assert found[name].value == pytest.approx(figures[donor], abs=0.002), name
        low, high = found[name].interval
        assert low < found[name].value < high and found[name].n == 1000
    assert not result.gaps


def test_each_measure_has_floor_ceiling_interval_and_source() -> None:
    result = _compared(PT, ES, TextSources())
    assert [m.name for m in result.measures] == ["triple_divergence", "klcpos3", "word_order", "edge_f1"]
    for measure in result.measures:
        assert measure.interval is not None and measure.interval[0] <= measure.value <= measure.interval[1]
        assert measure.source and measure.ceiling_of and measure.n > 0 and measure.n_of
        assert (measure.floor > measure.ceiling) == (measure.nearer == "lower")


def test_a_language_against_itself_reaches_the_ceiling() -> None:
    for measure in _compared(PT, PT, TextSources()).measures:
        assert 0.99 <= measure.nearness < 1.25, measure.name


def test_shuffled_trees_fall_to_the_floor() -> None:
    pt, rng = _bank("pt"), np.random.default_rng(9)
    shuffled = _measures(pt, shuffled_classes(pt, rng))
    assert abs(shuffled["triple_divergence"].nearness) < 0.15
    assert abs(shuffled["klcpos3"].nearness) < 0.35
    assert abs(_measures(pt, shuffled_words(pt, rng))["word_order"].nearness) < 0.3
    other = Treebank("moved", tuple(
        Sentence(s.id, s.text, pt.sentences[(i + 7) % len(pt.sentences)].nodes) for i, s in enumerate(pt.sentences)
    ), ())  # fmt: skip
    assert abs(_measures(pt, other)["edge_f1"].nearness) < 0.15


def test_what_is_called_symmetric_is() -> None:
    there, back = _compared(PT, EN, TextSources()), _compared(EN, PT, TextSources())
    for first, second in zip(there.measures, back.measures, strict=True):
        same = first.value == pytest.approx(second.value, abs=1e-12)
        assert same == first.symmetric, first.name


def test_spanish_is_nearer_to_portuguese_than_english_is() -> None:
    es, en = (_compared(PT, donor, TextSources()).measures for donor in (ES, EN))
    assert all(a.nearness > b.nearness for a, b in zip(es, en, strict=True))


def test_figures_do_not_depend_on_what_was_compared_before() -> None:
    learnt = learn_treebank(_bank("pt"))
    alone = compare_treebank(learnt, _bank("es"))
    compare_treebank(learnt, _bank("en"))
    assert compare_treebank(learnt, _bank("es")) == alone == compare_treebank(learn_treebank(_bank("pt")), _bank("es"))


def test_no_treebank_is_a_gap_that_names_the_language() -> None:
    result = _compared(PT, Language.of("ca"), TextSources())
    assert not result.measures and "ca" in result.gaps[0].reason and result.gaps[0].name == "*"


def _write(folder: Path, language: str, text: str) -> TextSources:
    (folder / "treebanks").mkdir(exist_ok=True)
    (folder / "treebanks" / f"{language}.conllu").write_text(text, encoding="utf-8")
    return TextSources(folder)


def test_a_malformed_line_is_named_and_the_rest_computed(tmp_path: Path) -> None:
    text = (Path(__file__).parents[4] / "src/vizinho/languages/levels/minibank/es.conllu").read_text(encoding="utf-8")
    lines = text.splitlines()
    place = lines.index("2\tcasa\t_\tNOUN\t_\t_\t4\tnsubj\t_\t_")
    lines[place] = lines[place].replace("\tNOUN", "")
    result = _compared(PT, ES, _write(tmp_path, "es", "\n".join(lines)))
    (gap,) = result.gaps
    assert gap.name == "skipped_sentences" and f"es.conllu:{place + 1}: 9 columns" in gap.reason
    assert {m.name: m.n for m in result.measures}["edge_f1"] == 40


def test_a_treebank_without_a_sentence_is_a_gap(tmp_path: Path) -> None:
    result = _compared(PT, ES, _write(tmp_path, "es", "# nothing\n"))
    assert not result.measures and "es.conllu" in result.gaps[0].reason


def test_treebanks_that_are_not_parallel_have_no_shared_edges(tmp_path: Path) -> None:
    text = "1\tSí\t_\tINTJ\t_\t_\t0\troot\t_\t_\n"
    result = _compared(PT, ES, _write(tmp_path, "es", text))
    assert {m.name for m in result.measures} == {"triple_divergence", "klcpos3"}
    assert {gap.name for gap in result.gaps} == {"edge_f1", "word_order"}


def test_triples_say_which_comes_first() -> None:
    small_dog = _bank("pt").sentences[0]
    assert list(triples(small_dog)) == [
        ("NOUN", "det", "DET", True),
        ("ROOT", "root", "NOUN", False),
        ("NOUN", "amod", "ADJ", False),
    ]
    assert ("amod", "NOUN", True) in list(orders(_bank("en").sentences[0]))


def test_divergence_from_itself_is_nothing_and_unseen_trigrams_count_once() -> None:
    assert kl_from(np.array([3.0, 1.0]), np.array([3.0, 1.0])) == pytest.approx(0.0)
    # By hand: half of the target's mass is on what the donor lacks, which counts as 1 of 4.
    assert kl_from(np.array([2.0, 2.0]), np.array([4.0, 0.0])) == pytest.approx(0.5 * np.log(0.5) + 0.5 * np.log(2))


@st.composite
def _trees(draw: st.DrawFn) -> Sentence:
    size = draw(st.integers(1, 8))
    heads = [draw(st.integers(0, i)) if i else 0 for i in range(size)]
    heads = [h if h or not i else 1 for i, h in enumerate(heads)]
    tags = draw(st.lists(st.sampled_from(["NOUN", "VERB", "ADJ", "PUNCT"]), min_size=size, max_size=size))
    relations = draw(st.lists(st.sampled_from(["obj", "amod", "det"]), min_size=size, max_size=size))
    return Sentence("1", "", tuple(Node("x", t, h, r) for t, h, r in zip(tags, heads, relations, strict=True)))


@given(_trees(), _trees())
def test_edges_in_common_are_a_share_and_symmetric(a: Sentence, b: Sentence) -> None:
    assert 0 <= edge_f1(edges(a), edges(b)) == edge_f1(edges(b), edges(a)) <= 1
    if any(node.upos != "PUNCT" for node in a.nodes):
        assert edge_f1(edges(a), edges(a)) == 1


@given(_trees(), st.integers(0, 99))
def test_shuffling_words_keeps_the_tree(tree: Sentence, seed: int) -> None:
    (moved,) = shuffled_words(Treebank("b", (tree,), ()), np.random.default_rng(seed)).sentences
    plain = sorted(t[:3] for t in triples(tree))
    assert sorted(t[:3] for t in triples(moved)) == plain


def test_evidence_is_plain_json_with_drawings() -> None:
    evidence = _compared(PT, ES, TextSources()).evidence
    again = json.loads(json.dumps(evidence, allow_nan=False))
    assert again == evidence
    first = evidence["trees_side_by_side"][0]
    assert "cachorro" in first["target"] and "perro" in first["donor"] and "1.00" in first["about"]
    assert len({row["relation"] for row in evidence["word_order_profile"]}) == 12


def test_drawings_take_their_colours_from_the_page_and_are_always_the_same() -> None:
    nodes = _bank("pt").sentences[3].nodes
    drawing = draw_tree(nodes)
    assert drawing == draw_tree(nodes) != draw_tree(nodes, "elsewhere")
    assert "currentColor" in drawing and "transparent" in drawing and not re.search(r"#[0-9a-f]{3,6};", drawing)
    arrows = [e for e in ET.fromstring(drawing).iter() if e.get("class") == "displacy-arrow"]
    assert len(arrows) == len(nodes) - 1
    assert "viewBox" in drawing


def test_nothing_in_a_treebank_can_become_markup() -> None:
    drawing = draw_tree((Node("<b>", "<i>", 0, "root"), Node('"&', "X", 1, "<script>")))
    assert "<b>" not in drawing and "<i>" not in drawing and "<script>" not in drawing
    ET.fromstring(drawing)
