"""The train part again in other voices: same words, other pitch and length, the same for the same seed."""

from dataclasses import replace

import numpy as np
import pytest
from tones import tone_corpus
from typer.testing import CliRunner

from vizinho.audio.io import SAMPLE_RATE, load_audio, save_audio
from vizinho.audio.other_voice import PITCH_HZ, other_voice
from vizinho.cli.main import app
from vizinho.corpora.manifest import read_manifest, write_manifest
from vizinho.corpora.revoice import revoice_corpus
from vizinho.errors import AudioError, CorpusError

parselmouth = pytest.importorskip("parselmouth")


def vowel(pitch: float, seconds: float = 0.6) -> np.ndarray:
    """(N,) samples of a buzz at a pitch in Hz, as vocal folds make it."""
    time = np.arange(int(seconds * SAMPLE_RATE)) / SAMPLE_RATE
    harmonics = [np.sin(2 * np.pi * pitch * n * time) / n for n in range(1, 20)]
    return (0.2 * np.sum(harmonics, axis=0) * np.hanning(time.size)).astype(np.float32)


def median_pitch(samples: np.ndarray) -> float:
    sound = parselmouth.Sound(samples.astype(np.float64), sampling_frequency=SAMPLE_RATE)
    found = sound.to_pitch(None, 60.0, 500.0).selected_array["frequency"]
    return float(np.median(found[found > 0]))


@pytest.mark.parametrize("pitch", [90.0, 130.0, 240.0])
def test_voices_have_pitches_of_the_whole_range(pitch):
    pitches = [median_pitch(other_voice(vowel(pitch), np.random.default_rng(seed))) for seed in range(12)]
    assert min(pitches) < 120 < 200 < max(pitches)
    assert all(PITCH_HZ[0] * 0.8 < found < PITCH_HZ[1] * 1.25 for found in pitches)


def test_a_voice_is_finite_and_never_too_loud_and_follows_its_generator():
    made = [other_voice(vowel(120.0), np.random.default_rng(3)) for _ in range(2)]
    assert np.array_equal(*made)
    assert made[0].dtype == np.float32 and np.isfinite(made[0]).all() and np.abs(made[0]).max() <= 0.9 + 1e-6
    assert not np.array_equal(made[0], other_voice(vowel(120.0), np.random.default_rng(4)))


@pytest.mark.parametrize("voiceless", [np.zeros(8000), np.random.default_rng(0).standard_normal(8000) * 0.1])
def test_what_has_no_pitch_is_refused(voiceless):
    with pytest.raises(AudioError, match="no pitch to change"):
        other_voice(voiceless.astype(np.float32), np.random.default_rng(1))


def test_a_recording_too_short_for_a_pitch_is_an_error_of_ours():
    with pytest.raises(AudioError, match="cannot change its voice"):
        other_voice(np.ones(100, np.float32) * 0.1, np.random.default_rng(1))


def test_only_train_is_said_again_with_texts_and_speakers_kept(tmp_path):
    utterances = read_manifest(tone_corpus(tmp_path, count=4, splits=("train", "dev", "test", "train")))
    made = revoice_corpus(utterances, tmp_path / "voices", copies=2).utterances
    train = [u for u in utterances if u.split == "train"]
    assert [u.text for u in made] == [u.text for u in train for _ in range(2)]
    assert {u.split for u in made} == {"train"}
    assert len({u.id for u in made}) == len({u.audio for u in made}) == 4
    assert [u.speaker for u in made] == [u.speaker for u in train for _ in range(2)]
    for utterance in made:
        assert utterance.duration_seconds == pytest.approx(load_audio(utterance.audio).size / SAMPLE_RATE, abs=1e-3)


def test_the_same_seed_gives_the_same_voices_and_goes_on_where_it_was(tmp_path):
    utterances = read_manifest(tone_corpus(tmp_path, count=2))
    first = revoice_corpus(utterances, tmp_path / "a").utterances
    gone = first[1].audio
    heard = gone.read_bytes()
    gone.unlink()
    times = first[0].audio.stat().st_mtime_ns
    assert revoice_corpus(utterances, tmp_path / "a").utterances == first
    assert gone.read_bytes() == heard and first[0].audio.stat().st_mtime_ns == times
    other = revoice_corpus(utterances, tmp_path / "b", seed=2).utterances
    assert other[0].audio.read_bytes() != first[0].audio.read_bytes()


def test_a_folder_with_voices_of_other_recordings_is_refused(tmp_path):
    utterances = read_manifest(tone_corpus(tmp_path, count=2))
    revoice_corpus(utterances, tmp_path / "voices")
    save_audio(utterances[0].audio, vowel(100.0))
    with pytest.raises(CorpusError, match="voices of other recordings"):
        revoice_corpus(utterances, tmp_path / "voices")


def test_an_id_with_slashes_writes_nothing_outside_the_folder(tmp_path):
    strange = [replace(u, id=f"../../{u.id}") for u in read_manifest(tone_corpus(tmp_path, count=1))]
    made = revoice_corpus(strange, tmp_path / "deep" / "down" / "voices").utterances
    assert made[0].audio.parent == tmp_path / "deep" / "down" / "voices" / "audio"


def test_the_command_names_what_it_left_out_and_keeps_the_rest(tmp_path):
    manifest = tone_corpus(tmp_path, count=3)
    utterances = read_manifest(manifest)
    save_audio(utterances[1].audio, np.ones(100, np.float32) * 0.1)
    write_manifest(manifest, utterances)
    done = CliRunner().invoke(app, ["corpus", "revoice", str(manifest), "--out", str(tmp_path / "voices")])
    assert done.exit_code == 0, done.output
    assert "2 utterances" in done.output and "1 skipped" in done.output
    assert f"skipped {utterances[1].id}: Praat cannot change its voice" in done.output
    assert len(read_manifest(tmp_path / "voices" / f"{manifest.stem}.voices.jsonl")) == 2


def test_without_a_train_part_it_says_so(tmp_path):
    utterances = read_manifest(tone_corpus(tmp_path, count=1, splits=("dev",)))
    with pytest.raises(CorpusError, match="no utterances in split 'train'"):
        revoice_corpus(utterances, tmp_path / "voices")
