"""Compares a target with donors on every level and ranks the donors; what is missing stays visible as a gap."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

from vizinho.errors import SpecError, VizinhoError
from vizinho.files import sha256, write_json
from vizinho.languages.levels.acoustics import compare_acoustics
from vizinho.languages.levels.atlas import compare_map
from vizinho.languages.levels.inventory import compare_sounds
from vizinho.languages.levels.orthography import compare_spelling
from vizinho.languages.levels.running import text_files
from vizinho.languages.levels.syntax import compare_syntax
from vizinho.languages.levels.typology import compare_typology
from vizinho.languages.levels.vectors import compare_vectors
from vizinho.languages.levels.vocabulary import compare_vocabulary
from vizinho.languages.levels.words import word_files
from vizinho.languages.levels.zero_shot import LEVEL as ZERO_SHOT_LEVEL
from vizinho.languages.levels.zero_shot import decode_untrained
from vizinho.languages.measures import Gap, LevelResult, Measure
from vizinho.languages.rank import Ranked, rank
from vizinho.languages.sources import Inputs
from vizinho.parallel import run_tasks
from vizinho.progress import Event, unseen
from vizinho.text.language import Language

FORMAT = 1
"""Version of the JSON that `as_json` gives and the page draws."""
Level = Callable[[Language, Sequence[Language], Inputs], Iterator[LevelResult]]
"""(target, donors, inputs) to the results of the donors in turn."""
LEVELS: dict[str, Level] = {
    "sounds": compare_sounds,
    "vocabulary": compare_vocabulary,
    "spelling": compare_spelling,
    "syntax": compare_syntax,
    "typology": compare_typology,
    "map": compare_map,
    "acoustics": compare_acoustics,
    "vectors": compare_vectors,
}
"""In the order of how a person would look at two languages; vectors, the slowest, last."""
QUICK_LEVELS = tuple(LEVELS)[:-1]
_TOGETHER = (("sounds", "vocabulary", "vectors"), ("acoustics", "map", "typology"), ("spelling", "syntax"))
"""Levels that one process computes: those that read the same words or treebanks stay together."""


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
            "ranking": [asdict(r) | {"votes_cast": r.cast, "gaps": list(r.gaps)} for r in self.ranking],
            "levels": {donor: [level.as_json() for level in levels] for donor, levels in self.results.items()},
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

    A level that fails for a pair becomes a gap with its reason, and the rest is computed. With `models` among the
    inputs, their zero-shot decoding is added to the level of acoustics. With `cache`, results are kept there under a
    name made of the contents of every input and of this package's code. Raises SpecError for an unknown level or
    language, for no donors, for a donor given twice, for the target among the donors and for a model of no donor.
    """
    goal = Language.parse(target, where="target", error=SpecError)
    others = [Language.parse(donor, where="donors", error=SpecError) for donor in donors]
    inputs = replace(inputs or Inputs(), false_friends="vectors" in levels)
    _check(goal, others, levels, inputs)
    groups = [g for group in _TOGETHER if (g := tuple(level for level in levels if level in group))]
    computed = run_tasks([(_levels_task, (g, goal, others, inputs, cache)) for g in groups], processes, progress)
    by_level = {level: row for group in computed for level, row in group.items()}
    results = {donor.code: tuple(by_level[level][1][i] for level in levels) for i, donor in enumerate(others)}
    for donor in others:
        if donor.code in inputs.models:
            results[donor.code] = _with_zero_shot(results[donor.code], goal, donor, inputs)
    return Comparison(goal.code, results, rank(results), {level: by_level[level][0] for level in levels})


def _check(target: Language, donors: Sequence[Language], levels: Sequence[str], inputs: Inputs) -> None:
    unknown = [level for level in levels if level not in LEVELS]
    if unknown:
        raise SpecError(f"unknown level {unknown[0]!r}", fix=f"choose from {', '.join(LEVELS)}")
    if not donors:
        raise SpecError("no donors to compare with", fix="name some, as --donors es,en")
    twice = [donor.code for donor in donors if donors.count(donor) > 1]
    if twice:
        raise SpecError(f"the donor {twice[0]!r} is given twice", fix="name it once")
    if target in donors:
        fix = "leave it out; every measure has the target's own ceiling"
        raise SpecError(f"{target.code!r} is both target and donor", fix=fix)
    codes = [donor.code for donor in donors]
    for code in inputs.models:
        if code not in codes:
            raise SpecError(f"{code!r} is no donor", where="--models", fix=f"donors: {', '.join(codes)}")


def _levels_task(
    levels: Sequence[str],
    target: Language,
    donors: Sequence[Language],
    inputs: Inputs,
    cache: Path | None,
    progress: Event,
) -> dict[str, tuple[float, list[LevelResult]]]:
    """Seconds and results by donor of some levels, one after the other: they share what they read."""
    computed = {}
    for level in levels:
        begun = time.perf_counter()
        paths = [_cache_path(cache, level, target, donor, inputs) for donor in donors]
        stored = [_read_cached(path) for path in paths]
        missing = [donor for donor, result in zip(donors, stored, strict=True) if result is None]
        new = _results(level, target, missing, inputs)  # in the order of `missing`
        results = []
        for donor, path, result in zip(donors, paths, stored, strict=True):
            if result is None:
                result = next(new)
                if path is not None:
                    write_json(path, result.as_json())
            results.append(result)
            progress(level, len(donors), 1, donor.code)
        seconds = time.perf_counter() - begun if missing else 0.0
        computed[level] = (round(seconds, 3), results)
    return computed


def _results(level: str, target: Language, donors: Sequence[Language], inputs: Inputs) -> Iterator[LevelResult]:
    """The results of a level in the order of the donors; what stops the level as a whole is a gap of each."""
    apart = [donor for donor in donors if not _is_one_source(level, target, donor, inputs)]
    try:
        own = LEVELS[level](target, apart, inputs) if apart else iter(())  # a generator: nothing is computed yet
        for donor in donors:
            yield next(own) if donor in apart else _one_source(level, target, donor)
    except (ImportError, VizinhoError) as error:
        gap = _missing(level, error) if isinstance(error, ImportError) else Gap.of(level, error)
        while True:  # for each of the donors that are left
            yield LevelResult(level, gaps=(gap,))


def _missing(level: str, error: ImportError) -> Gap:
    return Gap(level, "*", f"{error.name} is not installed", f"pip install {error.name}")


def _is_one_source(level: str, target: Language, donor: Language, inputs: Inputs) -> bool:
    """Whether two variants of a language would be compared by the same data: that would say they are alike."""
    if target == donor or target.base != donor.base or level in ("sounds", "map", "typology"):
        return False
    return _files(level, (target,), inputs) == _files(level, (donor,), inputs)


def _one_source(level: str, target: Language, donor: Language) -> LevelResult:
    reason = f"{target.code} and {donor.code} have one and the same source here"
    return LevelResult(level, gaps=(Gap(level, "*", reason, "give each its own files (docs/compare.md)"),))


def _with_zero_shot(
    results: tuple[LevelResult, ...], target: Language, donor: Language, inputs: Inputs
) -> tuple[LevelResult, ...]:
    """The results of a donor with its recogniser's zero-shot decoding added to the level of acoustics."""
    speech = {language.code: inputs.recordings(language) for language in (target, donor)}
    lacking = [code for code, path in speech.items() if path is None]
    gaps: tuple[Gap, ...] = ()
    measures: tuple[Measure, ...] = ()
    if lacking:
        fix = "put LANG.jsonl into the folder given with --speech"
        gaps = (Gap(ZERO_SHOT_LEVEL, "zero_shot", f"no recordings of {', '.join(lacking)}", fix),)
    else:
        own, other = (path for path in speech.values() if path is not None)
        measures = tuple(decode_untrained(inputs.models[donor.code], own, other))
    if all(result.level != ZERO_SHOT_LEVEL for result in results):
        return (*results, LevelResult(ZERO_SHOT_LEVEL, measures, gaps))
    return tuple(
        replace(r, measures=r.measures + measures, gaps=r.gaps + gaps) if r.level == ZERO_SHOT_LEVEL else r
        for r in results
    )


def _cache_path(cache: Path | None, level: str, target: Language, donor: Language, inputs: Inputs) -> Path | None:
    if cache is None:
        return None
    settings = [target.code, donor.code, inputs.minutes, inputs.top, inputs.seed, inputs.g2p, inputs.false_friends]
    contents = [(path.name, sha256(path)) for path in _files(level, (target, donor), inputs)]
    digest = hashlib.sha256(json.dumps([_code_version(), level, settings, contents]).encode())
    return cache / f"{target.code}-{donor.code}-{level}-{digest.hexdigest()[:16]}.json"


def _files(level: str, languages: Sequence[Language], inputs: Inputs) -> list[Path]:
    """Files whose contents a level depends on; recordings by their manifest, which names and measures them."""
    texts = inputs.texts
    if level == "acoustics":
        return [path for language in languages if (path := inputs.recordings(language)) is not None]
    if level == "typology":
        return []
    if level == "map":
        added = texts.folder / "atlas.tsv" if texts.folder else None
        return [added] if added is not None and added.is_file() else []
    if level == "syntax":  # parsed where there is no treebank
        banks = [(texts.treebank(language), language) for language in languages]
        return [p for bank, language in banks for p in ([bank] if bank else texts.sentences(language))]
    files: list[Path] = []
    if level != "vectors":
        files = [path for language in languages for path in word_files(language, texts)]
    if level == "sounds":
        files += [path for language in languages if (path := texts.lexicon(language)) is not None]
    if level == "spelling":
        files += [path for language in languages for path in text_files(language, texts)]
    if level == "vectors" or (level == "vocabulary" and inputs.false_friends):
        files += [path for language in languages for path in texts.sentences(language)]
        files += texts.parallel()
    elif level == "vocabulary":
        files += texts.parallel()
    return files


@cache
def _code_version() -> str:
    """Changes with the code of the levels and what is built in, so that a cache never outlives a correction."""
    folders = (Path(__file__).parent, *(Path(__file__).parents[1] / part for part in ("g2p", "text")))
    files = [path for folder in folders for path in sorted(folder.rglob("*"))]
    return "".join(sha256(path) for path in files if path.suffix in (".py", ".tsv", ".conllu"))


def _read_cached(path: Path | None) -> LevelResult | None:
    if path is None or not path.is_file():
        return None
    try:
        return LevelResult.from_json(json.loads(path.read_text(encoding="utf-8")))
    except (ValueError, KeyError, TypeError, OSError):
        return None  # a damaged entry is computed again
