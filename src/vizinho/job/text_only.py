"""A first recogniser of a language from text alone: a neighbour's network, and words spelt as the neighbour hears them.

Nothing is trained. The network writes the neighbour's letters; a lexicon says which word each spelling is.
"""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from datetime import UTC, datetime

from vizinho.decoding.lexicon import write_lexicon
from vizinho.decoding.lm.counts import SPECIAL
from vizinho.decoding.lm.model import load_language_model
from vizinho.decoding.lm.train import LmOptions, Source, train_language_model
from vizinho.decoding.options import BeamOptions
from vizinho.decoding.setup import DecoderSpec, write_own_decoder
from vizinho.errors import ModelError, SpecError, TextError
from vizinho.files import scratch_folder
from vizinho.g2p.respell import spellings_of
from vizinho.job.card import machine, software
from vizinho.model.checkpoint import weights_digest
from vizinho.progress import board, unseen
from vizinho.recognition.graphs import SETTINGS
from vizinho.recognition.recognizer import Recognizer
from vizinho.store.card import CARD, DECODER, README, Card
from vizinho.store.store import Store
from vizinho.text.alphabets import alphabet
from vizinho.text.normalize import get_normalizer

OPTIONS = BeamOptions(lm_weight=0.3, unknown_words=False)
"""The network knows no letter of the target that the donor lacks, so unknown words would be in the donor's spelling."""


@dataclass(frozen=True, slots=True)
class TextOnly:
    """The new version, and how many words it knows."""

    ref: str
    words: int
    without_spelling: tuple[str, ...]
    """Words of the text that the donor's letters cannot spell."""


def transfer_text(
    donor: str,
    *,
    to: str,
    texts: Sequence[Source],
    donor_language: str | None = None,
    name: str | None = None,
    store: Store | None = None,
    command: Sequence[str] = (),
    quiet: bool = False,
) -> TextOnly:
    """Publish a donor's network with a lexicon of the target, made of its texts alone.

    `vizinho lm tune` chooses the weights where there is speech to choose on. Raises ModelError for a donor that gives
    no log-probabilities, SpecError where the donor's language is not known, TextError for texts without words, and
    VizinhoError for a language without a voice.
    """
    store, name = store or Store(), name or to.lower()
    store.check_name(name)
    folder, card = store.resolve(donor), store.card(donor)
    spoken = donor_language or (card.language if card else None)
    if spoken is None:
        raise SpecError("the donor's language is not known", where=donor, fix="give it with --from")
    if not folder.is_dir() or (folder / SETTINGS).is_file():
        raise ModelError("it is no folder of a network", where=folder, fix="give a version or a model folder")
    letters = Recognizer.load(folder, "torch").ctc.inventory.letters
    normalize = get_normalizer(to)
    with scratch_folder(store.home / "runs", name) as place, nullcontext(unseen) if quiet else board() as show:
        lm = place / "words.arpa"
        train_language_model(lm, texts, LmOptions(order=3), normalize, alphabet(to))
        words = [word for word in load_language_model(lm).unigrams if word not in SPECIAL]
        spelt = spellings_of(
            words, to, spoken, set("".join(letters)), lambda amount, note: show("spelling", len(words), amount, note)
        )
        lost = tuple(word for word, spellings in spelt.items() if not spellings)
        if len(lost) == len(words):
            raise TextError("no word of the texts can be spelt", where=donor, fix=f"give texts in {to}")
        write_lexicon(place / "spellings.tsv", {word: s for word, s in spelt.items() if s})
        model = place / "model"
        shutil.copytree(folder, model, ignore=shutil.ignore_patterns(CARD, README, DECODER, ".*"))
        spec = DecoderSpec((lm,), OPTIONS, lexicon=place / "spellings.tsv")
        note = {"donor": donor, "words": len(words) - len(lost), "without_spelling": len(lost)}
        write_own_decoder(model / DECODER, spec, note)
        ref = store.add(name, model, Card(
            name=name, language=to, created=datetime.now(UTC).isoformat(timespec="seconds"), tokens=len(letters),
            steps=0, seed=0, **normalize.recorded(), command=list(command), software=software(), machine=machine(),
            donor={"ref": donor, "language": spoken, "weights_sha256": weights_digest(folder)},
            notes=f"From text alone: {len(words) - len(lost):,} words in the spelling of {spoken}, nothing trained.",
            licence=card.licence if card else "",
        ))  # fmt: skip
    return TextOnly(ref, len(words) - len(lost), lost)
