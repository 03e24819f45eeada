"""A race against NeMo: from the same Spanish es.nemo to Portuguese, with the same recordings, steps and longest batch.

    make peers                                                        # once: .venv-peers, with NeMo
    .venv/bin/python bench/peers/nemo_race.py ../shared/speech        # hours on one core; --help for a rehearsal

NeMo trains the Spanish donor. Three arms start from it: NeMo's tutorial (encoder frozen but for batch norms, then
thawed), NeMo with nothing frozen, and `vizinho transfer`. Each arm's rate is chosen on dev among the same number of
rates with the first seed, whose chosen run counts as its first; test is heard once, at the end. Every stage is skipped
where its output stands. docs/race.md has the figures.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import torch
from nemo_race_score import report

from vizinho.audio.io import SAMPLE_RATE, load_audio
from vizinho.corpora.manifest import read_manifest, write_manifest
from vizinho.corpora.readers.base import file_name, store_clip
from vizinho.files import write_json, write_text
from vizinho.job.data import read_dataset
from vizinho.model.checkpoint import load_donor
from vizinho.recognition.recognizer import Recognizer
from vizinho.records import Utterance
from vizinho.text.alphabets import alphabet
from vizinho.text.normalize import get_normalizer
from vizinho.text.tokens import characters_of
from vizinho.training.options import TrainingOptions, from_dict
from vizinho.training.recipes import default_recipe

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
DONOR, TARGET = "es", "pt"


@dataclass(frozen=True, slots=True)
class Race:
    """What is raced, and where the outputs of its stages stand."""

    speech: Path
    folder: Path
    peers: Path
    """Python of the environment that has NeMo."""
    steps: int
    donor_steps: int
    donor_rate: float
    batch_seconds: float
    every: int
    """Steps between looks at dev."""
    rates: tuple[float, ...]
    seeds: tuple[int, ...]
    thaw_share: float
    """Share of the steps in which the tutorial's encoder is frozen."""

    @property
    def arms(self) -> dict[str, float | None]:
        """Arms by name, with the share of the steps in which NeMo freezes the encoder; None is vizinho."""
        return {"nemo-thaw": self.thaw_share, "nemo-free": 0.0, "vizinho": None}

    @property
    def donor(self) -> Path:
        """The archive that all arms start from."""
        return self.folder / "donor" / "model.nemo"

    def manifest(self, language: str, split: str) -> Path:
        """NeMo's manifest of a split; `split` "" is vizinho's manifest of all of them."""
        return self.folder / "corpora" / (f"{language}-{split}.json" if split else f"{language}.jsonl")

    def run(self, arm: str, rate: float, seed: int) -> Path:
        """Folder of one run."""
        return self.folder / "runs" / f"{arm}-{rate:g}-seed{seed}"


def say(line: str) -> None:
    print(f"{time.strftime('%H:%M:%S')} {line}", flush=True)


def timed(command: Sequence[str | Path], folder: Path, **environment: str) -> dict[str, Any]:
    """Run a command to its end, with its log in `folder`; seconds of the clock and of the core, workers included."""
    folder.mkdir(parents=True, exist_ok=True)
    words = [str(word) for word in command]
    begun = time.perf_counter()
    with (folder / "stdout").open("wb") as out, (folder / "stderr").open("wb") as err:
        process = subprocess.Popen(
            words, stdout=out, stderr=err, env={**os.environ, "OMP_NUM_THREADS": "1", **environment}
        )
        try:
            _, status, used = os.wait4(process.pid, 0)
        except BaseException:
            process.terminate()
            raise
    if status:
        tail = (folder / "stderr").read_text("utf-8", "replace")[-2000:]
        sys.exit(f"{' '.join(words)}\nended with {os.waitstatus_to_exitcode(status)}:\n{tail}")
    return {"wall_seconds": time.perf_counter() - begun, "cpu_seconds": used.ru_utime + used.ru_stime, "command": words}


def hold_to_settings(race: Race) -> None:
    """Refuse a folder that was begun with other settings; more rates and seeds are welcome."""
    free = {"speech", "folder", "peers", "rates", "seeds"}
    settings = {name: value for name, value in asdict(race).items() if name not in free}
    kept = race.folder / "settings.json"
    if not kept.exists():
        write_json(kept, settings)
    elif (begun := json.loads(kept.read_text("utf-8"))) != settings:
        sys.exit(f"{race.folder} was begun with {begun}, now {settings} is asked for; give another --out")


def make_corpora(race: Race) -> None:
    """Check both corpora, take out what has a text of the Portuguese test, and write them for both toolkits as FLAC."""
    done = race.folder / "corpora" / "done.json"
    if done.exists():
        return
    for language in (DONOR, TARGET):
        command = [sys.executable, "-m", "vizinho.cli.main", "corpus", "check"]
        source = race.speech / f"{language}.jsonl"
        timed([*command, source, "--out", race.folder / "checked"], race.folder / "checked" / language)
    normalize = get_normalizer(TARGET)
    checked = {lang: read_manifest(race.folder / "checked" / f"{lang}.clean.jsonl") for lang in (DONOR, TARGET)}
    tested = {normalize(u.text) for u in checked[TARGET] if u.split == "test"}
    counts: dict[str, Any] = {}
    for language, utterances in checked.items():
        kept = [u for u in utterances if u.split == "test" or normalize(u.text) not in tested]
        audio = race.folder / "corpora" / f"{language}_audio"
        write_manifest(race.manifest(language, ""), [_stored(u, audio) for u in kept])
        counts[language] = {"left_out_for_test_texts": len(utterances) - len(kept)} | _write_for_nemo(race, language)
        say(f"{language}: {counts[language]}")
    write_json(done, counts)


def _stored(utterance: Utterance, audio: Path) -> Utterance:
    """The utterance with its audio as FLAC, which both toolkits read."""
    path, seconds = store_clip(audio, utterance.id, load_audio(utterance.audio), SAMPLE_RATE)
    return replace(utterance, audio=path.absolute(), duration_seconds=round(seconds, 4))


def _write_for_nemo(race: Race, language: str) -> dict[str, Any]:
    """NeMo's manifests with normalised texts, and the labels: alphabet and training texts, as vizinho has them."""
    manifest = race.manifest(language, "")
    parts = read_dataset((manifest,), language, None, race.seeds[0])
    test = tuple(u for u in read_manifest(manifest) if u.split == "test")
    found = {}
    for split, utterances in {"train": parts.train, "dev": parts.dev, "test": test}.items():
        rows = [
            {"audio_filepath": str(u.audio), "duration": u.duration_seconds, "text": parts.normalizer(u.text)}
            for u in utterances
        ]
        write_text(race.manifest(language, split), "".join(json.dumps(r, ensure_ascii=False) + "\n" for r in rows))
        found[split] = [len(utterances), round(sum(u.duration_seconds for u in utterances) / 60, 2)]
    letters = sorted({*alphabet(language), *characters_of(parts.normalizer(u.text) for u in parts.train)})
    write_json(race.manifest(language, "labels"), [" ", *letters])
    return found


def make_donor(race: Race) -> None:
    """Let NeMo train the Spanish donor, and see that vizinho hears from it what NeMo does."""
    if not (race.folder / "donor" / "result.json").exists():
        every = max(1, race.donor_steps // 6)
        options = {"steps": race.donor_steps, "rate": race.donor_rate, "seed": race.seeds[0], "every": every}
        cost = timed(_nemo(race, "donor", DONOR, race.folder / "donor", warmup=0.1, **options), race.folder / "donor")
        _finish(race.folder / "donor", cost)
    same = race.folder / "donor" / "same.json"
    if not same.exists():
        dev, heard = race.manifest(DONOR, "dev"), race.folder / "donor" / "dev.json"
        transcribe_with_nemo(race, race.donor, dev, heard)
        theirs = json.loads(heard.read_text("utf-8"))
        known = {file_name(u.id): u for u in read_manifest(race.manifest(DONOR, ""))}
        ours = Recognizer.of(load_donor(race.donor).recogniser).transcribe_corpus([known[stem] for stem in theirs])
        equal = sum(" ".join(theirs[file_name(i)].split()) == t.text for i, t in ours.items())
        write_json(same, {"utterances": len(theirs), "equal": equal})
    heard_alike = json.loads(same.read_text("utf-8"))
    say(
        f"donor: dev CER {_read(race.folder / 'donor')['dev_cer']:.3f}; vizinho hears the same as NeMo in "
        f"{heard_alike['equal']} of {heard_alike['utterances']} utterances of dev"
    )


def _nemo(race: Race, command: str, language: str, out: Path, **options: Any) -> list[str | Path]:
    """A command of nemo_train.py."""
    words: list[str | Path] = [race.peers, HERE / "nemo_train.py", command]
    for split in ("train", "dev", "labels"):
        words += [f"--{split}", race.manifest(language, split)]
    for name, value in options.items():
        words += [f"--{name.replace('_', '-')}", str(value)]
    return [*words, "--batch-seconds", str(race.batch_seconds), "--out", out]


def transcribe_with_nemo(race: Race, model: Path, manifest: Path, out: Path) -> None:
    """Write what NeMo hears in a manifest's recordings, by the stem of their files."""
    command = [race.peers, HERE / "nemo_train.py", "transcribe", "--model", model, "--manifest", manifest]
    timed([*command, "--out", out], out.with_suffix(".log"))


def _finish(folder: Path, more: dict[str, Any]) -> None:
    write_json(folder / "result.json", json.loads((folder / "made.json").read_text("utf-8")) | more)


def _read(folder: Path) -> dict[str, Any]:
    return dict(json.loads((folder / "result.json").read_text("utf-8")))


def run_arm(race: Race, arm: str, rate: float, seed: int) -> dict[str, Any]:
    """One run of an arm, unless its output stands."""
    folder = race.run(arm, rate, seed)
    if not (folder / "result.json").exists():
        say(f"{arm} at {rate:g}, seed {seed}")
        shutil.rmtree(folder, ignore_errors=True)  # what a stopped run left: its time would not be the whole time
        share = race.arms[arm]
        if share is None:
            run_vizinho(race, folder, rate, seed)
        else:
            options = {"donor": race.donor, "steps": race.steps, "every": race.every, "rate": rate, "seed": seed}
            cost = timed(_nemo(race, "transfer", TARGET, folder, frozen_share=share, **options), folder)
            _finish(folder, cost)
        found = _read(folder)
        say(f"  dev CER {found['dev_cer']:.3f} ({found['chosen']}), {found['cpu_seconds']:.0f} s of one core")
    return _read(folder)


def run_vizinho(race: Race, folder: Path, rate: float, seed: int) -> None:
    """`vizinho transfer` with its default recipe at another rate."""
    write_text(folder / "recipe.toml", recipe(race, rate))
    command = [sys.executable, "-m", "vizinho.cli.main", "transfer", race.donor, "--from", DONOR, "--to", TARGET]
    command += ["--corpus", race.manifest(TARGET, ""), "--recipe", folder / "recipe.toml", "--seed", str(seed)]
    cost = timed([*command, "--quiet", "--json"], folder, VIZINHO_HOME=str(folder / "home"))
    made = json.loads((folder / "stdout").read_text("utf-8"))
    kept = ("dev_cer", "chosen", "audio_seconds_seen", "set_aside", "steps", "curve", "movement")
    write_json(folder / "result.json", {key: made[key] for key in kept} | cost)


def recipe(race: Race, rate: float) -> str:
    """The default recipe of `vizinho transfer` with the race's steps and this rate.

    Batches are made in the process itself, as in NeMo's runs: the machine is shared.
    """
    usual = default_recipe("transfer")
    layers = {"head_first_share": usual.layers.head_first_share, "layer_decay": usual.layers.layer_decay}
    given = {"steps": race.steps, "learning_rate": rate, "batch_seconds": race.batch_seconds, "workers": 0}
    given |= {"evaluate_every": race.every}
    written = from_dict(TrainingOptions, given | {"layers": layers})
    assert written == replace(usual, **given), "the default recipe has more than is written here"
    lines = [f"{key} = {value}" for key, value in given.items()]
    return "\n".join([*lines, "", "[layers]", *(f"{key} = {value}" for key, value in layers.items())]) + "\n"


def chosen_rate(race: Race, arm: str) -> float:
    """The rate with the lowest dev CER of the first seed."""
    return min(race.rates, key=lambda rate: _read(race.run(arm, rate, race.seeds[0]))["dev_cer"])


def hear_test(race: Race, arm: str, rate: float, seed: int) -> dict[str, str]:
    """What a finished run hears in the test recordings, by id; heard once, then kept."""
    folder = race.run(arm, rate, seed)
    kept = folder / "test.json"
    test = [u for u in read_manifest(race.manifest(TARGET, "")) if u.split == "test"]
    if not kept.exists():
        if race.arms[arm] is None:
            heard = Recognizer.load(folder / "home" / "models" / TARGET / "1").transcribe_corpus(test)
            write_json(kept, {file_name(i): t.text for i, t in heard.items()})
        else:
            transcribe_with_nemo(race, folder / "model.nemo", race.manifest(TARGET, "test"), kept)
    texts = json.loads(kept.read_text("utf-8"))
    return {u.id: texts[file_name(u.id)] for u in test}


def main() -> None:
    race, seconds = parsed()
    torch.set_num_threads(1)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that a command under way ends too
    hold_to_settings(race)
    make_corpora(race)
    make_donor(race)
    for rate in race.rates:
        for arm in race.arms:
            run_arm(race, arm, rate, race.seeds[0])
    rates = {arm: chosen_rate(race, arm) for arm in race.arms}
    say(f"rates chosen on dev: {rates}")
    finished = [race.seeds[0]]
    for seed in race.seeds[1:]:
        if time.monotonic() > seconds:
            say(f"no time for seed {seed}; it is not part of this report")
            break
        for arm, rate in rates.items():
            run_arm(race, arm, rate, seed)
        finished.append(seed)
    say("test")
    heard = {arm: {seed: hear_test(race, arm, rate, seed) for seed in finished} for arm, rate in rates.items()}
    runs = {arm: {seed: _read(race.run(arm, rate, seed)) for seed in finished} for arm, rate in rates.items()}
    tried = {arm: {f"{r:g}": _read(race.run(arm, r, race.seeds[0]))["dev_cer"] for r in race.rates} for arm in rates}
    test = [u for u in read_manifest(race.manifest(TARGET, "")) if u.split == "test"]
    made = {"rates_on_dev": tried, "rates": rates, "donor": _read(race.folder / "donor")} | report(test, heard, runs)
    write_json(race.folder / "race.json", made)


def parsed() -> tuple[Race, float]:
    """The race, and the moment (on the monotonic clock) after which no further seed is begun."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("speech", type=Path, help="folder with es.jsonl and pt.jsonl")
    parser.add_argument("--out", type=Path, default=ROOT / "runs" / "nemo_race")
    parser.add_argument("--peers", type=Path, default=ROOT / ".venv-peers" / "bin" / "python")
    parser.add_argument("--steps", type=int, default=400)
    parser.add_argument("--donor-steps", type=int, default=1500)
    parser.add_argument("--donor-rate", type=float, default=1e-3)
    parser.add_argument("--batch-seconds", type=float, default=16.0, help="padded audio in a step")
    parser.add_argument("--rates", type=float, nargs="+", default=[1e-3, 5e-4, 2e-3])
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3])
    parser.add_argument(
        "--thaw-share", type=float, default=0.25, help="of the steps with the tutorial's frozen encoder"
    )
    parser.add_argument("--minutes", type=float, default=float("inf"), help="begin no further seed after this long")
    given = parser.parse_args()
    race = Race(
        given.speech,
        given.out.absolute(),
        given.peers,
        given.steps,
        given.donor_steps,
        given.donor_rate,
        given.batch_seconds,
        max(1, given.steps // 10),
        tuple(given.rates),
        tuple(given.seeds),
        given.thaw_share,
    )
    return race, time.monotonic() + given.minutes * 60


if __name__ == "__main__":
    main()
