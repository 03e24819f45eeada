"""TextGrids: what praatio and Praat write, in all encodings, and what is broken."""

from __future__ import annotations

import pytest
from fieldwork import Reading, recording
from hypothesis import given, settings
from hypothesis import strategies as st

from vizinho.corpora.readers.textgrid import parse_textgrid

SPANS = [(0.0, 1.0, "bom dia"), (1.0, 2.5, 'disse "não" !'), (3.0, 4.0, "até\namanhã")]


def grid(path, tiers, layout="long_textgrid"):
    from praatio.data_classes.interval_tier import IntervalTier
    from praatio.textgrid import Textgrid

    textgrid = Textgrid()
    for name, spans in tiers:
        textgrid.addTier(IntervalTier(name, spans, 0, 10))
    textgrid.save(str(path), format=layout, includeBlankSpaces=True)
    return path


@pytest.mark.parametrize("layout", ["long_textgrid", "short_textgrid"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-be"])
def test_both_layouts_in_unicode(tmp_path, layout, encoding):
    recording(tmp_path / "v.wav")
    path = grid(tmp_path / "v.TextGrid", [("frase", SPANS)], layout)
    text = path.read_text("utf-8")
    path.write_bytes((("\ufeff" if encoding == "utf-16-be" else "") + text).encode(encoding))
    read = Reading("textgrid", path)
    assert read.texts == ["bom dia", 'disse "não" !', "até amanhã"]
    assert [u.duration_seconds for u in read.utterances] == [1.0, 1.5, 1.0]
    assert len(read.noted("empty")) == 2
    assert read.problems == []


@pytest.mark.parametrize("short", [False, True], ids=["long", "short"])
def test_what_praat_itself_writes(tmp_path, short):
    parselmouth = pytest.importorskip("parselmouth")
    textgrid = parselmouth.praat.call(
        parselmouth.Sound([0.0] * 160_000, 16_000), "To TextGrid", "tx gloss marks", "marks"
    )
    parselmouth.praat.call(textgrid, "Insert boundary", 1, 2.0)
    parselmouth.praat.call(textgrid, "Set interval text", 1, 1, 'ñandú "água" ɲ')
    parselmouth.praat.call(textgrid, "Set interval text", 2, 1, "ostrich")
    parselmouth.praat.call(textgrid, "Insert point", 3, 1.5, "clap")
    parselmouth.praat.call(
        textgrid, "Save as short text file" if short else "Save as text file", str(tmp_path / "v.TextGrid")
    )
    recording(tmp_path / "v.wav")
    read = Reading("textgrid", tmp_path / "v.TextGrid")
    assert [(u.text, u.duration_seconds) for u in read.utterances] == [('ñandú "água" ɲ', 2.0)]


def test_lines_that_are_not_unicode_are_named_until_their_encoding_is_given(tmp_path):
    recording(tmp_path / "v.wav")
    path = grid(tmp_path / "v.TextGrid", [("frase", SPANS)])
    lines = path.read_text("utf-8").split("\n")
    # Two programs wrote this file: only the line with the quotation is in their older encoding.
    data = [line.encode("cp1252" if "disse" in line else "utf-8") for line in lines]
    path.write_bytes(b"\n".join(data))
    read = Reading("textgrid", path)
    assert read.texts == ["bom dia", "até amanhã"]
    assert "v.TextGrid:20 (1.00 s): broken characters: 'disse" in read.faults[0]
    assert "--encoding" in read.faults[0]
    assert Reading("textgrid", path, encoding="cp1252").texts == ["bom dia", 'disse "não" !', "até amanhã"]


def test_a_fault_in_one_tier_is_named_and_the_rest_is_read(tmp_path):
    recording(tmp_path / "v.wav")
    path = grid(tmp_path / "v.TextGrid", [("Ana frase", SPANS), ("Ben frase", [(2.5, 3.0, "sim senhora")])])
    text = path.read_text("utf-8")
    path.write_text(text.replace("xmin = 1 ", "xmin = um ", 1), "utf-8")
    read = Reading("textgrid", path)
    assert read.texts == ["bom dia", "sim senhora"]
    assert read.faults[0].startswith(f"{path}:22: tier 'Ana frase' is broken: a number expected, not \"disse")
    path.write_text(text[: text.index("sim senhora")], "utf-8")
    read = Reading("textgrid", path)
    assert read.texts == ["bom dia", 'disse "não" !', "até amanhã"]
    assert "tier 'Ben frase' is broken: a text in quotes expected, not the end of the file" in read.faults[0]


def test_other_files_are_named(tmp_path):
    chronological = '"Praat chronological TextGrid text file"\n0 2\n1\n"IntervalTier" "tx" 0 2\n1 0 2\n"um"\n'
    for content, message in (
        ("ooBinaryFile\x08TextGrid", "a binary TextGrid"),
        ("um", "no TextGrid"),
        (chronological, "a chronological TextGrid"),
    ):
        (tmp_path / "v.TextGrid").write_text(content)
        (fault,) = Reading("textgrid", tmp_path / "v.TextGrid").faults
        assert message in fault and "Save as text file" in fault


def test_words_of_an_aligner_become_phrases(tmp_path):
    recording(tmp_path / "v.wav")
    words = [(i * 0.5, i * 0.5 + 0.5, f"palavra{i}") for i in range(6)] + [(5.0, 5.5, "depois"), (5.5, 6.0, "disso")]
    phones = [(i * 0.25, i * 0.25 + 0.25, "a") for i in range(12)]
    read = Reading("textgrid", grid(tmp_path / "v.TextGrid", [("phones", phones), ("words", words)]))
    assert read.texts == [" ".join(f"palavra{i}" for i in range(6)), "depois disso"]
    assert [u.duration_seconds for u in read.utterances] == [3.0, 1.0]
    assert read.noted("words joined") == ["8 words of tier words in 2 phrases"]


TEXT = st.text(st.characters(blacklist_categories=("Cs", "Cc"), blacklist_characters="\u2028\u2029"), max_size=20)


@settings(deadline=None, max_examples=60)
@given(texts=st.lists(TEXT.map(str.strip), min_size=1, max_size=8), layout=st.sampled_from(["long", "short"]))
def test_any_text_that_praatio_writes_is_read(tmp_path_factory, texts, layout):
    folder = tmp_path_factory.mktemp("grids")
    spans = [(float(i), i + 1.0, text) for i, text in enumerate(texts)]
    path = grid(folder / "v.TextGrid", [("frase", spans)], f"{layout}_textgrid")
    (tier,) = parse_textgrid(path, "", lambda problem: pytest.fail(str(problem))).tiers
    assert [(s.start_seconds, s.end_seconds, s.text) for s in tier.spans if s.text] == [s for s in spans if s[2]]
