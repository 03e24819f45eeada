"""The leak guard: nothing of the test set may be heard, read or chosen by before the test."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from vizinho.corpora.manifest import read_manifest, write_manifest
from vizinho.errors import SpecError
from vizinho.experiment.results import Leaks
from vizinho.experiment.spec import SCRATCH, ExperimentSpec
from vizinho.files import sha256, write_json
from vizinho.job.start import ReadyJob
from vizinho.records import Utterance
from vizinho.text.alphabets import alphabet
from vizinho.text.normalize import Normalizer, get_normalizer

_NAMED = 3
"""Examples that a message names."""
_USES = {
    "train": "in train",
    "dev": "in dev, which weights are chosen on",
}
_MEND = "run `vizinho corpus check` and split by speaker"


@dataclass(frozen=True, slots=True)
class _Tested:
    """What must not be seen before the test. Texts are as the target's normaliser writes them."""

    texts: frozenset[str]
    speakers: frozenset[str]
    audio_by_bytes: Mapping[int, frozenset[str]]
    """SHA-256 of recordings by their size: a hash is only needed where a size comes again."""
    normalize: Normalizer


def refuse_leaks(spec: ExperimentSpec) -> Leaks:
    """Check every corpus that an arm, a donor or a stage of the spec hears; returns what was and could not be checked.

    Raises SpecError when a speaker, a text or a recording of test is in train, or in dev, where it would choose the
    weights: of the target's corpora, of those beside, of synthetic ones, and of the donors' in any language.
    """
    tested = _tested(spec)
    for role, paths in _heard(spec).items():
        for path in paths:
            for split in ("train", "dev"):
                part = [u for u in read_manifest(path) if u.split == split]
                _refuse_part(spec, tested, part, f"{_USES[split]}{_of(role)}")
    return Leaks(tuple(_heard(spec)), tuple(_unheard(spec)))


def _tested(spec: ExperimentSpec) -> _Tested:
    test = _test_of(spec)
    if not test:
        raise SpecError(
            "the corpora have no test split", where=spec.name, fix="mark the test utterances in the manifest"
        )
    normalize = get_normalizer(spec.target)
    audio = defaultdict(set)
    for utterance in test:
        audio[utterance.audio.stat().st_size].add(sha256(utterance.audio))
    return _Tested(
        frozenset(normalize(u.text) for u in test),
        frozenset(u.speaker for u in test if u.speaker),
        {size: frozenset(hashes) for size, hashes in audio.items()},
        normalize,
    )


def _test_of(spec: ExperimentSpec) -> list[Utterance]:
    return [u for path in spec.corpora for u in read_manifest(path) if u.split == "test"]


def _heard(spec: ExperimentSpec) -> dict[str, tuple[Path, ...]]:
    """Corpora that something is trained or chosen on, by whose they are; "" are the target's."""
    found = {"": spec.corpora}
    found |= {f"recipe {r.name}": r.beside for r in spec.recipes if r.beside}
    found |= {f"donor {d.name}": d.corpora for d in spec.donors}
    return found | {f"control {c.name}": c.corpora for c in spec.controls if c.corpora}


def _unheard(spec: ExperimentSpec) -> list[str]:
    """Models of the store that arms or donors start from: what they have heard is not at hand."""
    ours = {SCRATCH, "", *(d.name for d in spec.donors)}
    return list(dict.fromkeys(n for n in (*spec.starts, *(d.base for d in spec.donors)) if n not in ours))


def _of(role: str) -> str:
    return f" of {role}" if role else ""


def _refuse_part(spec: ExperimentSpec, tested: _Tested, part: Sequence[Utterance], use: str) -> None:
    speakers = sorted({u.speaker for u in part} & tested.speakers)
    if speakers:
        raise SpecError(
            f"speakers of test are {use}: {', '.join(speakers[:_NAMED])}",
            where=spec.name,
            fix=_MEND,
        )
    same = [u.id for u in part if _same_recording(u, tested)]
    if same:
        raise SpecError(f"{len(same)} recordings of test are {use}, such as {same[0]}", where=spec.name, fix=_MEND)
    texts = sorted({tested.normalize(u.text) for u in part} & tested.texts)
    if texts:
        raise SpecError(
            f"{len(texts)} texts of test are {use}, such as {texts[0]!r}",
            where=spec.name,
            fix="say drop_test_texts = true, which takes them out of everything but test and lists them",
        )


def _same_recording(utterance: Utterance, tested: _Tested) -> bool:
    size = utterance.audio.stat().st_size
    return size in tested.audio_by_bytes and sha256(utterance.audio) in tested.audio_by_bytes[size]


def without_test_texts(spec: ExperimentSpec, folder: Path) -> ExperimentSpec:
    """The spec over copies of its manifests from which train and dev utterances with a text of test are taken out.

    Donors' and synthetic corpora too. Each copy has a list of what was left out beside it; manifests that lose nothing
    are used as they are.
    """
    normalize = get_normalizer(spec.target)
    texts = {normalize(u.text) for u in _test_of(spec)}

    def clean(paths: Iterable[Path], role: str) -> tuple[Path, ...]:
        return tuple(_cleaned(p, folder / "corpora", f"{role}{n}", texts, normalize) for n, p in enumerate(paths))

    return replace(
        spec,
        corpora=clean(spec.corpora, ""),
        recipes=tuple(replace(r, beside=clean(r.beside, f"{r.name}-")) for r in spec.recipes),
        donors=tuple(replace(d, corpora=clean(d.corpora, f"{d.name}-")) for d in spec.donors),
        controls=tuple(replace(c, corpora=clean(c.corpora, f"{c.name}-")) for c in spec.controls),
    )


def _cleaned(path: Path, folder: Path, prefix: str, texts: set[str], normalize: Normalizer) -> Path:
    utterances = read_manifest(path)
    left_out = {u.id: u.text for u in utterances if u.split != "test" and normalize(u.text) in texts}
    if not left_out:
        return path
    made = folder / f"{prefix}-{path.name}"
    write_manifest(made, [u for u in utterances if u.id not in left_out])
    write_json(
        made.with_suffix(".left-out.json"),
        [{"id": id_, "text": text, "why": "its text is in test"} for id_, text in left_out.items()],
    )
    return made


def refuse_foreign_tokens(ready: ReadyJob) -> None:
    """Tokens must come from the language's alphabet and the training texts alone.

    A letter that only the test set has would otherwise be learnt of from it. Raises SpecError naming such tokens.
    """
    text = " ".join(ready.data.normalizer(u.text) for u in ready.data.train)
    known = {*alphabet(ready.job.language), *text}
    foreign = [t for t in ready.checkpoint.inventory.letters if not _comes_from(t, known, text)]
    if foreign:
        raise SpecError(
            f"tokens come from neither the alphabet nor the training texts: {' '.join(foreign[:_NAMED])}",
            where="tokens",
            fix="build them from train alone: with test's texts in them, the test would measure what it gave away",
        )


def _comes_from(token: str, known: set[str], text: str) -> bool:
    piece = token.replace("▁", " ").strip()
    return not piece or token in known or piece in text
