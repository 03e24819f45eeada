import json
import shutil

import pytest
from lm_files import INVENTORY, heard, lm_file

from vizinho.decoding.hotwords import DEFAULT_BOOST, read_hotwords
from vizinho.decoding.options import BeamOptions
from vizinho.decoding.rescore import RescoreOptions, Rescoring
from vizinho.decoding.setup import DecoderSpec, make_decoder, read_decoder, write_decoder, write_own_decoder
from vizinho.errors import ModelError, SpecError, TextError
from vizinho.text.normalize import get_normalizer


@pytest.fixture
def files(tmp_path):
    return (
        lm_file(tmp_path / "lms" / "w.arpa", "a rata", "o pato"),
        lm_file(tmp_path / "lms" / "c.arpa", "a rata", "o pato", unit="char", order=3),
    )


def test_a_spec_becomes_a_search(files):
    spec = DecoderSpec(files, BeamOptions(lm_weight=0.8), {"Rata!": 3.0})
    decoder = make_decoder(spec, INVENTORY, get_normalizer("pt"))
    assert decoder.scores_words and decoder.options == spec.options
    assert decoder.n_best(heard("a rota", doubt=[(3, "a", 0.2)]), 1)[0].text == "a rata"


def test_a_spec_is_kept_in_a_file_with_paths_relative_to_it(tmp_path, files):
    spec = DecoderSpec(files, BeamOptions(lm_weight=0.8, unknown_words=False), {"rata": 3.0})
    write_decoder(tmp_path / "decoder.json", spec, {"cer": 0.5})
    assert json.loads((tmp_path / "decoder.json").read_text())["lms"] == ["lms/w.arpa", "lms/c.arpa"]
    assert read_decoder(tmp_path / "decoder.json") == spec


def test_a_second_model_is_kept_too_and_belongs_to_a_model_as_a_copy(tmp_path, files):
    folder = tmp_path / "lstm"
    folder.mkdir()
    (folder / "config.json").write_text("{}")
    (folder / ".hidden").write_text("")
    options = RescoreOptions(n_best=7, weight=0.9, lm_share=0.5, word_score=-1.0)
    spec = DecoderSpec(files, rescoring=Rescoring(folder, options))
    write_decoder(tmp_path / "decoder.json", spec, {})
    assert json.loads((tmp_path / "decoder.json").read_text())["rescoring"]["folder"] == "lstm"
    assert read_decoder(tmp_path / "decoder.json") == spec
    write_own_decoder(tmp_path / "own", spec, {})
    shutil.rmtree(folder)
    own = read_decoder(tmp_path / "own" / "decoder.json").rescoring
    assert own.options == options and [path.name for path in own.files] == ["config.json"]


def test_an_absent_decoder_file_is_refused(tmp_path):
    with pytest.raises(SpecError, match="cannot read the decoder file"):
        read_decoder(tmp_path / "decoder.json")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("[", "not a JSON file"),
        ("[]", "no decoder file of format 1"),
        ('{"format": 2}', "no decoder file of format 1"),
        ('{"format": 1, "beam": 3}', "unknown keys beam"),
        ('{"format": 1, "options": {"width": 3}}', "options are beam_width"),
        ('{"format": 1, "options": {"beam_width": 0}}', "beam width 0"),
        ('{"format": 1, "hotwords": {"a": "much"}}', "a wrong value"),
        ('{"format": 1, "lms": 3}', "a wrong value"),
        ('{"format": 1, "rescoring": {"weight": 1}}', "a wrong value"),
        ('{"format": 1, "rescoring": {"folder": "x", "loudness": 1}}', "a wrong value"),
        ('{"format": 1, "rescoring": {"folder": "x", "weight": -1}}', "weight -1"),
    ],
)
def test_a_wrong_decoder_file_is_refused(tmp_path, content, message):
    (tmp_path / "decoder.json").write_text(content)
    with pytest.raises(SpecError, match=message):
        read_decoder(tmp_path / "decoder.json")


def test_models_of_other_letters_are_refused(tmp_path):
    other = lm_file(tmp_path / "o.arpa", "o gato", letters="aceoprstg")
    with pytest.raises(ModelError, match="the recogniser cannot write 'g'"):
        make_decoder(DecoderSpec((other,)), INVENTORY, get_normalizer("pt"))
    with pytest.raises(ModelError, match=r"normaliser pt-v2-[0-9a-f]{8}, the recogniser's through es-v1"):
        make_decoder(DecoderSpec((lm_file(tmp_path / "p.arpa", "o pato"),)), INVENTORY, get_normalizer("es-v1"))


def test_two_models_of_one_unit_are_refused(files):
    with pytest.raises(SpecError, match="a second language model of words"):
        make_decoder(DecoderSpec((files[0], files[0])), INVENTORY, get_normalizer("pt"))


def test_of_a_list_what_cannot_be_written_is_left_out_and_named(tmp_path, caplog):
    path = tmp_path / "names.txt"
    path.write_text("# people\nRata\t7\n\nGana\no pato\n")
    listed = read_hotwords(path)
    assert listed == {"Rata": 7.0, "Gana": DEFAULT_BOOST, "o pato": DEFAULT_BOOST}
    spec = DecoderSpec(options=BeamOptions(lm_weight=0.0), listed=listed)
    decoder = make_decoder(spec, INVENTORY, get_normalizer("pt"))
    assert decoder.n_best(heard("a rota", doubt=[(3, "a", 0.01)]), 1)[0].text == "a rata"
    assert "1 of 3 hotwords are left out, as it cannot write 'Gana'" in caplog.text
    with pytest.raises(TextError, match="cannot write one of 1 hotwords"):
        make_decoder(DecoderSpec(listed={"Gana": 1.0}), INVENTORY, get_normalizer("pt"))


@pytest.mark.parametrize(
    ("content", "message"), [("\n# no\n", "no phrases"), ("a\tmuch", "not a number"), ("\xff", "cannot be read")]
)
def test_a_wrong_list_of_hotwords_is_refused(tmp_path, content, message):
    (tmp_path / "names.txt").write_bytes(content.encode("latin-1"))
    with pytest.raises(TextError, match=message):
        read_hotwords(tmp_path / "names.txt")
    with pytest.raises(TextError, match="cannot be read"):
        read_hotwords(tmp_path / "absent.txt")


@pytest.mark.parametrize(("word", "message"), [("Gana", "has 'g' 'n', which"), ("!", "holds no letters")])
def test_hotwords_that_cannot_be_written_are_refused(word, message):
    with pytest.raises(TextError, match=message):
        make_decoder(DecoderSpec(hotwords={word: 1.0}), INVENTORY, get_normalizer("pt"))
