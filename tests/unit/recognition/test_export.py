import json
import logging
import subprocess
import sys

import numpy as np
import pytest
from processor import environment
from tones import tone_speech

from vizinho.errors import ModelError
from vizinho.evaluation.score import error_rates
from vizinho.recognition.cache import cached_engine, key_of
from vizinho.recognition.engines import TorchEngine, load_export
from vizinho.recognition.export import export
from vizinho.recognition.graphs import GRAPHS, SETTINGS, TOKENS
from vizinho.recognition.recognizer import Recognizer


@pytest.fixture(scope="module")
def exported(tone_model, tmp_path_factory):
    folder = tmp_path_factory.mktemp("exports")
    return {precision: export(tone_model, folder / precision, precision) for precision in GRAPHS}


def test_int8_is_smaller_and_hears_nearly_the_same(exported):
    full, small = exported["fp32"], exported["int8"]
    assert full.largest_difference < 1e-4 < small.largest_difference
    assert small.megabytes < full.megabytes
    assert not (small.folder / GRAPHS["fp32"]).exists()
    text = "abc def"
    assert Recognizer.load(full.folder).transcribe(tone_speech(text)).text == text
    assert abs(len(Recognizer.load(small.folder).transcribe(tone_speech(text)).text) - len(text)) <= 2


def test_sherpa_onnx_reads_the_folder_and_hears_the_same_letters(exported):
    """Its features differ a little from ours, so a letter may; a wrong order of tokens would change them all."""
    sherpa_onnx = pytest.importorskip("sherpa_onnx")
    folder = exported["fp32"].folder
    assert (folder / TOKENS).read_text(encoding="utf-8").splitlines()[-1].startswith("<blk> ")
    recognizer = sherpa_onnx.OfflineRecognizer.from_nemo_ctc(
        model=str(folder / GRAPHS["fp32"]), tokens=str(folder / TOKENS), num_threads=1
    )
    ours = Recognizer.load(folder)
    theirs, mine = {}, {}
    for text in ["abc def", "fade bed", "bed cab", "deaf face"]:
        samples = tone_speech(text)
        stream = recognizer.create_stream()
        stream.accept_waveform(16_000, samples)
        recognizer.decode_stream(stream)
        theirs[text], mine[text] = stream.result.text.strip(), ours.transcribe(samples).text
    assert error_rates(mine, theirs)[0] < 0.3, (mine, theirs)


def test_an_existing_folder_is_not_overwritten(tone_model, exported):
    with pytest.raises(ModelError, match="exists"):
        export(tone_model, exported["fp32"].folder)


def test_broken_exports_are_named(exported, tmp_path):
    (tmp_path / SETTINGS).write_text("{}")
    with pytest.raises(ModelError, match="not an exported model"):
        load_export(tmp_path)
    settings = json.loads((exported["fp32"].folder / SETTINGS).read_text())
    (tmp_path / SETTINGS).write_text(json.dumps(settings))
    (tmp_path / GRAPHS["fp32"]).write_bytes(b"no graph")
    with pytest.raises(ModelError, match="cannot be loaded"):
        load_export(tmp_path)


def test_the_cache_is_made_once_mended_and_keyed_by_content(tone_model, tmp_path):
    samples = [tone_speech("abc")]
    home = tmp_path / "home"
    first = cached_engine(tone_model, home=home).log_probs(samples)[0]
    place = home / "exports" / key_of(tone_model)
    made = (place / GRAPHS["fp32"]).stat().st_mtime_ns
    assert np.array_equal(cached_engine(tone_model, home=home).log_probs(samples)[0], first)
    assert (place / GRAPHS["fp32"]).stat().st_mtime_ns == made
    (place / GRAPHS["fp32"]).write_bytes(b"cut off")
    assert np.array_equal(cached_engine(tone_model, home=home).log_probs(samples)[0], first)
    assert [p.name for p in (home / "exports").iterdir()] == [place.name]
    other = tmp_path / "other"
    other.mkdir()
    for file in tone_model.iterdir():
        (other / file.name).write_bytes(file.read_bytes())
    assert key_of(other) == key_of(tone_model)
    (other / "model.safetensors").write_bytes(b"else")
    assert key_of(other) != key_of(tone_model)


def test_a_cache_that_cannot_be_written_costs_only_time(tone_model, tmp_path):
    (tmp_path / "home").write_text("a file where the folder should be")
    assert cached_engine(tone_model, home=tmp_path / "home").log_probs([tone_speech("abc")])[0].size


def test_the_process_that_is_second_to_finish_takes_its_own(tone_model, tmp_path, monkeypatch):
    """Another export appears while ours is being made."""

    def slow(model, out, precision):
        made = export(model, out, precision)
        monkeypatch.setattr("vizinho.recognition.export.export", export)
        cached_engine(tone_model, home=tmp_path)
        return made

    monkeypatch.setattr("vizinho.recognition.export.export", slow)
    assert cached_engine(tone_model, home=tmp_path).blank == 0
    assert [p.name for p in (tmp_path / "exports").iterdir()] == [key_of(tone_model)]


def test_quantising_leaves_the_root_logger_as_it_was(tone_model, tmp_path):
    level = logging.getLogger().level
    export(tone_model, tmp_path / "export", "int8")
    assert logging.getLogger().level == level


def test_a_network_whose_export_computes_something_else_is_computed_in_torch(tone_model, monkeypatch):
    from vizinho.recognition import export as exporting

    monkeypatch.setattr(exporting, "TOLERANCE", -1.0)
    recognizer = Recognizer.load(tone_model)
    assert isinstance(recognizer.engine, TorchEngine)
    assert recognizer.transcribe(tone_speech("abc def")).text == "abc def"


def test_a_first_use_leaves_no_torch_in_memory(tone_model, tmp_path):
    program = (
        "import sys; from pathlib import Path; from vizinho.recognition.recognizer import Recognizer\n"
        "engine = Recognizer.load(Path(sys.argv[1])).engine\n"
        "print(type(engine).__name__, 'torch' in sys.modules, 'onnxruntime' in sys.modules)"
    )
    command = [sys.executable, "-c", program, str(tone_model)]
    done = subprocess.run(command, env=environment(VIZINHO_HOME=str(tmp_path)), capture_output=True, text=True)
    assert done.stdout.split() == ["OnnxEngine", "False", "True"], done.stderr
    assert not done.stderr  # which is no terminal
