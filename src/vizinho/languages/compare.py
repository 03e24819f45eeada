"""Compares a target with donors on every level and ranks the donors; what is missing stays visible as a gap."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from importlib import import_module
from pathlib import Path
from typing import Any, Literal

from vizinho.errors import SpecError, VizinhoError
from vizinho.files import write_json
from vizinho.languages.measures import Gap, LevelResult, Measure
from vizinho.languages.rank import Ranked, rank
from vizinho.languages.sources import TextSources
from vizinho.parallel import run_tasks
from vizinho.progress import Event, unseen
from vizinho.text.language import Language

FORMAT = 1
"""Version of the JSON that `as_json` gives and the page draws."""
LEVELS = ("sounds", "vocabulary", "spelling", "syntax", "map", "acoustics", "vectors")
"""In the order of how a person would look at two languages; vectors, the slowest, last."""
QUICK_LEVELS = LEVELS[:-1]
_TOGETHER = (("sounds", "vocabulary", "vectors"), ("acoustics", "map"), ("spelling", "syntax"))
"""Levels that one process computes: those that read the same words or treebanks stay together."""


@dataclass(frozen=True, slots=True)
class Inputs:
    """What the languages are compared by, beside what is built in."""

    texts: TextSources = field(default_factory=TextSources)
    speech: Mapping[str, Path] = field(default_factory=dict)
    """Manifest of recordings by language code."""
    minutes: float = 5.0
    """Speech of each language that the acoustic level uses."""
    top: int = 5000
    """Most frequent words that the vocabulary level uses."""
    g2p: Literal["espeak", "lexicon"] = "espeak"
    """Where pronunciations come from: eSpeak NG's rules or lexicons/, for both languages."""
    seed: int = 1
    work: Path | None = None
    """Folder that keeps word vectors trained on the way."""
    false_friends: bool = False
    """Whether the vocabulary level flags cognates by their vectors; on when the level of vectors is asked for."""


Level = Callable[[Language, Language, Inputs], LevelResult]


@dataclass(frozen=True, slots=True)
class Comparison:
    """A target and its donors: levels by donor, donors from the nearest to the farthest, seconds by level."""

    target: str
    results: Mapping[str, tuple[LevelResult, ...]]
    ranking: tuple[Ranked, ...]
    seconds: Mapping[str, float]
    """0 for a level that came from the cache."""

    def as_json(self) -> dict[str, Any]:
        """Plain values, as `vizinho compare --json` prints and the page reads them."""
        return {
            "format": FORMAT,
            "target": self.target,
            "donors": list(self.results),
            "ranking": [asdict(r) | {"gaps": list(r.gaps)} for r in self.ranking],
            "levels": {donor: [level_as_json(r) for r in levels] for donor, levels in self.results.items()},
            "seconds": dict(self.seconds),
        }


def compare(
    target: str,
    donors: Sequence[str],
    inputs: Inputs | None = None,
    *,
    levels: Sequence[str] = QUICK_LEVELS,
    cache: Path | None = None,
    processes: int = 1,
    progress: Event = unseen,
) -> Comparison:
    """Compare `target` with each of `donors` on `levels` and rank the donors.

    A level that fails for a pair becomes a gap with its reason, and the rest is computed. With `cache`, results are
    kept there under a name made of the contents of every input and of this package's code. Raises SpecError for an
    unknown level or language, for no donors, for a donor given twice and for the target among the donors.
    """
    target = Language.parse(target, where="target", error=SpecError).code
    donors = [Language.parse(donor, where="donors", error=SpecError).code for donor in donors]
    _check(target, donors, levels)
    inputs = replace(inputs or Inputs(), false_friends="vectors" in levels)
    groups = [g for group in _TOGETHER if (g := tuple(level for level in levels if level in group))]
    made = run_tasks([(_levels_task, (g, target, tuple(donors), inputs, cache)) for g in groups], processes, progress)
    found = {level: row for group in made for level, row in group.items()}
    results = {donor: tuple(found[level][1][donor] for level in levels) for donor in donors}
    return Comparison(target, results, rank(results), {level: found[level][0] for level in levels})


def _levels_task(
    levels: Sequence[str], target: str, donors: Sequence[str], inputs: Inputs, cache: Path | None, progress: Event
) -> dict[str, tuple[float, dict[str, LevelResult]]]:
    """Seconds and results by donor of some levels, one after the other: they share what they read."""
    made = {}
    for level in levels:
        begun = time.perf_counter()
        results, computed = {}, False
        for donor in donors:
            stored = _cache_path(cache, level, target, donor, inputs)
            found = _read_cached(stored)
            if found is None:
                found, computed = _one(level, Language.of(target), Language.of(donor), inputs), True
                if stored is not None:
                    write_json(stored, level_as_json(found))
            results[donor] = found
            progress(level, len(donors), 1, donor)
        made[level] = (round(time.perf_counter() - begun, 3) if computed else 0.0, results)
    return made


def _check(target: str, donors: Sequence[str], levels: Iterable[str]) -> None:
    unknown = [level for level in levels if level not in LEVELS]
    if unknown:
        raise SpecError(f"unknown level {unknown[0]!r}", fix=f"choose from {', '.join(LEVELS)}")
    if not donors:
        raise SpecError("no donors to compare with", fix="name some, as --donors es,en")
    twice = [d for d in donors if donors.count(d) > 1]
    if twice:
        raise SpecError(f"the donor {twice[0]!r} is given twice", fix="name it once")
    if target in donors:
        raise SpecError(
            f"{target!r} is both target and donor", fix="leave it out; its ceiling stands beside each measure"
        )


def _one(level: str, target: Language, donor: Language, inputs: Inputs) -> LevelResult:
    if _is_one_source(level, target, donor, inputs):
        reason = f"{target.code} and {donor.code} have one and the same source here"
        return LevelResult(level, gaps=(Gap(level, "*", reason, "give each its own files (docs/compare.md)"),))
    try:
        return _function(level)(target, donor, inputs)
    except VizinhoError as error:
        return LevelResult(level, gaps=(Gap(level, "*", str(error)),))
    except ImportError as error:
        return LevelResult(
            level, gaps=(Gap(level, "*", f"{error.name} is not installed", f"pip install {error.name}"),)
        )


def _is_one_source(level: str, target: Language, donor: Language, inputs: Inputs) -> bool:
    """Whether two variants of a language would be compared by the same data: that would say they are alike."""
    if target == donor or target.base != donor.base or level in ("sounds", "map"):
        return False
    ours, theirs = (_files(level, (v,), inputs) for v in (target, donor))
    return ours == theirs


def _function(level: str) -> Level:
    """Imported when needed: eight languages by spelling alone should not wait for spaCy and scikit-learn."""

    def module(name: str) -> Any:
        return import_module(f"vizinho.languages.levels.{name}")

    table: dict[str, Level] = {
        "sounds": lambda t, d, i: module("inventory").compare_sounds(t, d, i.texts, g2p=i.g2p, seed=i.seed),
        "vocabulary": lambda t, d, i: module("vocabulary").compare_vocabulary(
            t,
            d,
            i.texts,
            top=i.top,
            seed=i.seed,
            cosine=module("vectors").false_friend_cosine(t, d, i.texts, i.work, i.seed) if i.false_friends else None,
        ),
        "spelling": lambda t, d, i: module("orthography").compare_spelling(t, d, i.texts, seed=i.seed),
        "syntax": lambda t, d, i: module("syntax").compare_syntax(t, d, i.texts, seed=i.seed),
        "map": lambda t, d, i: module("atlas").compare_map(t, d, i.texts),
        "acoustics": lambda t, d, i: module("acoustics").compare_acoustics(
            t, d, i.speech, minutes=i.minutes, seed=i.seed
        ),
        "vectors": lambda t, d, i: module("vectors").compare_vectors(t, d, i.texts, work=i.work, seed=i.seed),
    }
    return table[level]


def level_as_json(result: LevelResult) -> dict[str, Any]:
    """Plain values; each measure with its nearness."""
    return {
        "level": result.level,
        "measures": [asdict(m) | {"nearness": m.nearness} for m in result.measures],
        "gaps": [asdict(g) for g in result.gaps],
        "evidence": dict(result.evidence),
    }


def level_from_json(values: Mapping[str, Any]) -> LevelResult:
    """The inverse of `level_as_json`."""
    measures = []
    for row in values["measures"]:
        made = {k: v for k, v in row.items() if k != "nearness"}
        made["interval"] = tuple(made["interval"]) if made["interval"] is not None else None
        measures.append(Measure(**made))
    gaps = tuple(Gap(**row) for row in values["gaps"])
    return LevelResult(values["level"], tuple(measures), gaps, values["evidence"])


def _cache_path(cache: Path | None, level: str, target: str, donor: str, inputs: Inputs) -> Path | None:
    if cache is None:
        return None
    digest = hashlib.sha256(_code_version().encode())
    settings = [level, target, donor, inputs.minutes, inputs.top, inputs.seed, inputs.g2p, inputs.false_friends]
    digest.update(json.dumps(settings).encode())
    for path in _files(level, (Language.of(target), Language.of(donor)), inputs):
        digest.update(path.name.encode() + _content(path).encode())
    return cache / f"{target}-{donor}-{level}-{digest.hexdigest()[:16]}.json"


def _files(level: str, variants: Sequence[Language], inputs: Inputs) -> list[Path]:
    """Files whose contents a level depends on; recordings by their manifest, which names and measures them."""
    texts = inputs.texts
    if level == "acoustics":
        return [inputs.speech[v.base] for v in variants if v.base in inputs.speech]
    if level == "map":
        added = texts.folder / "atlas.tsv" if texts.folder else None
        return [added] if added is not None and added.is_file() else []
    parts = {
        "sounds": (texts.frequencies, texts.lexicon),
        "vocabulary": (texts.frequencies,),
        "spelling": (texts.frequencies, texts.treebank),
    }.get(level, ())
    if level == "syntax":  # parsed where there is no treebank
        banks = [(texts.treebank(v), v) for v in variants]
        return [p for bank, v in banks for p in ([bank] if bank else texts.sentences(v))]
    found = [path for v in variants for part in parts if (path := part(v)) is not None]
    if level == "vectors" or (level == "vocabulary" and inputs.false_friends):
        found += [path for v in variants for path in texts.sentences(v)]
        found += sorted((texts.folder / "parallel").glob("*.tsv")) if texts.folder else []
    return found


_digests: dict[tuple[Path, int, int], str] = {}


def _content(path: Path) -> str:
    stat = path.stat()
    key = (path.resolve(), stat.st_mtime_ns, stat.st_size)
    if key not in _digests:
        _digests[key] = hashlib.sha256(path.read_bytes()).hexdigest()
    return _digests[key]


_CODE = (".py", ".tsv", ".conllu")


def _code_version() -> str:
    """Changes with the code of the levels and what is built in, so that a cache never outlives a correction."""
    folders = (Path(__file__).parent, Path(__file__).parents[1] / "g2p")
    return "".join(_content(p) for folder in folders for p in sorted(folder.rglob("*")) if p.suffix in _CODE)


def _read_cached(path: Path | None) -> LevelResult | None:
    if path is None or not path.is_file():
        return None
    try:
        return level_from_json(json.loads(path.read_text(encoding="utf-8")))
    except (ValueError, KeyError, TypeError, OSError):
        return None  # a damaged entry is computed anew
