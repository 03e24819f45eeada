"""A made-up language with a grammar, small enough for a network to learn in a second."""

import random

from vizinho.text.normalize import get_normalizer
from vizinho.text_models.lstm import Architecture, build
from vizinho.text_models.lstm_folder import TrainedModel
from vizinho.text_models.lstm_scores import letter_shares
from vizinho.text_models.words import character_list, word_list

SUBJECTS, VERBS, OBJECTS = ["gato", "menina", "velho"], ["come", "vende", "compra"], ["manga", "carta", "pão"]
FORWARD = Architecture(width=12, hidden=12, layers=1, dropout=0.1)
TWO_WAY = Architecture(
    "characters", two_way=True, width=8, hidden=12, layers=2, dropout=0.0, filters=(6, 6), character_width=6
)


def sentences(count=200, seed=1):
    """Subject, verb, object; the verb follows from the subject, so that there is something to learn."""
    chance = random.Random(seed)
    made = []
    for _ in range(count):
        who = chance.randrange(3)
        made.append(["o", SUBJECTS[who], VERBS[who], chance.choice(OBJECTS)])
    return made


def fresh(shape=FORWARD, seed=1, texts=None):
    texts = texts or sentences()
    words = word_list(texts, 100)
    characters = character_list(texts) if shape.encoder == "characters" else None
    model = build(shape, len(words), len(characters) if characters else None, seed).eval()
    return TrainedModel(model, words, characters, get_normalizer("pt"), letter_shares(texts))
