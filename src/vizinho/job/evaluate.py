"""Models at work, by name: load one, transcribe with it, score it on a corpus. The scores of a test set are kept."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from vizinho.audio.blocks import mono, read_blocks
from vizinho.corpora.manifest import read_manifest, select
from vizinho.errors import CorpusError, StoreError
from vizinho.evaluation.significance import Comparison, compare
from vizinho.job.data import as_manifest
from vizinho.job.promote import card_score, normalizer_of, scored, scored_as_written, with_text
from vizinho.progress import Advance, Event, unseen
from vizinho.recognition.numerals import transcript_with_digits
from vizinho.recognition.recognizer import Recognizer
from vizinho.records import Scores, Transcript, Utterance
from vizinho.store.pins import pin
from vizinho.store.store import Store
from vizinho.text_models.search import own_search

if TYPE_CHECKING:
    from vizinho.decoding.setup import DecoderSpec


@dataclass(frozen=True, slots=True)
class Evaluation:
    """Scores of a model on a split of a corpus."""

    scores: Scores
    split: str | None
    skipped: tuple[str, ...]
    """Ids of utterances without text after normalising."""
    greedy: Scores | None = None
    """Without the beam search, or the language models of a network with a decoder, where there are any."""
    comparison: dict[str, Comparison] | None = None
    """With them against without, paired by utterance: "cer" and "wer"."""
    written: Scores | None = None
    """With capitals and marks on both sides, of a recogniser that writes any."""
    pinned: bool = False
    """Whether the corpus is the pinned test set of the model's name."""
    remarks: tuple[str, ...] = ()


def load(
    model: str | Path,
    *,
    engine: str = "onnx",
    threads: int = 1,
    search: DecoderSpec | None = None,
    store: Store | None = None,
) -> Recognizer:
    """Open a model as `vizinho transcribe` does.

    Args:
        model: NAME, NAME@VERSION, a folder or a hub id.
        engine: "onnx", or "torch" for the network as it was trained.
        threads: Threads of onnxruntime.
        search: A beam search; the model's own decoder if not given, greedy decoding where it has none.
        store: Where models live; the user's store if not given.

    Raises StoreError and ModelError for a model that is not there or broken.
    """
    folder = (store or Store()).resolve(str(model))
    return Recognizer.load(folder, engine, threads=threads, search=search or own_search(folder))


def transcribe(model: str | Path | Recognizer, audio: str | Path, *, numerals: str = "") -> Transcript:
    """Transcribe one file of any length, with a model or a loaded recogniser. Raises AudioError as reading does.

    `numerals` names the language whose numbers are written in digits; they stay words if it is not given.
    """
    recognizer = model if isinstance(model, Recognizer) else load(model)
    transcript = recognizer.transcribe(map(mono, read_blocks(Path(audio))), str(audio))
    return transcript_with_digits(transcript, numerals) if numerals else transcript


def evaluate(
    model: str | Path,
    corpus: str | Path,
    *,
    split: str | None = None,
    cluster: bool = False,
    recognizer: Recognizer | None = None,
    store: Store | None = None,
    show: Event = unseen,
) -> Evaluation:
    """Score a model as it transcribes: same engine, same cutting of long recordings.

    A score on a test split goes into the card of a model of the store, and a name's first test set is pinned to it.

    Args:
        model: NAME, NAME@VERSION or a folder.
        corpus: A manifest, or a corpus in another format (docs/corpora.md), which is read once.
        split: Only this split; test if the manifest has one, else everything.
        cluster: Resample speakers instead of utterances for intervals and tests.
        recognizer: The model as it is to decode, where it is loaded already; with a beam search it is scored without
            it too, on the same log-probabilities.
        store: Where models live; the user's store if not given.
        show: Told of the progress, by utterances.

    Raises CorpusError where no utterance has text, and what loading raises.
    """
    store = store or Store()
    corpus, card = Path(corpus), store.card(str(model))
    if card is not None:  # without a card nobody knows the language, and reading the manifest says what to do
        corpus = as_manifest(corpus, card.language, store.home, board=lambda: nullcontext(show))
    # A manifest without splits is scored whole; one with a test split never by its train part.
    utterances = read_manifest(corpus)
    if split is None and any(u.split == "test" for u in utterances):
        split = "test"
    utterances = select(utterances, split=split)
    recognizer = recognizer or load(model, store=store)
    normalize = normalizer_of(recognizer, utterances)
    chosen = with_text(utterances, normalize)
    if not chosen:
        raise CorpusError("no utterance has text", where=corpus, fix="run `vizinho corpus check`")
    skipped = tuple(sorted({u.id for u in utterances} - {u.id for u in chosen}))
    alone = recognizer.alone()
    # A network with a decoder runs once for each way.
    runs = 1 if alone is recognizer or not recognizer.writes_words else 2
    progress = partial(show, "transcribing", runs * len(chosen))
    progress(0, "")
    # The network alone first: it is what a card keeps, so that versions stay comparable whatever decoder comes later.
    ways = _texts([alone] if alone is recognizer else [alone, recognizer], chosen, progress)
    greedy, *searched = (scored(texts, chosen, normalize, cluster=cluster) for texts in ways)
    written = scored_as_written(ways[-1], chosen, normalize, cluster=cluster)
    pinned, remarks = _keep(store, str(model), corpus, split, greedy)
    if not searched:
        return Evaluation(greedy, split, skipped, pinned=pinned, remarks=remarks, written=written)
    comparison = {m: compare(searched[0].errors, greedy.errors, metric=m, cluster=cluster) for m in ("cer", "wer")}
    return Evaluation(searched[0], split, skipped, greedy, comparison, written, pinned, remarks)


def _texts(ways: Sequence[Recognizer], utterances: Sequence[Utterance], progress: Advance) -> list[dict[str, str]]:
    """Texts by id of each way to decode with one network."""
    if ways[0].writes_words:
        return [{i: t.text for i, t in way.transcribe_corpus(utterances, progress).items()} for way in ways]
    # Log-probabilities are the expensive part: every way of decoding reads the same ones.
    texts: list[dict[str, str]] = [{} for _ in ways]
    for acoustics in ways[0].corpus_log_probs(utterances, progress):
        for way, by_id in zip(ways, texts, strict=True):
            by_id[acoustics.id] = way.decode(acoustics).text
    return texts


def _keep(store: Store, model: str, corpus: Path, split: str | None, scores: Scores) -> tuple[bool, tuple[str, ...]]:
    """Write a test score into the model's card and pin the name's first test set; a read-only store is only remarked.

    Returns whether the corpus is the name's pinned test set, and remarks.
    """
    entry = store.find(model)
    if entry is None or entry.bundled or split != "test":
        return False, ()
    try:
        pinned = pin(store, entry.name, corpus, split, replace=False)
        store.add_score(entry.ref, card_score(scores, split, corpus.name))
    except StoreError as error:
        return False, (f"the score is not kept: {error}",)
    if pinned.corpus != str(corpus.resolve()):
        return False, ()
    return True, (f"{corpus} is the pinned test set of {entry.name}: new versions are measured on it",)
