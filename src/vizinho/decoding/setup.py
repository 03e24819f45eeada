"""Builds a beam search for a recogniser; reads and writes its settings as a decoder file."""

from __future__ import annotations

import json
import logging
import os
import shutil
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from vizinho.decoding.beam import BeamDecoder, letters_of
from vizinho.decoding.lexicon import read_lexicon
from vizinho.decoding.lm.model import LanguageModel, card_path, check_fits, load_language_model, quoted
from vizinho.decoding.options import BeamOptions
from vizinho.decoding.rescore import RescoreOptions, Rescoring, RescoringDecoder
from vizinho.errors import SpecError, TextError
from vizinho.files import write_json
from vizinho.text.normalize import Normalizer
from vizinho.text.tokens import TokenInventory

FORMAT = 1
OWN = "decoder"
"""Folder of a model's own decoder."""
log = logging.getLogger("vizinho.decoding.setup")


@dataclass(frozen=True, slots=True)
class DecoderSpec:
    """Everything that a beam search is built from."""

    lms: tuple[Path, ...] = ()
    """ARPA files: a word model, a character model, or one of each."""
    options: BeamOptions = field(default_factory=BeamOptions)
    hotwords: Mapping[str, float] = field(default_factory=dict)
    """Words and phrases as a user writes them, and the nats each is worth."""
    lexicon: Path | None = None
    """Words and how the network's letters spell them, where it is not as they are written."""
    rescoring: Rescoring | None = None
    """A neural language model that puts the best hypotheses in order."""
    listed: Mapping[str, float] = field(default_factory=dict)
    """Hotwords of lists, of which those that the recogniser cannot write are left out."""

    @property
    def files(self) -> tuple[Path, ...]:
        """All files that the search itself reads, but for cards."""
        return (*self.lms, *([self.lexicon] if self.lexicon else ()))


def make_decoder(spec: DecoderSpec, inventory: TokenInventory, normalizer: Normalizer | None) -> BeamDecoder:
    """A beam search for a recogniser with these tokens and the normaliser that its texts went through.

    Raises ModelError for a language model that is broken or was made for another alphabet or normaliser, SpecError for
    two of one unit, TextError for a hotword with letters that the recogniser cannot write.
    """
    letters = letters_of(inventory)
    models: dict[str, LanguageModel] = {}
    for path in spec.lms:
        model = load_language_model(path)
        spelt = letters if spec.lexicon is None else model.card.alphabet  # a lexicon spells in other letters
        check_fits(model.card, frozenset(spelt), normalizer.name if normalizer else None, path)
        if model.card.unit in models:
            what = f"a second language model of {model.card.unit}s"
            raise SpecError(what, where=path, fix="give one of words, one of chars")
        models[model.card.unit] = model
    return BeamDecoder(
        inventory,
        spec.options,
        words=models.get("word"),
        letters=models.get("char"),
        spellings=_spellings(spec.lexicon, letters) if spec.lexicon else None,
        hotwords={**_writable(spec.listed, letters, normalizer), **written(spec.hotwords, letters, normalizer)},
    )


def with_rescoring(
    beam: BeamDecoder, rescoring: Rescoring | None, normalizer: Normalizer | None
) -> BeamDecoder | RescoringDecoder:
    """A search with its second language model, where there is one. Raises ModelError for one that cannot be opened."""
    return RescoringDecoder(beam, rescoring.scorer(normalizer), rescoring.options) if rescoring else beam


def _spellings(path: Path, letters: frozenset[str]) -> dict[str, dict[str, float]]:
    """Spellings that the recogniser can write. Raises TextError where there are none."""
    lexicon = read_lexicon(path)
    spellings = {
        word: {spelling: cost for spelling, cost in of_word.items() if letters.issuperset(spelling)}
        for word, of_word in lexicon.items()
    }
    lost = [word for word, of_word in spellings.items() if not of_word]
    foreign = sorted({letter for word in lost for spelling in lexicon[word] for letter in spelling} - letters)
    if len(lost) == len(spellings):
        what = f"the recogniser cannot write one of its {len(lost):,} words: it lacks {quoted(foreign)}"
        raise TextError(what, where=path, fix="give words in the recogniser's letters, or spellings in them")
    if lost:
        what = f"{len(lost):,} of {len(spellings):,} words are left out, because the recogniser lacks {quoted(foreign)}"
        log.warning("%s: %s: %s", path, what, quoted(lost))
    return {word: of_word for word, of_word in spellings.items() if of_word}


def written(hotwords: Mapping[str, float], letters: frozenset[str], normalizer: Normalizer | None) -> dict[str, float]:
    """Hotwords as the recogniser writes them. Raises TextError for one that it cannot write."""
    boosts: dict[str, float] = {}
    for phrase, boost in hotwords.items():
        text = normalizer(phrase) if normalizer else " ".join(phrase.split())
        foreign = sorted(set(text) - letters - {" "})
        if not text or foreign:
            what = f"has {quoted(foreign)}, which the recogniser cannot write" if foreign else "holds no letters"
            raise TextError(f"hotword {phrase!r} {what}", fix="spell it with the recogniser's letters")
        boosts[text] = boost
    return boosts


def _writable(listed: Mapping[str, float], letters: frozenset[str], normalizer: Normalizer | None) -> dict[str, float]:
    """The hotwords of lists that the recogniser can write; a warning names the others. TextError for none at all."""
    boosts: dict[str, float] = {}
    lost = []
    for phrase, boost in listed.items():
        try:
            boosts |= written({phrase: boost}, letters, normalizer)
        except TextError:
            lost.append(phrase)
    if lost and not boosts:
        raise TextError(f"the recogniser cannot write one of {len(lost):,} hotwords", fix="spell them in its letters")
    if lost:
        log.warning("%d of %d hotwords are left out, as it cannot write %s", len(lost), len(listed), quoted(lost))
    return boosts


def write_decoder(path: Path, spec: DecoderSpec, chosen: Mapping[str, Any]) -> None:
    """Write a spec with a note on how it was chosen; paths become relative to the file."""
    # Relative paths, so that the file can be moved together with its models.
    lms = [_relative(lm, path) for lm in spec.lms]
    values = {"options": asdict(spec.options), "hotwords": dict(spec.hotwords), "chosen": dict(chosen)}
    lexicon = {"lexicon": _relative(spec.lexicon, path)} if spec.lexicon else {}
    second: dict[str, Any] = {}
    if spec.rescoring:
        folder, options = _relative(spec.rescoring.folder, path), asdict(spec.rescoring.options)
        second = {"rescoring": {"folder": folder, **options}}
    write_json(path, {"format": FORMAT, "lms": lms, **lexicon, **second, **values})


def _relative(file: Path, to: Path) -> str:
    return Path(os.path.relpath(file.resolve(), to.parent.resolve())).as_posix()


def own_decoder(folder: Path) -> Path | None:
    """The decoder file that belongs to a model folder; None without one."""
    path = folder / OWN / "decoder.json"
    return path if path.is_file() else None


def write_own_decoder(place: Path, spec: DecoderSpec, chosen: Mapping[str, Any]) -> None:
    """Write a decoder with copies of its files into a new folder."""
    place.mkdir(parents=True)
    copies: dict[Path, Path] = {}
    for number, file in enumerate(spec.files):
        copies[file] = place / f"{number}-{file.name}"  # two files may have one name
        shutil.copyfile(file, copies[file])
        if card_path(file).is_file():
            shutil.copyfile(card_path(file), card_path(copies[file]))
    lexicon = copies[spec.lexicon] if spec.lexicon else None
    rescoring = spec.rescoring
    if rescoring:
        rescoring = replace(rescoring, folder=place / "rescoring")
        rescoring.folder.mkdir()
        for file in spec.rescoring.files if spec.rescoring else ():
            shutil.copyfile(file, rescoring.folder / file.name)
    moved = replace(spec, lms=tuple(copies[lm] for lm in spec.lms), lexicon=lexicon, rescoring=rescoring)
    write_decoder(place / "decoder.json", moved, chosen)


def read_decoder(path: Path) -> DecoderSpec:
    """Read a decoder file. Raises SpecError for a missing or malformed one, unknown keys and impossible values."""
    try:
        row = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise SpecError(f"cannot read the decoder file ({error.strerror})", where=path, fix="check the path") from error
    except ValueError as error:
        raise SpecError(f"not a JSON file ({error})", where=path, fix="write it with `vizinho lm tune`") from error
    keys = {"format", "lms", "lexicon", "options", "hotwords", "rescoring", "chosen"}
    if not isinstance(row, dict) or row.get("format") != FORMAT or set(row) - keys:
        extra = sorted(set(row) - keys) if isinstance(row, dict) else []
        what = f"unknown keys {', '.join(extra)}" if extra else f"no decoder file of format {FORMAT}"
        raise SpecError(what, where=path, fix="write it with `vizinho lm tune`")
    try:
        options = BeamOptions(**row.get("options", {}))
        hotwords = {str(w): float(b) for w, b in row.get("hotwords", {}).items()}
        lms = tuple(path.parent / lm for lm in row.get("lms", []))
        lexicon = path.parent / row["lexicon"] if row.get("lexicon") else None
        rescoring = _rescoring(path.parent, **row["rescoring"]) if row.get("rescoring") else None
    except (TypeError, ValueError, AttributeError) as error:
        fix = f"options are {', '.join(BeamOptions.names())}"
        raise SpecError(f"a wrong value ({error})", where=path, fix=fix) from error
    return DecoderSpec(lms, options, hotwords, lexicon=lexicon, rescoring=rescoring)


def _rescoring(parent: Path, *, folder: str, **options: Any) -> Rescoring:
    return Rescoring(parent / folder, RescoreOptions(**options))
