"""Speech without text: a model labels it, a transfer trains on the labels too, and so on while dev gains.

transcribed corpus -> first version -> labels, filtered -> the next version from the same donor -> ...
Every round is a line of a ledger beside the store's runs, so that a command that was killed goes on where it was.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from contextlib import nullcontext
from dataclasses import asdict, dataclass, field, replace
from math import inf
from pathlib import Path
from typing import Any

from vizinho.errors import CorpusError, SpecError
from vizinho.files import sha256
from vizinho.job.data import as_manifest, open_corpus, target_minutes
from vizinho.job.run import Outcome, Paths, Reporting, transfer
from vizinho.ledger import Ledger
from vizinho.model.presets import donor_kind
from vizinho.parallel import process_count
from vizinho.progress import bar, silent
from vizinho.recognition.files import Work
from vizinho.recognition.label import LabelReport, PseudoLabelOptions, pseudo_label
from vizinho.recognition.label import untranscribed as untranscribed_speech
from vizinho.records import Utterance
from vizinho.store.pins import pinned_utterances, read_pin, same_recordings
from vizinho.store.store import Store, unwritable
from vizinho.training.recipes import default_recipe
from vizinho.training.skipped import NAMED

_LABELLED_SHARE = 2.0
"""Minutes with labels for one transcribed minute, above which the transcribed corpus is repeated."""


@dataclass(frozen=True, slots=True)
class RoundOptions:
    """How speech without text is used."""

    rounds: int = 3
    """Most rounds after the first version."""
    labels: PseudoLabelOptions = field(default_factory=lambda: PseudoLabelOptions(least_agreement=0.5))

    def __post_init__(self) -> None:
        if self.rounds < 1:
            raise SpecError(f"{self.rounds} rounds", where="--rounds", fix="give 1 or more")


@dataclass(frozen=True, slots=True)
class Round:
    """One version and what it was trained on; round 0 has the transcribed corpus alone."""

    round: int
    model: str
    """NAME@VERSION."""
    dev_cer: float
    labels: int = 0
    """Utterances that the version before labelled and that were accepted."""
    minutes: float = 0.0
    """Of those."""
    skipped: int = 0
    """Unsure, unstable, silent or unreadable."""


@dataclass(frozen=True, slots=True)
class RoundsReport:
    """All rounds, and the model that is best on dev."""

    model: str
    rounds: tuple[Round, ...]
    stopped: str
    """Why there are no more rounds."""
    in_corpus: int
    """Untranscribed recordings that were not labelled, because the corpus or the pinned test set has them."""


def self_train(
    donor: str | Path,
    *,
    to: str,
    corpus: Paths,
    untranscribed: Path | str | Sequence[Path | str],
    rounds: RoundOptions = RoundOptions(),
    store: Store | None = None,
    reporting: Reporting = Reporting(),
    fresh: bool = False,
    **options: Any,
) -> RoundsReport:
    """Transfer to a language with little transcribed and more untranscribed speech.

    Every round trains from the donor again, on the corpus and on what the best version so far writes of the rest. It
    ends after the first round that is not better on dev. The best version on dev is current afterwards, unless the name
    has a pinned test set: that decides then.

    Args:
        donor: As `transfer` has it.
        to: The target language.
        corpus: Manifests with transcripts; their dev split, or a tenth held out, decides when to stop.
        untranscribed: Audio files and folders, or one manifest whose train split is labelled.
        rounds: How often, and which labels are accepted.
        store: Where models live; the user's store if not given.
        reporting: Whom to tell what; `on_published` is called for every version.
        fresh: Forget what an interrupted command has done.
        options: Further arguments of `transfer`.

    Raises VizinhoError (of the kind that fits) for input that cannot be used.
    """
    if process_count() > 1:
        raise SpecError(
            "untranscribed speech is labelled in one process",
            fix="use `vizinho corpus label`, then --beside, in torchrun",
        )
    corpora = [Path(p) for p in ([corpus] if isinstance(corpus, str | Path) else corpus)]
    sources = [Path(p) for p in ([untranscribed] if isinstance(untranscribed, str | Path) else untranscribed)]
    # A manifest's ids may be those of the corpus; only other recordings stay below.
    speech = [replace(u, id=f"untranscribed/{u.id}") for u in untranscribed_speech(sources, to)[0]]
    options |= {"to": to, "corpus": corpora}
    return _Rounds(str(donor), speech, rounds, store or Store(), reporting, options).run(fresh=fresh)


class _Rounds:
    def __init__(
        self,
        donor: str,
        speech: Sequence[Utterance],
        rounds: RoundOptions,
        store: Store,
        reporting: Reporting,
        options: dict[str, Any],
    ) -> None:
        self._rounds, self._store, self._reporting, self._options = rounds, store, reporting, options
        self._name = options.get("name") or options["to"].lower()
        language, log, board = options["to"], reporting.log, reporting.board
        options["corpus"] = [as_manifest(path, language, store.home, log, board) for path in options["corpus"]]
        self._corpora = [open_corpus(path) for path in options["corpus"]]
        known = [u for corpus in self._corpora for u in corpus.utterances] + pinned_utterances(store, self._name)
        repeated = same_recordings(known, speech)
        self._speech, self._in_corpus = [u for u in speech if u.id not in repeated], len(repeated)
        self._folder = store.home / "rounds" / f"{self._name}-{self._identity(donor, speech)}"
        self._donor = donor

    def run(self, *, fresh: bool) -> RoundsReport:
        if not self._speech:
            raise CorpusError(
                f"all {self._in_corpus} recordings are in the corpus or the pinned test set",
                where="--untranscribed",
                fix="give recordings that have no text",
            )
        place = self._folder / "rounds.jsonl"
        if fresh:
            place.unlink(missing_ok=True)
        try:
            ledger = Ledger(place)
            if not ledger.lines:
                # A bare name means another version as soon as the first round is published.
                entry = self._store.find(self._donor)
                ledger.add({"donor": entry.ref if entry else self._donor})
                ledger = Ledger(place)
        except OSError as error:
            raise unwritable(error, self._store.home) from error
        self._donor = ledger.lines[0]["donor"]
        done = [Round(**line) for line in ledger.lines[1:]]
        if not done:
            done.append(self._train(ledger, 0, fresh=fresh))
        while not (stopped := _why_stop(done, self._rounds.rounds)):
            try:
                labels = self._label(done[-1].model)
            except CorpusError as error:  # nothing is accepted: the versions so far are good all the same
                stopped = error.what
                break
            done.append(self._train(ledger, len(done), labels))
        best = min(done, key=lambda r: r.dev_cer)
        # The last round may be worse than the one before, and is current only because it is the newest.
        if read_pin(self._store, self._name) is None:
            self._store.set_current(self._name, int(best.model.partition("@")[2]))
        return RoundsReport(best.model, tuple(done), stopped, self._in_corpus)

    def _label(self, model: str) -> LabelReport:
        # Named after the version that wrote it, and kept: cards refer to it.
        out = self._folder / f"{model}.jsonl"
        with bar(f"labels of {model}", len(self._speech)) if self._reporting.speaks else nullcontext(silent) as show:
            work = Work(self._store.resolve(model))
            report = pseudo_label(work, model, self._speech, out, self._rounds.labels, show)
        for row in report.failed[:NAMED]:
            self._reporting.log(f"skip {row['id']}: {row['error']}")
        return report

    def _train(self, ledger: Ledger, number: int, labels: LabelReport | None = None, *, fresh: bool = False) -> Round:
        options = self._options | (self._with(labels) if labels else {})
        done = Round(number, "", inf)
        if labels:
            skipped = len(self._speech) - labels.accepted
            done = replace(done, labels=labels.accepted, minutes=labels.accepted_minutes, skipped=skipped)

        # Called before the run's checkpoints go: a kill in between trains nothing twice and publishes nothing twice.
        def noted(outcome: Outcome) -> None:
            nonlocal done
            assert outcome.ref is not None and outcome.finished is not None
            dev = outcome.finished.result.dev_score
            done = replace(done, model=outcome.ref, dev_cer=inf if dev is None else dev)
            ledger.add(asdict(done))
            self._reporting.on_published(outcome)

        reporting = replace(self._reporting, on_published=noted)
        transfer(self._donor, **options, store=self._store, reporting=reporting, fresh=fresh)
        return done

    def _with(self, labels: LabelReport) -> dict[str, Any]:
        """Arguments of a transfer that has labels beside its corpus: more speech wants more steps."""
        options = self._options
        own = target_minutes(self._corpora, options.get("minutes"))
        more: dict[str, Any] = {"beside": [*options.get("beside", ()), labels.manifest]}
        if options.get("repeat") is None and not options.get("practice_minutes"):
            more["repeat"] = max(1, round(labels.accepted_minutes / own / _LABELLED_SHARE))
        if options.get("recipe") is None:
            kind = donor_kind(self._store.resolve(self._donor), options.get("head", "auto"))
            practice = bool(options.get("practice_minutes"))
            more["recipe"] = default_recipe("transfer", own + labels.accepted_minutes, practice=practice, donor=kind)
        return more

    def _identity(self, donor: str, speech: Sequence[Utterance]) -> str:
        """Names the command by what it reads: the same command goes on, other data start new rounds."""
        # Neither the number of processes nor that of rounds changes what a round is.
        labels = replace(self._rounds.labels, processes=1, on_ray=False)
        files = [f"{path} {sha256(path)}" for path in self._options["corpus"] if path.is_file()]
        recordings = [f"{u.audio} {u.audio.stat().st_size if u.audio.is_file() else 0}" for u in speech]
        values = [donor, repr(labels), *files, *recordings, repr(sorted(self._options.items()))]
        return hashlib.sha256("\n".join(values).encode()).hexdigest()[:16]


def _why_stop(done: Sequence[Round], limit: int) -> str:
    """Empty while there is reason for one more round."""
    if len(done) > 1 and done[-1].dev_cer >= min(r.dev_cer for r in done[:-1]):
        return f"round {done[-1].round} is not better on dev"
    return f"all {limit} rounds are done" if done[-1].round >= limit else ""


def report_lines(report: RoundsReport) -> Iterator[str]:
    """Rounds for people."""
    if report.in_corpus:
        yield f"{report.in_corpus} recordings were not labelled: the corpus or the pinned test set has them"
    for r in report.rounds:
        labels = f", {r.labels} labels ({r.minutes:.1f} minutes; {r.skipped} skipped)" if r.round else ""
        yield f"round {r.round}: {r.model}, dev CER {r.dev_cer:.3f}{labels}"
    yield f"{report.model} is the best on dev; {report.stopped}"
