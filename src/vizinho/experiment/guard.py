"""What an experiment refuses: nothing of the test set is seen before the test, and no settings change on the way."""

from __future__ import annotations

import json
import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from vizinho.corpora.manifest import fingerprint, read_manifest, write_manifest
from vizinho.errors import SpecError
from vizinho.experiment.results import Leaks
from vizinho.experiment.spec import SCRATCH, ExperimentSpec
from vizinho.files import sha256, write_json
from vizinho.job.start import ReadyJob
from vizinho.records import Utterance
from vizinho.text.alphabets import alphabet
from vizinho.text.language import Language
from vizinho.text.normalize import Normalizer
from vizinho.training.options import TrainingOptions

SETTINGS = "settings.json"
FOLDER_FORMAT = 3
"""Version of what an experiment's folder holds: results of arms, and a store of models."""
_OPTION = re.compile(r"(?:^|: )(?:training|scratch)\.(.+)$")
_NAMED = 3
"""Examples that a message names."""
_USES = {"train": "in train", "dev": "in dev, which weights are chosen on"}
_SPLIT_BY_SPEAKER = "run `vizinho corpus check` and split by speaker"
_ONE_SPEAKER = f"{_SPLIT_BY_SPEAKER}; where there is one speaker alone, say one_speaker = true"


@dataclass(frozen=True, slots=True)
class _TestSet:
    """What must not be seen before the test. Texts are as the target's normaliser writes them."""

    texts: frozenset[str]
    speakers: frozenset[str]
    hashes: Mapping[int, frozenset[str]]
    """SHA-256 of recordings by their size in bytes: only where a size comes again is a hash needed."""
    normalize: Normalizer

    def has_recording(self, utterance: Utterance) -> bool:
        """Whether the same audio is in the test set, under whatever name."""
        size = utterance.audio.stat().st_size
        return size in self.hashes and sha256(utterance.audio) in self.hashes[size]


def refuse_leaks(spec: ExperimentSpec) -> Leaks:
    """Check every corpus that an arm, a donor or a stage of the spec hears; returns what was and could not be checked.

    Raises SpecError when a speaker, a text or a recording of test is in train, or in dev, where it would choose the
    weights: of the target's corpora, of those beside, of synthetic ones, and of the donors' in any language.
    """
    test_set = _test_set(spec)
    corpora = _trained_on(spec)
    for role, paths in corpora.items():
        for path in paths:
            utterances = read_manifest(path)
            for split, use in _USES.items():
                part = [u for u in utterances if u.split == split]
                _refuse_part(spec, test_set, part, f"{use} of {role}" if role else use)
    # What models of the store were trained on is not at hand.
    trained_here = {SCRATCH, "", *(d.name for d in spec.donors)}
    stored = [name for name in (*spec.starts, *(d.base for d in spec.donors)) if name not in trained_here]
    return Leaks(tuple(corpora), tuple(dict.fromkeys(stored)))


def _test_set(spec: ExperimentSpec) -> _TestSet:
    test = utterances_of_test(spec)
    if not test:
        raise SpecError(
            "the corpora have no test split", where=spec.name, fix="mark the test utterances in the manifest"
        )
    normalize = spec.normalizer(spec.target)
    hashes = defaultdict(set)  # reading every recording of every corpus would take minutes
    for utterance in test:
        hashes[utterance.audio.stat().st_size].add(sha256(utterance.audio))
    return _TestSet(
        frozenset(normalize(u.text) for u in test),
        frozenset(u.speaker for u in test if u.speaker),
        {size: frozenset(digests) for size, digests in hashes.items()},
        normalize,
    )


def utterances_of_test(spec: ExperimentSpec) -> list[Utterance]:
    """The test split of the target's corpora."""
    return [u for path in spec.corpora for u in read_manifest(path) if u.split == "test"]


def _trained_on(spec: ExperimentSpec) -> dict[str, tuple[Path, ...]]:
    """Corpora that something is trained or chosen on, by whose they are; "" are the target's."""
    corpora = {"": spec.corpora}
    corpora |= {f"recipe {r.name}": r.beside for r in spec.recipes if r.beside}
    corpora |= {f"donor {d.name}": d.corpora for d in spec.donors}
    return corpora | {f"control {c.name}": c.corpora for c in spec.controls if c.corpora}


def _refuse_part(spec: ExperimentSpec, test_set: _TestSet, part: Sequence[Utterance], use: str) -> None:
    speakers = sorted({u.speaker for u in part} & test_set.speakers)
    if speakers and not spec.one_speaker:
        what = f"speakers of test are {use}: {', '.join(speakers[:_NAMED])}"
        raise SpecError(what, where=spec.name, fix=_ONE_SPEAKER)
    same = [u.id for u in part if test_set.has_recording(u)]
    if same:
        what = f"{len(same)} recordings of test are {use}, such as {same[0]}"
        raise SpecError(what, where=spec.name, fix=_SPLIT_BY_SPEAKER)
    texts = sorted({test_set.normalize(u.text) for u in part} & test_set.texts)
    if texts:
        raise SpecError(
            f"{len(texts)} texts of test are {use}, such as {texts[0]!r}",
            where=spec.name,
            fix="say drop_test_texts = true, which takes them out of everything but test and lists them",
        )


def without_test_texts(spec: ExperimentSpec, folder: Path) -> ExperimentSpec:
    """The spec over copies of its manifests from which train and dev utterances with a text of test are taken out.

    Donors' and synthetic corpora too. Each copy has a list of what was left out in the same folder; manifests that lose
    nothing are used as they are.
    """
    normalize = spec.normalizer(spec.target)
    texts = {normalize(u.text) for u in utterances_of_test(spec)}

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
    copy = folder / f"{prefix}-{path.name}"
    write_manifest(copy, [u for u in utterances if u.id not in left_out])
    rows = [{"id": id_, "text": text, "why": "its text is in test"} for id_, text in left_out.items()]
    write_json(copy.with_suffix(".left-out.json"), rows)
    return copy


def refuse_foreign_tokens(ready: ReadyJob) -> None:
    """Tokens must come from the language's alphabet and the training texts alone: others were taken from test.

    Raises SpecError naming such tokens.
    """
    if ready.job.tokens == "donor":
        return
    text = " ".join(ready.dataset.normalizer(u.text) for u in ready.dataset.train)
    known = {*alphabet(ready.job.language), *text}
    # Dev is no source either: weights are chosen on it, and its letters are not to be known before.
    foreign = [t for t in ready.checkpoint.inventory.letters if not _comes_from(t, known, text)]
    if foreign:
        raise SpecError(
            f"tokens come from neither the alphabet nor the training texts: {' '.join(foreign[:_NAMED])}",
            where="tokens",
            fix="build them from train alone: with test's texts in them, the test would measure what it gave away",
        )


def _comes_from(token: str, known: set[str], text: str) -> bool:
    # SentencePiece writes a space as a low line; a piece of several letters must stand in the texts as it is.
    piece = token.replace("▁", " ").strip()
    return not piece or token in known or piece in text


def hold_to_settings(spec: ExperimentSpec, folder: Path) -> None:
    """Record the settings on the first call; later ones may add donors, starts, seeds and minutes, and change nothing.

    Raises SpecError naming what differs.
    """
    # Through JSON, so that tuples and lists, as the file has them, are equal.
    settings = _flat(json.loads(json.dumps(_settings(spec))))
    path = folder / SETTINGS
    before = _flat(json.loads(path.read_text(encoding="utf-8"))) if path.is_file() else {}
    fix = "give another --out, or --fresh to throw its arms away"
    if before and before.get("format", 1) != FOLDER_FORMAT:
        version = before.get("format", 1)
        what = f"the folder was begun by an older vizinho, which keeps arms in format {version}, not {FOLDER_FORMAT}"
        raise SpecError(what, where=folder, fix=fix)
    if before:  # folders without it are of a vizinho that had version 1 alone
        before = {"normalizer": f"{Language.of(spec.target).base}-v1"} | _defaults_then(before, settings) | before
    changed = sorted(key for key in before.keys() & settings.keys() if before[key] != settings[key])
    if changed:
        changes = "; ".join(f"{key} was {before[key]}, is {settings[key]}" for key in changed)
        raise SpecError(f"the folder was begun with other settings: {changes}", where=folder, fix=fix)
    write_json(path, {**before, "format": FOLDER_FORMAT, **settings})


def _flat(values: Mapping[str, Any], of: str = "") -> dict[str, Any]:
    """Tables inside tables as names with dots: an option that a later version adds is then a name of its own."""
    flat: dict[str, Any] = {}
    for key, value in values.items():
        flat |= _flat(value, f"{of}{key}.") if isinstance(value, Mapping) and value else {f"{of}{key}": value}
    return flat


def _defaults_then(before: Mapping[str, Any], settings: Mapping[str, Any]) -> dict[str, Any]:
    """Training options that a folder of an older version does not know, where it knows others of the same table.

    They had their default when the folder was begun.
    """
    defaults = _flat(json.loads(json.dumps(asdict(TrainingOptions()))))
    unknown = {key: option for key in settings.keys() - before.keys() if (option := _OPTION.search(key))}
    return {
        key: defaults.get(option[1])
        for key, option in unknown.items()
        if any(known.startswith(key[: option.start(1)]) for known in before)
    }


def _settings(spec: ExperimentSpec) -> dict[str, Any]:
    """Everything that changes what an arm is, by name."""
    settings: dict[str, Any] = {"target": spec.target, "preset": spec.preset, "corpora": _fingerprints(spec.corpora)}
    settings["normalizer"] = spec.normalizer(spec.target).name
    for kind in ("training", "scratch", "rows"):
        settings |= {f"{kind}.{key}": value for key, value in asdict(getattr(spec, kind)).items()}
    settings["repeat"] = list(spec.repeat)
    for recipe in spec.recipes:
        for kind in ("training", "scratch", "rows"):
            settings |= {f"recipe {recipe.name}: {kind}.{k}": v for k, v in asdict(getattr(recipe, kind)).items()}
        settings[f"recipe {recipe.name}: repeat"] = list(recipe.repeat)
        settings[f"recipe {recipe.name}: beside"] = _fingerprints(recipe.beside)
    for donor in spec.donors:
        settings |= {f"donor {donor.name}: {key}": value for key, value in asdict(donor).items() if key != "corpora"}
        settings[f"donor {donor.name}: corpora"] = _fingerprints(donor.corpora)
    for control in spec.controls:
        settings |= {f"control {control.name}: {key}": getattr(control, key) for key in ("of", "kind")}
        settings[f"control {control.name}: corpora"] = _fingerprints(control.corpora)
    return settings


def _fingerprints(paths: tuple[Path, ...]) -> list[str]:
    return [fingerprint(read_manifest(path)) for path in paths]
