"""Tiny encoders for tests: a joint vocabulary of a few sentences and a BERT with fresh weights."""

from functools import lru_cache

from vizinho.text_models.masked import MaskedOptions, new_model
from vizinho.vectors.pieces import train_pieces

SPANISH = ["la casa es grande", "el perro come pan", "la niña lee un libro", "el gato duerme en la casa", "hay pan"]
PORTUGUESE = ["a casa é grande", "o cachorro come pão", "a menina lê um livro", "o gato dorme na casa", "há pão"]
PAIRS = list(zip(SPANISH, PORTUGUESE, strict=True))
SMALL = MaskedOptions(
    dim=16,
    layers=2,
    heads=2,
    vocabulary=90,
    batch_pieces=128,
    start_from_word2vec=False,
    steps=4,
    evaluate_every=2,
    checkpoint_every=2,
)


@lru_cache(maxsize=1)
def tokenizer():
    return train_pieces(SPANISH + PORTUGUESE, SMALL.vocabulary)


def model():
    return new_model(tokenizer(), SMALL).eval()
