"""Whisper is converted once, whoever needs it, and broken folders are refused."""

import json
import os
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from tiny_whisper import tiny_whisper
from whispers import NOISES, OFF, load, texts

from vizinho.errors import ModelError
from vizinho.recognition.whisper import WhisperOptions


def test_a_converted_model_is_found_again(models, home, monkeypatch):
    load(models[0][0])
    monkeypatch.setattr("vizinho.recognition.cache._make", None)  # nothing is converted a second time
    assert texts(load(models[0][0]), NOISES)


def test_where_nothing_can_be_stored_it_is_converted_for_the_process(models, loops, tmp_path, monkeypatch):
    blocked = tmp_path / "file"
    blocked.write_text("a home that is no folder")
    options = WhisperOptions(1, (1.0,), guards=replace(OFF, most_compression=2.4))
    expected = texts(load(loops, options), NOISES)
    monkeypatch.setenv("VIZINHO_HOME", str(blocked / "home"))
    # Another network is opened from the same files for drawing, when the folder is gone.
    assert texts(load(loops, options), NOISES) == expected


def test_a_damaged_conversion_is_made_again(tmp_path, home):
    folder = tiny_whisper(tmp_path / "m", seed=9, language="pt")
    before = set((home / "exports").iterdir()) if (home / "exports").is_dir() else set()
    expected = texts(load(folder), NOISES)
    (place,) = set((home / "exports").iterdir()) - before
    (place / "model.bin").write_bytes(b"half")
    assert texts(load(folder), NOISES) == expected


def test_several_processes_may_convert_at_once(tmp_path):
    folder = tiny_whisper(tmp_path / "m", seed=8, language="pt")
    code = (
        "import sys; from pathlib import Path; from vizinho.recognition.whisper import CTranslate2Engine;"
        "CTranslate2Engine.load(Path(sys.argv[1]));"
        "assert 'torch' not in sys.modules and 'transformers' not in sys.modules"
    )
    environment = os.environ | {"VIZINHO_HOME": str(tmp_path / "home"), "PYTHONPATH": os.pathsep.join(sys.path)}
    running = [
        subprocess.Popen([sys.executable, "-c", code, str(folder)], env=environment, stderr=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    assert [process.communicate()[1] for process in running] == ["", ""]
    assert len([p for p in (tmp_path / "home" / "exports").iterdir() if not p.name.startswith(".")]) == 1


def without_tokenizer(folder):
    (folder / "tokenizer.json").unlink()


def half_written(folder):
    path = folder / "model.safetensors"
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def a_pointer(folder):
    (folder / "model.safetensors").write_text("version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n")


def of_another_size(folder):
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {"decoder_layers": 3}))


def an_adapter(folder):
    (folder / "config.json").unlink()
    (folder / "adapter_config.json").write_text("{}")


@pytest.mark.parametrize("harm", [without_tokenizer, half_written, a_pointer, of_another_size, an_adapter])
def test_broken_folders_are_refused_in_one_line(loops, tmp_path, harm):
    folder = Path(shutil.copytree(loops, tmp_path / "m"))
    harm(folder)
    with pytest.raises(ModelError, match=str(folder)) as refusal:
        load(folder)
    assert "\n" not in str(refusal.value) and "->" in str(refusal.value)


def test_a_conversion_can_be_read_as_a_model(models, tmp_path):
    from vizinho.recognition.whisper_export import export

    export(models[0][0], tmp_path / "out", "float32")
    assert texts(load(tmp_path / "out"), NOISES) == texts(load(models[0][0]), NOISES)
