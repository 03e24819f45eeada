"""Tests arms: rates, what is left of the donor's language, the way between both weights, the worst utterances."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from vizinho.audio.io import SAMPLE_RATE, load_audio
from vizinho.corpora.manifest import fingerprint, select
from vizinho.evaluation.score import per_speaker, score, worst
from vizinho.experiment.guard import utterances_of_test
from vizinho.experiment.results import (
    ArmResult,
    ArmScores,
    LineHypothesis,
    Place,
    Retained,
    WorstUtterance,
    lines_of,
)
from vizinho.experiment.spec import DonorSpec, ExperimentSpec
from vizinho.experiment.starts import Start
from vizinho.job.data import read_dataset
from vizinho.job.fit import FinishedJob
from vizinho.model.networks import weights
from vizinho.plan.apply import plant
from vizinho.recognition.recognizer import Recognizer
from vizinho.records import Utterance, UtteranceErrors
from vizinho.text.normalize import Normalizer
from vizinho.training.mixing import between

COUNT = 8
"""Worst utterances that are shown."""
LONGEST_SECONDS = 15.0
"""Longer clips are cut, so that a page with all of them stays small."""
PATH_MINUTES = 2.0
"""Speech of each language that every place on the way between donor and target is tested on."""


def scored(recognizer: Recognizer, utterances: Sequence[Utterance], normalize: Normalizer) -> ArmScores:
    """Rates, intervals and every utterance's errors, with the recogniser's own decoder (greedy in every arm)."""
    transcripts = recognizer.transcribe_corpus(utterances)
    scores = score(
        {u.id: normalize(u.text) for u in utterances},
        {i: normalize.recognised(t.text) for i, t in transcripts.items()},
        speakers={u.id: u.speaker for u in utterances},
        normalizer=normalize.name,
        data_fingerprint=fingerprint(utterances),
    )
    return ArmScores(
        cer=scores.cer,
        wer=scores.wer,
        cer_ci=(scores.cer_ci.low, scores.cer_ci.high),
        wer_ci=(scores.wer_ci.low, scores.wer_ci.high),
        utterances=scores.utterances,
        signature=scores.signature,
        per_speaker=per_speaker(scores),
        worst=tuple(worst(scores)),
        per_utterance=scores.errors,
    )


def home_of(spec: ExperimentSpec, start: str) -> DonorSpec | None:
    """The donor trained here whose language a start comes from; None where its speech is not known."""
    return spec.donor(spec.origin(start))


def held_out(donor: DonorSpec) -> list[Utterance]:
    """Utterances of the donor's language that it was not trained on."""
    return list(read_dataset(donor.corpora, donor.language, donor.minutes, donor.seed).dev)


def retention(spec: ExperimentSpec, recognizer: Recognizer, home: DonorSpec | None, start: Start) -> Retained | None:
    """CER on the donor language's held-out utterances, of the start and after the transfer."""
    if home is None or start.folder is None:
        return None
    utterances = held_out(home)
    normalize = spec.normalizer(home.language)
    before = scored(Recognizer.load(start.folder), utterances, normalize)
    after = scored(recognizer, utterances, normalize)
    return Retained(home.language, after.cer, before.cer, after.utterances)


def interpolation(
    spec: ExperimentSpec, finished: FinishedJob, home: DonorSpec | None
) -> tuple[Place[float], ...] | None:
    """CER of both languages at weights between the transfer plan's start and the trained ones, on the straight line.

    Output rows are the target's throughout: at 0 the donor's rows stand in the target's order, matched by name. Tested
    on dev and on held-out utterances of the donor, never on test: places could be chosen by it (WiSE-FT, Wortsman et
    al. 2022). Batch norm's statistics are interpolated like weights. None where nothing was transferred.
    """
    ready = finished.ready
    if ready.plan is None or not spec.interpolation or not ready.dataset.dev:
        return None
    # `plant` writes into the network itself, so the trained weights are set aside and put back at the end.
    end = {name: tensor.clone() for name, tensor in weights(ready.checkpoint.model).items()}
    of_target = _some(ready.dataset.dev)
    of_donor = _some(held_out(home)) if home is not None else []
    places = []
    for place in spec.interpolation:
        plant(ready.checkpoint.model, between(ready.start, end, place))
        recognizer = Recognizer.of(ready.checkpoint)
        cer = scored(recognizer, of_target, spec.normalizer(spec.target)).cer
        donor_cer = scored(recognizer, of_donor, spec.normalizer(home.language)).cer if home is not None else None
        places.append(Place(place, cer, donor_cer))
    plant(ready.checkpoint.model, end)
    return tuple(places)


def _some(utterances: Sequence[Utterance]) -> list[Utterance]:
    if sum(u.duration_seconds for u in utterances) <= PATH_MINUTES * 60:
        return list(utterances)
    return select(utterances, minutes=PATH_MINUTES, seed=1)


def worst_utterances(spec: ExperimentSpec, arms: Sequence[ArmResult], folder: Path) -> list[WorstUtterance]:
    """The utterances with the most character errors a letter over all arms, what each line made of them, and a clip.

    Clips are MP3, which every browser plays, under `folder`/clips; recordings stay out of results.json, which may be
    published where they may not.
    """
    test = {u.id: u for u in utterances_of_test(spec)}
    errors: dict[str, list[UtteranceErrors]] = {}
    for arm in arms:
        for row in arm.test.per_utterance:
            errors.setdefault(row.id, []).append(row)
    rates = {  # over all arms, by the sums: a long utterance does not weigh less than in the CER of an arm
        id_: sum(row.character_errors for row in rows) / max(sum(row.characters for row in rows), 1)
        for id_, rows in errors.items()
    }
    ranked = sorted((id_ for id_ in rates if rates[id_]), key=lambda id_: (-rates[id_], id_))[:COUNT]
    shown = []
    for number, id_ in enumerate(ranked):
        clip = folder / "clips" / f"{number}.mp3"
        _write_clip(test[id_].audio, clip)
        place = clip.relative_to(folder).as_posix()
        first = errors[id_][0]
        shown.append(WorstUtterance(id_, first.speaker, rates[id_], first.reference, _hypotheses(arms, id_), place))
    return shown


def _hypotheses(arms: Sequence[ArmResult], id_: str) -> tuple[LineHypothesis, ...]:
    """What the first seed of each line made of an utterance."""
    return tuple(
        LineHypothesis(
            line.name,
            line.first.minutes,
            next(row.hypothesis for row in line.first.test.per_utterance if row.id == id_),
        )
        for line in lines_of(arms)
    )


def _write_clip(audio: Path, clip: Path) -> None:
    import soundfile

    clip.parent.mkdir(parents=True, exist_ok=True)
    samples = load_audio(audio)[: int(LONGEST_SECONDS * SAMPLE_RATE)]
    soundfile.write(clip, samples, SAMPLE_RATE, format="MP3", subtype="MPEG_LAYER_III")
