"""`vizinho evaluate`: CER and WER of a model on a corpus, with intervals and a signature."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from vizinho.cli import decoding as options
from vizinho.cli.emit import emit
from vizinho.cli.options import AsJson, Corpus, Engine, Model, Split, Threads
from vizinho.errors import CorpusError

if TYPE_CHECKING:
    from vizinho.progress import Advance
    from vizinho.recognition.recognizer import Recognizer
    from vizinho.records import Scores, Utterance
    from vizinho.store.store import Store


def evaluate(
    model: Model,
    corpus: Corpus,
    split: Split = None,
    cluster: Annotated[
        bool, typer.Option("--cluster", help="Resample speakers instead of utterances for the intervals.")
    ] = False,
    lms: options.Lms = None,
    lm_weight: options.LmWeight = None,
    word_score: options.WordScore = None,
    letter_score: options.LetterScore = None,
    beam_width: options.BeamWidth = None,
    hotwords: options.HotwordList = None,
    decoder: options.DecoderFile = None,
    rescore: Annotated[
        Path | None,
        typer.Option("--rescore", help="Folder of a neural language model that reorders the best hypotheses."),
    ] = None,
    rescore_weight: Annotated[float, typer.Option("--rescore-weight", help="Weight of its log-probabilities.")] = 0.3,
    engine: Engine = "onnx",
    threads: Threads = 1,
    as_json: AsJson = False,
) -> None:
    """Score a model as `vizinho transcribe` decodes with it: same engine, same cutting of long recordings.

    Utterances whose text is empty after normalising are reported and skipped. With a language model, hotwords or a
    decoder file the model is scored without them too, on the same utterances.
    """
    from vizinho.job.promote import scored, with_text
    from vizinho.progress import bar
    from vizinho.recognition.files import Work
    from vizinho.store.store import Store

    store = Store()
    folder = store.resolve(model)
    split, utterances = _utterances(corpus, split)
    chosen = with_text(utterances)
    empty = sorted({u.id for u in utterances} - {u.id for u in chosen})
    for id_ in empty:
        typer.echo(f"left out {id_}: no text after normalising", err=True)
    if not chosen:
        raise CorpusError("no utterance has text", where=corpus, fix="run `vizinho corpus check`")
    spec = options.spec_of(lms, lm_weight, word_score, letter_score, beam_width, hotwords, decoder)
    spec = spec or (options.beam_alone() if rescore else None)
    recognizer = Work(folder, engine, threads, decoder=spec).open()
    recognizer = options.rescoring(recognizer, rescore, rescore_weight) if rescore else recognizer
    with bar("transcribing", len(chosen)) as advance:
        scores = [scored(texts, chosen, cluster=cluster) for texts in _texts(recognizer, chosen, advance)]
    made = {"model": model, "corpus": str(corpus), "split": split, "left_out": empty, **_compared(scores, cluster)}
    made["pinned"] = _keep(store, model, corpus, split, scores[0])
    if spec:
        made["decoder"] = {"lms": [str(p) for p in spec.lms], **asdict(spec.options), "hotwords": dict(spec.hotwords)}
        if rescore:
            made["decoder"] |= {"rescore": str(rescore), "rescore_weight": rescore_weight}
    emit(made, as_json, _lines(made))


def _utterances(corpus: Path, split: str | None) -> tuple[str | None, list[Utterance]]:
    """The split that is scored, and its utterances."""
    from vizinho.corpora.manifest import read_manifest, select

    utterances = read_manifest(corpus)
    if split is None and any(u.split == "test" for u in utterances):
        split = "test"
    return split, select(utterances, split=split)


def _texts(recognizer: Recognizer, chosen: list[Utterance], progress: Advance) -> list[dict[str, str]]:
    """Texts by id of greedy decoding and, where there is a decoder, of that; the network runs once for both."""
    ways = [recognizer.with_decoder(None)] + [recognizer] * (recognizer.decoder is not None)
    texts: list[dict[str, str]] = [{} for _ in ways]
    for acoustics in recognizer.corpus_log_probs(chosen, progress):
        for way, by_id in zip(ways, texts, strict=True):
            by_id[acoustics.id] = way.decode(acoustics).text
    return texts


def _keep(store: Store, model: str, corpus: Path, split: str | None, scores: Scores) -> bool:
    """Write a test score into the card of a model of the store; a name's first test set is pinned to it.

    Returns whether the corpus is the name's pinned test set. A store that cannot be written is said and left alone.
    """
    from vizinho.errors import StoreError
    from vizinho.job.promote import card_score
    from vizinho.store.pins import pin

    entry = store.find(model)
    if entry is None or entry.bundled or split != "test":
        return False
    try:
        held = pin(store, entry.name, corpus, split, replace=False)
        store.add_score(entry.ref, card_score(scores, split, corpus.name))
    except StoreError as error:
        typer.echo(f"the score is not kept: {error}", err=True)
        return False
    mine = held.corpus == str(corpus.resolve())
    if mine:
        typer.echo(f"{corpus} is the pinned test set of {entry.name}: new versions are measured on it", err=True)
    return mine


def _compared(scores: list[Scores], cluster: bool) -> dict[str, Any]:
    """Scores of the last way of decoding and, if it is not the only one, of the greedy one with a paired test."""
    from vizinho.evaluation.score import as_json
    from vizinho.evaluation.significance import compare

    made = as_json(scores[-1], per_utterance=False)
    if len(scores) > 1:
        greedy, other = scores[0], scores[-1]
        made["greedy"] = as_json(greedy, per_utterance=False)
        made["comparison"] = {
            metric: asdict(compare(other.errors, greedy.errors, metric=metric, cluster=cluster))
            for metric in ("cer", "wer")
        }
    return made


def _lines(made: dict[str, Any]) -> Iterator[str]:
    for name in ("cer", "wer"):
        low, high = made[f"{name}_ci"]
        yield f"{name.upper()} {made[name]:.3f}  (95 % interval {low:.3f} to {high:.3f})"
        if "greedy" in made:
            low, high = made["greedy"][f"{name}_ci"]
            yield f"  greedy {made['greedy'][name]:.3f}  ({low:.3f} to {high:.3f})"
            found = made["comparison"][name]
            low, high = found["ci"]["low"], found["ci"]["high"]
            yield f"  difference {found['difference']:+.3f}  ({low:+.3f} to {high:+.3f}), p = {found['p']:.4f}"
    yield f"{made['utterances']} utterances, {len(made['per_speaker'])} speakers"
    for speaker, rates in made["per_speaker"].items() if isinstance(made["per_speaker"], dict) else []:
        yield f"  {speaker}: CER {rates['cer']:.3f}, WER {rates['wer']:.3f}, {rates['utterances']} utterances"
    yield "worst:"
    for row in made["worst"]:
        yield f"  {row['id']}: {row['reference']!r} heard as {row['hypothesis']!r}"
    yield made["signature"]
