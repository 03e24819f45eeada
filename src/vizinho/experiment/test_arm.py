"""Tests finished arms: rates on the test set, what is left of the donor's language, the way between both weights."""

from __future__ import annotations

from collections.abc import Sequence

from vizinho.corpora.manifest import fingerprint, select
from vizinho.evaluation.score import per_speaker, score, worst
from vizinho.experiment.results import ArmScores, Place, Retained, SpeakerRates
from vizinho.experiment.spec import DonorSpec, ExperimentSpec
from vizinho.experiment.starts import Start
from vizinho.job.data import read_dataset
from vizinho.job.fit import FinishedJob
from vizinho.model.checkpoint import weights
from vizinho.plan.apply import plant
from vizinho.recognition.recognizer import Recognizer
from vizinho.records import Utterance
from vizinho.text.normalize import get_normalizer
from vizinho.training.mixing import between

PATH_MINUTES = 2.0
"""Speech of each language that every place on the way between donor and target is tested on."""


def scored(recognizer: Recognizer, utterances: Sequence[Utterance], language: str) -> ArmScores:
    """Rates, intervals and every utterance's errors, with the recogniser's own decoder (greedy in every arm)."""
    normalize = get_normalizer(language)
    transcripts = recognizer.transcribe_corpus(utterances)
    scores = score(
        {u.id: normalize(u.text) for u in utterances},
        {i: normalize(t.text) for i, t in transcripts.items()},
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
        per_speaker={speaker: SpeakerRates(**rates) for speaker, rates in per_speaker(scores).items()},
        worst=tuple(worst(scores)),
        per_utterance=scores.errors,
    )


def home_of(spec: ExperimentSpec, start: str) -> DonorSpec | None:
    """The donor trained here whose language a start comes from; None where its speech is not known."""
    return spec.donor(spec.origin(start))


def held_out(donor: DonorSpec) -> list[Utterance]:
    """Utterances of the donor's language that it was not trained on."""
    return list(read_dataset(donor.corpora, donor.language, donor.minutes, donor.seed).dev)


def retention(recognizer: Recognizer, home: DonorSpec | None, start: Start) -> Retained | None:
    """CER on the donor language's held-out utterances, of the start and after the transfer."""
    if home is None or start.folder is None:
        return None
    utterances = held_out(home)
    before = scored(Recognizer.load(start.folder, "torch"), utterances, home.language)
    after = scored(recognizer, utterances, home.language)
    return Retained(home.language, after.cer, before.cer, after.utterances)


def interpolation(spec: ExperimentSpec, finished: FinishedJob, home: DonorSpec | None) -> tuple[Place, ...] | None:
    """CER of both languages at weights between the transfer plan's start and the trained ones, on the straight line.

    Output rows are the target's throughout: at 0 the donor's rows stand in the target's order, matched by name. Tested
    on dev and on held-out utterances of the donor, never on test: places could be chosen by it (WiSE-FT, Wortsman et
    al. 2022). Batch norm's statistics are interpolated like weights. None where nothing was transferred.
    """
    ready = finished.ready
    if ready.plan is None or not spec.interpolation or not ready.dataset.dev:
        return None
    end = {name: tensor.clone() for name, tensor in weights(ready.checkpoint.model).items()}
    of_target = _some(ready.dataset.dev)
    of_donor = _some(held_out(home)) if home is not None else []
    places = []
    for place in spec.interpolation:
        plant(ready.checkpoint.model, between(ready.start, end, place))
        recognizer = Recognizer.of(ready.checkpoint)
        cer = scored(recognizer, of_target, spec.target).cer
        donor_cer = scored(recognizer, of_donor, home.language).cer if home is not None else None
        places.append(Place(place, cer, donor_cer))
    plant(ready.checkpoint.model, end)
    return tuple(places)


def _some(utterances: Sequence[Utterance]) -> list[Utterance]:
    if sum(u.duration_seconds for u in utterances) <= PATH_MINUTES * 60:
        return list(utterances)
    return select(utterances, minutes=PATH_MINUTES, seed=1)
