"""Whether a new version may take the place of the current one: both are measured on the pinned test set."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from vizinho.corpora.manifest import fingerprint
from vizinho.evaluation.score import score
from vizinho.evaluation.significance import compare
from vizinho.recognition.recognizer import Recognizer
from vizinho.records import Scores, Utterance
from vizinho.store.store import Store
from vizinho.text.normalize import Normalizer, get_normalizer
from vizinho.text.written import recognised_as_written, written_text

SIGNIFICANT = 0.05


@dataclass(frozen=True, slots=True)
class Verdict:
    """A new version against the one it would replace, on the same utterances.

    `promoted` is True when the new CER is not higher. In doubt the version in use stays: a higher CER keeps it even
    where the paired test shows no difference, and `p` says which of the two it is.
    """

    new: str
    current: str
    cer: float
    current_cer: float
    p: float
    """Two-sided, paired bootstrap by utterance."""
    utterances: int
    promoted: bool

    def sentence(self) -> str:
        """The verdict in words."""
        figures = (
            f"CER {self.cer:.3f} against {self.current_cer:.3f} on the {self.utterances} pinned test utterances, "
            f"p = {self.p:.2g} by paired bootstrap"
        )
        if self.promoted:
            return f"{self.new} takes the place of {self.current} ({figures})"
        shown = "is worse than" if self.p < SIGNIFICANT else "has a higher CER, perhaps by chance, than"
        return (
            f"{self.new} {shown} {self.current} ({figures}): it is kept, {self.current} stays current; "
            f"`vizinho models rollback {self.new}` makes it current in spite of that"
        )

    def as_json(self) -> dict[str, Any]:
        """Plain values, the sentence among them."""
        return asdict(self) | {"says": self.sentence()}


def measure(recognizer: Recognizer, utterances: Sequence[Utterance], normalize: Normalizer | None = None) -> Scores:
    """Scores of a recogniser on the utterances that have text, as it is normalised itself if not given."""
    normalize = normalize or normalizer_of(recognizer, utterances)
    chosen = with_text(utterances, normalize)
    return scored({i: t.text for i, t in recognizer.transcribe_corpus(chosen).items()}, chosen, normalize)


def normalizer_of(recognizer: Recognizer, utterances: Sequence[Utterance]) -> Normalizer:
    """The normaliser that a recogniser is scored with: its own, or the language's where it has none or another one."""
    own = recognizer.normalizer
    language = get_normalizer(utterances[0].lang)
    return own if own is not None and own.lang == language.lang else language


def with_text(utterances: Sequence[Utterance], normalize: Normalizer) -> list[Utterance]:
    """Those whose text is not empty after normalising."""
    return [u for u in utterances if normalize(u.text)]


def scored(
    texts: Mapping[str, str], utterances: Sequence[Utterance], normalize: Normalizer, *, cluster: bool = False
) -> Scores:
    """Scores of recognised texts by id, both sides normalised.

    With `cluster` speakers are resampled for the intervals. Raises CorpusError as `evaluation.score.score` does.
    """
    return score(
        {u.id: normalize(u.text) for u in utterances},
        {i: normalize.recognised(text) for i, text in texts.items()},
        speakers={u.id: u.speaker for u in utterances},
        normalizer=normalize.name,
        data_fingerprint=fingerprint(utterances),
        cluster=cluster,
    )


def scored_as_written(
    texts: Mapping[str, str], utterances: Sequence[Utterance], normalize: Normalizer, *, cluster: bool = False
) -> Scores | None:
    """Scores with capitals and marks on both sides; None where no recognised text has any."""
    written = {i: recognised_as_written(text, normalize) for i, text in texts.items()}
    # What is the same both ways needs no second score.
    if all(text == normalize.recognised(text) for text in written.values()):
        return None
    return score(
        {u.id: written_text(u.text, normalize) for u in utterances},
        written,
        speakers={u.id: u.speaker for u in utterances},
        normalizer=f"{normalize.name}-written",
        data_fingerprint=fingerprint(utterances),
        cluster=cluster,
    )


def card_score(scores: Scores, split: str | None, data: str) -> dict[str, Any]:
    """A test score as cards have it; `data` names the manifest."""
    return {
        "split": split or "all",
        "data": data,
        "cer": scores.cer,
        "wer": scores.wer,
        "cer_ci": [scores.cer_ci.low, scores.cer_ci.high],
        "utterances": scores.utterances,
        "signature": scores.signature,
    }


def promote(
    store: Store, name: str, version: int, scores: Scores, pinned: Sequence[Utterance], normalize: Normalizer
) -> Verdict | None:
    """Compare a version that is in the store with the current one and make it current unless its CER is higher.

    Both are scored with `normalize`, the new version's. When another writer changes the current version meanwhile,
    the new version is compared with that one. Returns None when there is nothing to compare with: the version is
    current then.
    """
    # Another writer may promote a third version while this one is measured: then compare with that one.
    measured: dict[int, Scores] = {}
    while True:
        current = store.find(name)
        if current is None or current.version == version:
            return None
        if current.version not in measured:
            measured[current.version] = measure(Recognizer.load(store.resolve(current.ref)), pinned, normalize)
        verdict = _compare(f"{name}@{version}", current.ref, scores, measured[current.version])
        if not verdict.promoted or store.replace_current(name, version, instead_of=current.version):
            return verdict


def _compare(new: str, current: str, new_scores: Scores, current_scores: Scores) -> Verdict:
    test = compare(new_scores.errors, current_scores.errors)
    new_cer, current_cer = new_scores.cer, current_scores.cer
    return Verdict(new, current, new_cer, current_cer, test.p, new_scores.utterances, new_cer <= current_cer)
