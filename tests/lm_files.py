"""Small language models on disk and small utterances for tests of decoding."""

import numpy as np

from vizinho.decoding.lm.model import load_language_model
from vizinho.decoding.lm.train import LmOptions, Source, train_language_model
from vizinho.text.normalize import get_normalizer
from vizinho.text.tokens import character_tokenizer, inventory_of

LETTERS = "aceoprst"
INVENTORY = inventory_of(character_tokenizer(LETTERS))


def lm_file(path, *lines, letters=LETTERS, unit="word", order=2, lang="pt"):
    source = Source(path.name, [(line, 1) for line in lines])
    train_language_model(path, [source], LmOptions(unit, order), get_normalizer(lang), letters)
    return path


def lm(path, *lines, **options):
    return load_language_model(lm_file(path, *lines, **options))


def noise(seed, frames, width=len(INVENTORY.tokens)):
    """(T, V) log-probabilities that mean nothing."""
    values = np.random.default_rng(seed).standard_normal((frames, width)).astype(np.float32) * 2
    return values - np.log(np.exp(values).sum(axis=1, keepdims=True))


def heard(text, *, doubt=(), inventory=INVENTORY):
    """Log-probabilities of a text, a blank after each letter; `doubt` are (place, letter, probability) of others."""
    rows = np.full((2 * len(text), len(inventory.tokens)), 1e-4)
    for place, letter in enumerate(text):
        rows[2 * place, inventory.index("|" if letter == " " else letter)] = 1.0
        rows[2 * place + 1, inventory.roles.index("blank")] = 1.0
    for place, letter, probability in doubt:
        rows[2 * place] *= 1 - probability
        rows[2 * place, inventory.index("|" if letter == " " else letter)] = probability
    return np.log(rows / rows.sum(axis=1, keepdims=True)).astype(np.float32)
