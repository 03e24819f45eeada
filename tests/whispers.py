"""Whisper in CTranslate2 as its tests open it."""

import numpy as np
from tiny_whisper import lean, tiny_model

from vizinho.recognition.whisper import CTranslate2Engine, WhisperOptions
from vizinho.recognition.whisper_guards import Guards

OFF = Guards(least_speech=None, most_compression=None, least_log_prob=None, most_no_speech=None, tokens_per_second=None)
PLAIN = WhisperOptions(beam_size=1, temperatures=(), pooled=False, guards=OFF)
"""Greedy, in whole windows, without guards: what the official `generate` does."""


def noise(seconds, seed=0):
    return np.random.default_rng(seed).normal(0.0, 0.1, round(seconds * 16_000)).astype(np.float32)


NOISES = [noise(seconds, seed) for seed, seconds in enumerate((0.5, 1.7, 3.0, 6.2))]


def load(folder, options=PLAIN, **how):
    return CTranslate2Engine.load(folder, **{"compute_type": "float32", "options": options} | how)


def texts(engine, waveforms):
    return [" ".join(word.text for word in words) for words in engine.words(waveforms)]


def brief(tokenizer, seed, scale=2.0):
    """A network whose texts end by themselves after some tokens."""
    model = tiny_model(tokenizer, seed, scale)
    lean(model, tokenizer, "<|endoftext|>", 8.0)
    return model
