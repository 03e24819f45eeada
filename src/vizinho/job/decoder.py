"""Chooses a recogniser's search on dev: its weights, and which models take part: given ones, or of its own texts."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from vizinho.corpora.manifest import DEV_MINUTES, fingerprint, held_out_texts, to_choose_on
from vizinho.decoding.beam import letters_of
from vizinho.decoding.lm.mix import mix_files
from vizinho.decoding.lm.model import card_path, load_language_model
from vizinho.decoding.lm.train import LmOptions, Source, frequency_list, text_file, train_language_model
from vizinho.decoding.options import BeamOptions
from vizinho.decoding.setup import DecoderSpec
from vizinho.decoding.tune import RESCORE_TRIALS, Trial, best, grid_for, tune, tune_rescoring
from vizinho.errors import CorpusError, SpecError
from vizinho.evaluation.score import error_rates
from vizinho.g2p.words import is_listed
from vizinho.job.data import hold_out
from vizinho.job.heard import CandidatesOf, LogProbsOf
from vizinho.job.promote import normalizer_of
from vizinho.parallel import set_threads
from vizinho.progress import Event, unseen
from vizinho.recognition.recognizer import Recognizer
from vizinho.recognition.whisper_export import is_whisper
from vizinho.records import Utterance
from vizinho.store.card import Card

LIST_WORDS = 50_000  # of a language's frequent words: a model of some two megabytes
LIST_SHARE = 0.5  # of the list, where it is mixed with texts


@dataclass(frozen=True, slots=True)
class Tuned:
    """What some of the models bring with their best weights."""

    parts: str
    spec: DecoderSpec
    best: Trial
    trials: int


@dataclass(frozen=True, slots=True)
class Choice:
    """All that was tried on a dev set."""

    alone: Trial
    """Without any search: greedy, or as a network with a decoder writes by itself. Its options mean nothing."""
    tuned: tuple[Tuned, ...]
    """From the search alone to all models together."""
    chosen: Tuned
    note: Mapping[str, Any]
    """How it was chosen, for the decoder file."""


def with_trainings_dev(utterances: Sequence[Utterance], card: Card | None) -> Sequence[Utterance]:
    """The utterances; without a dev split, those that training held out of this corpus are in dev, as its card says."""
    if any(u.split == "dev" for u in utterances) or card is None or not card.data.get("dev_held_out"):
        return utterances
    train = [u for u in utterances if u.split == "train"]
    dev = {u.id for u in hold_out(train, card.seed)[1]} if train else set()
    return [replace(u, split="dev") if u.id in dev else u for u in utterances]


def spoken(folder: Path, card: Card | None, utterances: Callable[[], Sequence[Utterance]]) -> str | None:
    """What to tell a model of many languages: the corpus's, where no card says which one it was trained for."""
    return utterances()[0].lang if card is None and is_whisper(folder) else None


def of_split(utterances: Sequence[Utterance], split: str, minutes: float) -> Sequence[Utterance]:
    """At most `minutes` of a split, always the same utterances; 0 takes all.

    Raises SpecError for test, and CorpusError where there are none.
    """
    if split == "test":  # weights that are chosen on test make every later test score too good
        raise SpecError("weights are not chosen on test", where="lm tune", fix="use dev")
    chosen = [u for u in utterances if u.split == split]
    if not chosen:
        raise CorpusError(f"no utterances in split {split!r}", where="--corpus", fix="give a manifest that has it")
    return to_choose_on(chosen, minutes)


def choose_decoder(
    recognizer: Recognizer,
    utterances: Sequence[Utterance],
    spec: DecoderSpec,
    *,
    split: str = "dev",
    minutes: float = DEV_MINUTES,
    metric: str = "cer",
    threads: int = 1,
    show: Event = unseen,
) -> Choice:
    """Try the search alone, each language model, and both together, each with the weights that suit it.

    The best of them is then tried with the second language model of `spec`, where it has one; `threads` are for that.
    `minutes` of the split are used, 0 takes all. The network runs once, one with a decoder twice: by itself, and for
    the texts that language models choose from. Of sets with equal errors the smallest is chosen.

    Raises SpecError for the test split and for a network that writes one text, CorpusError for a split without text,
    and what `make_decoder` or `nbest_decoder` raises.
    """
    utterances = of_split(utterances, split, minutes)
    normalize = normalizer_of(recognizer, utterances)
    references = {u.id: text for u in utterances if (text := normalize(u.text))}  # no rate is defined without words
    second = spec.rescoring
    scorer = second.scorer(recognizer.normalizer) if second else None
    set_threads(threads)  # after torch, which only a second model brings
    heard = CandidatesOf(recognizer, utterances, spec) if recognizer.writes_words else LogProbsOf(recognizer)
    parts = _parts(spec, search_alone=not recognizer.writes_words)
    searches = {name: heard.decoder(part) for name, part in parts.items()}  # what is refused is refused before the work
    heard.listen([u for u in utterances if u.id in references], show)

    def texts(search: Any) -> dict[str, str]:
        return {name: normalize.recognised(text) for name, text in heard.texts(search).items()}

    alone = Trial(BeamOptions(), *error_rates(references, texts(None)))
    # A network with a decoder is taken as it is where no language model helps; the others search a beam even then.
    tuned = [Tuned("network alone", DecoderSpec(), alone, 1)] if recognizer.writes_words else []
    for name, search in searches.items():
        grid = grid_for(search)
        progress = partial(show, f"trying {name}", grid.trials)
        trials = tune(texts, references, search, grid, metric=metric, progress=progress)
        taken = best(trials, metric)
        tuned.append(Tuned(name, replace(parts[name], options=taken.options), taken, len(trials)))
    chosen = _smallest(tuned, metric)
    if second and scorer:
        first = searches.get(chosen.parts) or heard.decoder(chosen.spec)
        search = first.with_options(chosen.spec.options)
        progress = partial(show, "trying rescoring", RESCORE_TRIALS)
        trials = tune_rescoring(texts, references, search, scorer, second.options, metric=metric, progress=progress)
        taken = best(trials, metric)
        assert taken.rescoring is not None
        rescoring = replace(second, options=taken.rescoring)
        tuned.append(Tuned(f"{chosen.parts}, rescored", replace(chosen.spec, rescoring=rescoring), taken, len(trials)))
        chosen = _smallest(tuned, metric)
    taken = chosen.best
    rates = {t.parts: {"cer": t.best.cer, "wer": t.best.wer} for t in tuned}
    note = {
        "split": split, "data": fingerprint(utterances), "metric": metric, "utterances": len(references),
        "cer": taken.cer, "wer": taken.wer, "greedy_cer": alone.cer, "greedy_wer": alone.wer,
        "trials": sum(t.trials for t in tuned), "parts": rates,
    }  # fmt: skip
    return Choice(alone, tuple(tuned), chosen, note)


def model_of_texts(
    recognizer: Recognizer,
    utterances: Sequence[Utterance],
    place: Path,
    *,
    texts: Sequence[Path] = (),
    show: Event = unseen,
) -> None:
    """Train a model of words on what there is: the train split's texts, `texts`, and the language's frequent words.

    Lines of `texts` that equal a text of another split are left out. `place` is the ARPA file to write. The list of
    frequent words is a unigram model of its own, mixed in by half: Kneser-Ney counts the contexts of a word, and in a
    list each has one. Raises CorpusError where there is neither a text nor a list, TextError for an unreadable file.
    """
    normalize = recognizer.normalizer or normalizer_of(recognizer, utterances)
    letters = frozenset() if recognizer.writes_words else letters_of(recognizer.ctc.inventory)  # none: any letter
    train = [(u.text, 1) for u in utterances if u.split == "train"]
    sources = [Source("the train split", train, len(train))] if train else []
    sources += [text_file(path) for path in texts]
    language = utterances[0].lang
    if not sources and not is_listed(language):
        what = f"no train split and no list of words of {language!r}"
        raise CorpusError(what, where="corpus", fix="give sentences with --text, or a model with --lm")
    held_out = frozenset(held_out_texts(utterances, normalize))

    def learn(what: str, of: Sequence[Source], options: LmOptions, path: Path) -> None:
        progress = partial(show, f"learning {what}", sum(source.size for source in of))
        # Held-out lines leave the texts alone: a list of frequent words is nobody's transcript and keeps its words.
        train_language_model(path, of, options, normalize, letters, exclude=held_out, progress=progress)

    if sources:
        learn("sentences", sources, LmOptions(), place)
    if is_listed(language):
        words = place.with_suffix(".list.arpa") if sources else place
        learn("words", [frequency_list(language, most=LIST_WORDS)], LmOptions(order=1), words)
        if sources:
            # Read whole before it is written, so the mixture may take the first one's place.
            mix_files(place, words, 1 - LIST_SHARE, place, any_letters=not letters)
            words.unlink()
            card_path(words).unlink()


def _smallest(tuned: Sequence[Tuned], metric: str) -> Tuned:
    """The first of those with the fewest errors; they come from the smallest set to the largest."""
    taken = best([t.best for t in tuned], metric)
    return next(t for t in tuned if (t.best.cer, t.best.wer) == (taken.cer, taken.wer))


def _parts(spec: DecoderSpec, *, search_alone: bool) -> dict[str, DecoderSpec]:
    """The search alone, each model by itself, and both: a lexicon goes with the words."""
    spec = replace(spec, rescoring=None)
    units = {load_language_model(path).card.unit: path for path in spec.lms}
    parts = {"search alone": replace(spec, lms=(), lexicon=None)} if search_alone else {}
    if "char" in units:
        parts["characters"] = replace(spec, lms=(units["char"],), lexicon=None)
    if "word" in units:
        parts["words"] = replace(spec, lms=(units["word"],))
    if len(units) > 1:
        parts["words and characters"] = spec
    return parts
