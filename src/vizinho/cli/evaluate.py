"""`vizinho evaluate`: CER and WER of a model on a corpus, with intervals and a signature."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from typer import Option

from vizinho.cli import options
from vizinho.cli.emit import emit, warn
from vizinho.cli.options import AsJson, Corpus, Engine, Model, Split, Threads

if TYPE_CHECKING:
    from vizinho.decoding.rescore import RescoreOptions
    from vizinho.job.evaluate import Evaluation


def evaluate(
    model: Model,
    corpus: Corpus,
    split: Split = None,
    cluster: Annotated[bool, Option("--cluster", help="Resample speakers, not utterances, for intervals.")] = False,
    lms: options.Lms = None,
    lm_weight: options.LmWeight = None,
    word_score: options.WordScore = None,
    letter_score: options.LetterScore = None,
    beam_width: options.BeamWidth = None,
    hotwords: options.HotwordList = None,
    lists: options.HotwordLists = None,
    decoder: options.DecoderFile = None,
    greedy: options.Greedy = False,
    rescore: options.Rescore = None,
    rescore_weight: options.RescoreWeight = None,
    engine: Engine = "onnx",
    lang: options.SpokenIn = None,
    threads: Threads = 1,
    as_json: AsJson = False,
) -> None:
    """Score a model as `vizinho transcribe` decodes with it: same engine, same cutting of long recordings.

    Utterances whose text is empty after normalising are reported and skipped. With a language model, hotwords or a
    decoder file the model is scored without them too, on the same utterances.
    """
    from vizinho.corpora.manifest import read_manifest
    from vizinho.job.decoder import spoken
    from vizinho.job.evaluate import evaluate as evaluate_model
    from vizinho.progress import board
    from vizinho.recognition.files import Work
    from vizinho.store.store import Store

    store = Store()
    place = store.resolve(model)
    own = None if greedy else place
    scores = (lm_weight, word_score, letter_score, beam_width)
    spec = options.spec_of(lms, *scores, hotwords, decoder, own, rescore, rescore_weight, lists)
    lang = lang or spoken(place, store.card(model), lambda: read_manifest(corpus))
    recognizer = Work(place, engine, threads, decoder=spec, language=lang).open()
    with board() as show:
        evaluation = evaluate_model(
            model, corpus, split=split, cluster=cluster, recognizer=recognizer, store=store, show=show
        )
    warn(f"skip {id_}: no text after normalising" for id_ in evaluation.skipped)
    warn(evaluation.remarks)
    values = _values(model, corpus, evaluation)
    if spec:
        values["decoder"] = {
            "lms": [str(p) for p in spec.lms],
            **asdict(spec.options),
            "hotwords": {**spec.listed, **spec.hotwords},
        }
        if spec.rescoring:
            values["decoder"] |= {"rescore": str(spec.rescoring.folder), **_named(spec.rescoring.options)}
    emit(values, as_json, _lines(values, "network alone" if recognizer.writes_words else "greedy"))


def _named(rescoring: RescoreOptions) -> dict[str, Any]:
    return {f"rescore_{name}": value for name, value in asdict(rescoring).items()}


def _values(model: str, corpus: Path, evaluation: Evaluation) -> dict[str, Any]:
    from vizinho.evaluation.score import as_json

    about = {"model": model, "corpus": str(corpus), "split": evaluation.split, "left_out": list(evaluation.skipped)}
    values: dict[str, Any] = {**about, **as_json(evaluation.scores, per_utterance=False)}
    if evaluation.greedy is not None and evaluation.comparison is not None:
        values["greedy"] = as_json(evaluation.greedy, per_utterance=False)
        values["comparison"] = {metric: asdict(test) for metric, test in evaluation.comparison.items()}
    if evaluation.written is not None:
        values["written"] = as_json(evaluation.written, per_utterance=False)
    return values | {"pinned": evaluation.pinned}


def _lines(values: dict[str, Any], alone: str) -> Iterator[str]:
    for name in ("cer", "wer"):
        low, high = values[f"{name}_ci"]
        yield f"{name.upper()} {values[name]:.3f}  (95 % interval {low:.3f} to {high:.3f})"
        if "greedy" in values:
            low, high = values["greedy"][f"{name}_ci"]
            yield f"  {alone} {values['greedy'][name]:.3f}  ({low:.3f} to {high:.3f})"
            test = values["comparison"][name]
            low, high = test["ci"]["low"], test["ci"]["high"]
            yield f"  difference {test['difference']:+.3f}  ({low:+.3f} to {high:+.3f}), p = {test['p']:.4f}"
    if "written" in values:
        rates = [f"{name.upper()} {values['written'][name]:.3f}" for name in ("cer", "wer")]
        yield f"as written, with capitals and marks: {', '.join(rates)}"
    speakers = len(values["per_speaker"])
    yield f"{values['utterances']} utterances, {speakers} speaker{'s' * (speakers != 1)}"
    for speaker, rates in values["per_speaker"].items():
        yield f"  {speaker}: CER {rates['cer']:.3f}, WER {rates['wer']:.3f}, {rates['utterances']} utterances"
    yield from ["worst:"] if values["worst"] else []
    for row in values["worst"]:
        yield f"  {row['id']}: {row['reference']!r} recognised as {row['hypothesis']!r}"
    yield values["signature"]
