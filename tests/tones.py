"""A tiny language in which every letter is a tone: real audio that a tiny network can learn in seconds."""

from pathlib import Path

import numpy as np

from vizinho.audio.io import SAMPLE_RATE, save_audio
from vizinho.corpora.manifest import write_manifest
from vizinho.recognition.one_text import OneText
from vizinho.recognition.vad import WINDOW_SAMPLES
from vizinho.records import Utterance, Word

TONES = {letter: 220.0 * 1.25**place for place, letter in enumerate("abcdefgh ")}
"""In the tone language every letter is a tone of 0.12 s, so a network can learn it from few utterances."""
SYLLABLE_SECONDS = 0.12


def tone_speech(text: str, seed: int = 0) -> np.ndarray:
    """(N,) samples in which each letter is its tone, with a little noise."""
    time = np.arange(int(SYLLABLE_SECONDS * SAMPLE_RATE)) / SAMPLE_RATE
    parts = [0.4 * np.sin(2 * np.pi * TONES[c] * time) * np.hanning(time.size) for c in text]
    noise = np.random.default_rng(seed).standard_normal(time.size * len(text)) * 0.003
    return (np.concatenate(parts) + noise).astype(np.float32)


def tone_corpus(
    folder: Path, *, count: int, lang: str = "pt", letters: str = "abcdefgh", seed: int = 0, splits=("train",)
) -> Path:
    """A manifest of `count` utterances of two short words in the tone language, spread over `splits`."""
    rng = np.random.default_rng(seed)
    utterances = []
    for number in range(count):
        words = ["".join(rng.choice(list(letters), size=rng.integers(2, 5))) for _ in range(2)]
        text, name = " ".join(words), f"{lang}-{number:03d}"
        samples = tone_speech(text, seed=number)
        save_audio(folder / "audio" / f"{name}.wav", samples)
        split = splits[number % len(splits)]
        utterances.append(
            Utterance(
                name,
                folder / "audio" / f"{name}.wav",
                text,
                lang,
                f"{split}-speaker",
                samples.size / SAMPLE_RATE,
                split,
            )
        )
    write_manifest(folder / f"{lang}.jsonl", utterances)
    return folder / f"{lang}.jsonl"


class ToneWords(OneText):
    """A recogniser of the tone language by rule, which writes words by itself as a network with a decoder does."""

    max_seconds = 30.0

    def words(self, waveforms):
        return [self._words(samples) for samples in waveforms]

    def expecting(self, hotwords):
        return self

    def _words(self, samples):
        step = int(SYLLABLE_SECONDS * SAMPLE_RATE)
        loud = np.flatnonzero(np.abs(samples) > 0.03)
        start = int(loud[0]) // 160 * 160 if loud.size else samples.size
        letters = [_letter(samples[at : at + step]) for at in range(start, samples.size - step // 2, step)]
        words, text, begun = [], "", 0
        for place, letter in enumerate([*letters, " "]):
            if letter != " ":
                begun = begun if text else place
                text += letter
            elif text:
                times = [(start + n * step) / SAMPLE_RATE for n in (begun, place)]
                words.append(Word(text, times[0], min(times[1], samples.size / SAMPLE_RATE), 0.9))
                text = ""
        return words


def _letter(samples):
    """The letter of a syllable; a space where it is silent."""
    if np.abs(samples).max(initial=0.0) < 0.1:
        return " "
    spectrum = np.abs(np.fft.rfft(samples * np.hanning(samples.size), 1 << 14))
    pitch = spectrum.argmax() * SAMPLE_RATE / (1 << 14)
    return min(TONES, key=lambda letter: abs(TONES[letter] - pitch))


class Loudness:
    """A detector of speech for the tone language, in which whatever is loud is speech."""

    def __init__(self):
        self._rest = np.zeros(0, np.float32)

    def feed(self, samples):
        audio = np.concatenate([self._rest, samples])
        count = audio.size // WINDOW_SAMPLES
        self._rest = audio[count * WINDOW_SAMPLES :]
        return (np.abs(audio[: count * WINDOW_SAMPLES]).reshape(count, WINDOW_SAMPLES).max(axis=1) > 0.05).astype(float)
