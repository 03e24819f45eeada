"""Voices of a language: its own, or a neighbour's that reads its letters by a table."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vizinho.errors import SpecError
from vizinho.g2p.espeak import Voice, is_available, synthesise, voices_of
from vizinho.g2p.speaking import Reader, readers_of, speakable
from vizinho.g2p.words import frequent_words, is_listed
from vizinho.text.alphabets import sample_sentences

needs_espeak = pytest.mark.skipif(not is_available(), reason="eSpeak NG is not installed")


def test_more_than_a_hundred_languages_can_be_spoken():
    languages = {speech.language.code: speech for speech in speakable()}
    assert len(languages) > 120
    assert {"pt", "hi", "ar", "zh", "qu", "gl", "mwl", "ext", "ast"} <= languages.keys()
    assert languages["gl"].remark == "borrowed" and languages["pt"].remark == "own"
    assert "unchecked" in languages["ar"].remark


@needs_espeak
@pytest.mark.parametrize("code", sorted(speech.language.code for speech in speakable()))
def test_every_voice_speaks(code):
    text = next(iter(sample_sentences(code)), "") or (frequent_words(code, 1)[0] if is_listed(code) else "mama")
    for reader in readers_of(code):
        samples = synthesise(reader.written(text[:30]), Voice(reader.voice))
        assert np.abs(samples).max() > 0.01


def test_a_language_with_a_voice_borrows_none_unless_it_is_told_to():
    assert readers_of("pt") == (Reader("pt-br"),)
    assert [r.voice for r in readers_of("pt", like=["es", "it"])] == ["es-419", "it"]
    assert readers_of("pt-pt")[0].voice == voices_of("pt-pt")[0] == "pt"
    assert readers_of("tlh") == ()


def test_letters_are_written_for_the_voice_that_reads_them():
    portuguese, spanish = readers_of("gl")
    assert portuguese.written("a unha niña nova e aquela") == "a unga ninha nova e aquela"
    assert spanish.written("xente") == "shente"


def test_a_table_of_ones_own_replaces_the_built_in_one(tmp_path):
    table = tmp_path / "letters.toml"
    table.write_text('[gl.it]\nx = "sc"\n', encoding="utf-8")
    (reader,) = readers_of("gl", table=table)
    assert (reader.voice, reader.written("xa")) == ("it", "sca")


@pytest.mark.parametrize(
    ("text", "message"),
    [("x = 1", "no voices below"), ("[gl.it]\nx = 1", "letters for letters"), ("[", "cannot be read")],
)
def test_a_malformed_table_is_refused(tmp_path, text, message):
    table = tmp_path / "letters.toml"
    table.write_text(text, encoding="utf-8")
    with pytest.raises(SpecError, match=message):
        readers_of("gl", table=table)


def test_a_voice_that_does_not_exist_cannot_be_borrowed():
    with pytest.raises(SpecError, match="no voice for 'mwl' to borrow"):
        readers_of("ext", like=["mwl"])


@given(st.text("abcx"), st.dictionaries(st.text("abx", min_size=1, max_size=2), st.text("yz", max_size=2), max_size=4))
def test_what_was_replaced_is_not_replaced_again(text, table):
    written = Reader("es", True, tuple(sorted(table.items()))).written(text)
    assert table or written == text
    assert set(written) <= set("abcxyz")
    if set("abx") <= table.keys():
        assert set(written) <= set("cyz")
