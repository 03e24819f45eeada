"""A tagger of a language with simple rules: names have capitals, "hoje" a comma, questions begin with "onde"."""

import random
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import torch

from vizinho.text.normalize import get_normalizer
from vizinho.text_models.lstm_task import LmOptions
from vizinho.text_models.punctuation import Punctuation, load_punctuation
from vizinho.text_models.punctuation_job import TaggerJob, make_punctuation


def lines(count: int, seed: int = 1) -> list[str]:
    draw = random.Random(seed)
    made = []
    for _ in range(count):
        name, thing = draw.choice(["Rui", "Ana", "Lena", "Paulo"]), draw.choice(["pão", "peixe", "arroz"])
        made.append(draw.choice([f"Hoje, {name} come {thing}.", f"Onde está {name}?", f"O {thing} é de {name}."]))
    return made


def train(folder: Path, *, lang: str = "pt", donor: Path | None = None, steps: int = 40) -> dict:
    text = folder / f"{lang}.txt"
    text.write_text("\n".join(lines(400)) + "\n")
    options = LmOptions(steps=steps, learning_rate=3e-3, batch_words=480, evaluate_every=steps, checkpoint_every=steps)
    job = TaggerJob((text,), get_normalizer(lang), donor=donor, options=options)
    return make_punctuation(job, folder / f"{lang}-tagger", fresh=True)


@cache
def tagger() -> Punctuation:
    torch.set_num_threads(1)
    with TemporaryDirectory() as folder:
        train(Path(folder))
        return load_punctuation(Path(folder) / "pt-tagger")
