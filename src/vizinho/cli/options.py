"""Options that several commands share, each declared once, and what every command checks."""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer import Argument, Option
from typer.core import TyperCommand
from typer.models import CommandFunctionType

from vizinho.errors import CorpusError, SpecError

if TYPE_CHECKING:
    from vizinho.decoding.rescore import Rescoring
    from vizinho.decoding.setup import DecoderSpec
    from vizinho.text.normalize import Normalizer


def language_tag(parameter: typer.CallbackParam, value: str | None) -> str | None:
    """Callback of options that take a language: its canonical tag. Raises SpecError naming the option."""
    from vizinho.text.language import Language

    return Language.parse(value, where=parameter.opts[0], error=SpecError).tag if value else value  # None: not given


def check_manifests(paths: Sequence[Path] | None) -> None:
    """Refuse a wrong path before libraries are loaded, which takes seconds. Raises CorpusError."""
    for path in paths or ():
        if not path.exists():
            what = "cannot read the corpus (No such file or directory)"
            raise CorpusError(what, where=path, fix="check the path of the manifest, or of the corpus's folder")


def check_donor(donor: str) -> None:
    """Refuse a name, or one of several with "+" between them, that is neither in the store nor here, as early."""
    from vizinho.store.store import Store, is_hub_id

    store = Store()
    for ref in [donor] if Path(donor).exists() else donor.split("+"):
        if not (Path(ref).exists() or is_hub_id(ref) or store.find(ref)):
            store.resolve(ref)  # raises, with what there is


# For all commands.
AsJson = Annotated[bool, Option("--json", help="Print one JSON object.")]
Seed = Annotated[int, Option("--seed", help="Seed of all randomness.", min=0)]
Threads = Annotated[int, Option("--threads", help="Threads of each process.", min=1)]
Processes = Annotated[int | None, Option("--processes", help="Number of processes (default: what fits).", min=1)]
OnRay = Annotated[
    bool, Option("--ray", help='Run on Ray Data (pip install "vizinho[ray]"): the cluster RAY_ADDRESS, or a new one.')
]
Quiet = Annotated[bool, Option("--quiet", help="No log lines and no progress bar on standard error.")]
Fresh = Annotated[bool, Option("--fresh", help="Start over instead of resuming an interrupted run.")]
ShowPlan = Annotated[bool, Option("--show-plan", help="Print every row of the transfer plan, not its summary.")]
DryRun = Annotated[bool, Option("--dry-run", help="Print the transfer plan and stop.")]

# For data, models and languages.
Lang = Annotated[str | None, Option("--lang", callback=language_tag, help="Language; the manifest's by default.")]
Spoken = Annotated[
    str | None,
    Option("--lang", callback=language_tag, help="Language that is spoken, for a model of many; its own by default."),
]
SpokenIn = Annotated[
    str | None,
    Option(
        "--lang", callback=language_tag, help="Language that is spoken, for a model of many; the corpus's by default."
    ),
]
To = Annotated[str, Option("--to", callback=language_tag, help="Target language, such as pt.")]
Model = Annotated[str, Argument(help="Model: NAME, NAME@VERSION or a model folder.")]
Manifest = Annotated[Path, Argument(help="Manifest (JSONL).")]
Corpus = Annotated[Path, Option("--corpus", help="Manifest (JSONL), or a corpus in another format.")]
_CORPORA = Option(
    "--corpus",
    help="Manifest (JSONL), or a corpus in another format: Common Voice, ELAN ... (docs/corpora.md); repeatable.",
    show_default=False,
)
Corpora = Annotated[list[Path], _CORPORA]
OptionalCorpora = Annotated[list[Path] | None, _CORPORA]
Name = Annotated[str | None, Option("--name", help="Name in the model store; the language code if not given.")]
Orthographies = Annotated[
    Path | None,
    Option("--orthography", help="How the language is spelt (TOML of `vizinho corpus check`); Unicode's if not given."),
]
Out = Annotated[Path, Option("--out", help="Folder to write.")]
OutManifest = Annotated[Path, Option("--out", help="Manifest to write.")]
Split = Annotated[str | None, Option("--split", help="Only this split; test if the manifest has one, else all.")]
Engine = Annotated[str, Option("--engine", help="onnx, or torch: the network as it was trained, without an export.")]
Override = Annotated[
    str | None,
    Option("--override", help="Why restrictions of the speech it learnt from do not hold here; this is recorded."),
]
Rows = Annotated[list[str] | None, Option("--row", help="Start a token from one of the donor's, as ç=s; repeatable.")]

# For commands that decode (see `spec_of`).
Lms = Annotated[list[Path] | None, Option("--lm", help="Language model (ARPA) of words, characters or both.")]
LmWeight = Annotated[float | None, Option("--lm-weight", help="Weight of the language model.")]
WordScore = Annotated[float | None, Option("--word-score", help="Nats added for every word.")]
LetterScore = Annotated[float | None, Option("--letter-score", help="Nats added for every letter.")]
BeamWidth = Annotated[
    int | None,
    Option(
        "--beam-width",
        help="Hypotheses kept after every frame; of Whisper, texts that language models choose from.",
        min=1,
    ),
]
HotwordList = Annotated[list[str] | None, Option("--hotword", help="Phrase to favour: WORD or WORD=NATS; repeatable.")]
HotwordLists = Annotated[
    list[Path] | None,
    Option("--hotwords", help="List of phrases to favour, one a line: PHRASE, or PHRASE, tab, NATS; repeatable."),
]
DecoderFile = Annotated[
    Path | None,
    Option("--decoder", help="File of `vizinho lm tune`; the model's own if not given. Other options win."),
]
Rescore = Annotated[
    Path | None,
    Option(
        "--rescore",
        help="Folder of a neural language model that puts the best hypotheses in order (docs/decoding.md).",
        show_default=False,
    ),
]
RescoreWeight = Annotated[
    float | None, Option("--rescore-weight", help="Weight of its log-probabilities; 0.3 if not tuned.", min=0)
]
Greedy = Annotated[bool, Option("--greedy", help="Take the best token of each frame, without the model's decoder.")]

# For models of text.
Texts = Annotated[list[Path], Argument(help="Text files, one sentence a line.", show_default=False)]
Dev = Annotated[
    list[Path] | None,
    Option("--dev", help="Text to choose the best step on; a part of the texts is held out if not given."),
]
Steps = Annotated[int, Option("--steps", help="Optimiser steps, of about 1,000 words each.", min=1)]
Rate = Annotated[float, Option("--rate", help="Peak learning rate.", min=0)]
Samples = Annotated[
    int, Option("--samples", help="Wrong words that the right one competes with at each step; 0 for all words.", min=0)
]


def normalizer_for(lang: str, orthography: Path | None) -> Normalizer:
    """The normaliser of a language, with an edited orthography if one is given. Raises TextError."""
    from vizinho.text.normalize import get_normalizer
    from vizinho.text.orthography import read_orthography

    return get_normalizer(lang, read_orthography(orthography) if orthography else None)


def refuse_options_of_other_kinds(context: typer.Context, kind: str, options_of: Mapping[str, Collection[str]]) -> None:
    """Check that no option was typed that only other kinds have; SpecError names the option and its kinds."""
    for name in sorted({name for names in options_of.values() for name in names} - set(options_of[kind])):
        source = context.get_parameter_source(name)  # a default must not count as typed
        if source is not None and source.name == "COMMANDLINE":
            kinds = " or ".join(other for other, names in options_of.items() if name in names)
            option = f"--{name.replace('_', '-')}"
            raise SpecError(f"{option} has no effect with --kind {kind}", where=option, fix=f"it belongs to {kinds}")


def processes_that_fit(option: str, requested: int | None, threads: int = 1, items: int | None = None) -> int:
    """Number of processes for an option and its threads, with a line on standard error where it had to be lowered."""
    from vizinho.parallel import fitting_processes, usable_cores

    processes = fitting_processes(requested, threads, items)
    if requested is not None and processes < requested:
        each = f" of {threads} threads" if threads > 1 else ""
        cores = f"{usable_cores()} core{'s' * (usable_cores() > 1)}"
        typer.echo(f"{option} is lowered to {processes}: {requested} processes{each} do not fit on {cores}", err=True)
    return processes


def processes_for(requested: int | None, on_ray: bool, items: int) -> int:
    """Processes for `--processes` with these items: on this machine's cores, or as many as a cluster (Ray) is told."""
    return requested or 1 if on_ray else processes_that_fit("--processes", requested, items=items)


def standard_input() -> bytes:
    """All of standard input. Raises SpecError where the process was started without one (`<&-`, some services)."""
    if sys.stdin is None:
        raise SpecError("standard input is closed", where="-", fix="pipe something in, or give a file")
    return sys.stdin.buffer.read()


def row_overrides(rows: Sequence[str]) -> dict[str, str]:
    """Target token -> donor token from `--row` options; SpecError for one that is no pair."""
    pairs = [row.partition("=") for row in rows]  # only the first =, since a token may be one
    for token, equals, source in pairs:
        if not (token and equals and source):
            raise SpecError(f"--row {token}{equals}{source} is not TOKEN=DONOR_TOKEN", fix="write it as --row ç=s")
    return {token: source for token, _, source in pairs}


def language_shares(text: str | None) -> tuple[tuple[str, float], ...]:
    """Languages and their shares from "es,gl:0.5" (a share is 1 if not given); SpecError for what is none."""
    from vizinho.text.language import Language

    pairs = []
    for part in (text or "").split(",") if text else ():
        code, _, share = part.strip().partition(":")
        try:
            value = float(share) if share else 1.0
        except ValueError:
            value = 0.0
        if not 0 < value <= 1:
            raise SpecError(f"the share of {part.strip()!r} is no number above 0, up to 1", where="--language-like")
        pairs.append((Language.parse(code, where="--language-like", error=SpecError).base, value))
    return tuple(pairs)


def spec_of(
    lms: list[Path] | None = None,
    lm_weight: float | None = None,
    word_score: float | None = None,
    letter_score: float | None = None,
    beam_width: int | None = None,
    hotwords: list[str] | None = None,
    file: Path | None = None,
    model: Path | None = None,
    rescore: Path | None = None,
    rescore_weight: float | None = None,
    lists: list[Path] | None = None,
) -> DecoderSpec | None:
    """The beam search that the options describe, over the model's own decoder; None (greedy) without any of them."""
    from vizinho.decoding.hotwords import read_hotwords
    from vizinho.decoding.setup import DecoderSpec, own_decoder
    from vizinho.text_models.search import read_search

    scores = {"lm_weight": lm_weight, "word_score": word_score, "letter_score": letter_score}
    changes: dict[str, Any] = {n: v for n, v in {**scores, "beam_width": beam_width}.items() if v is not None}
    if file is None and model is not None and not lms:  # its weights were chosen for its own language models
        file = own_decoder(model)
    if not (lms or hotwords or lists or file or changes or rescore or rescore_weight is not None):
        return None
    spec = read_search(file) if file else DecoderSpec() if lms or hotwords or changes else beam_alone()
    spec = replace(spec, listed={phrase: nats for path in lists or () for phrase, nats in read_hotwords(path).items()})
    boosts = {**spec.hotwords, **_boosts(hotwords or [])}
    spec = replace(spec, lms=tuple(lms) if lms else spec.lms, options=replace(spec.options, **changes), hotwords=boosts)
    return replace(spec, rescoring=_rescoring(spec.rescoring, rescore, rescore_weight))


def _rescoring(own: Rescoring | None, folder: Path | None, weight: float | None) -> Rescoring | None:
    """The second language model: the one given, else the decoder's own, with the weight given."""
    from vizinho.text_models.search import second_model

    rescoring = second_model(folder) if folder else own
    if weight is None:
        return rescoring
    if rescoring is None:
        raise SpecError("there is no model to weigh", where="--rescore-weight", fix="give its folder with --rescore")
    return replace(rescoring, options=replace(rescoring.options, weight=weight))


def _boosts(hotwords: list[str]) -> dict[str, float]:
    from vizinho.decoding.hotwords import DEFAULT_BOOST

    boosts = {}
    for hotword in hotwords:
        word, _, boost = hotword.partition("=")
        try:
            boosts[word] = float(boost) if boost else DEFAULT_BOOST
        except ValueError as error:
            raise SpecError(f"{boost!r} is not a number", where=f"--hotword {hotword}", fix="give WORD=NATS") from error
    return boosts


def beam_alone() -> DecoderSpec:
    """A search without language model or hotwords."""
    from vizinho.decoding.options import BeamOptions
    from vizinho.decoding.setup import DecoderSpec

    return DecoderSpec(options=BeamOptions(lm_weight=0.0))


class FiniteCommand(TyperCommand):
    """A command that refuses nan and inf: they pass every comparison with a smallest or largest value."""

    def invoke(self, ctx: Any) -> Any:
        """Run the command; click's BadParameter (exit code 2) names the option that is not a finite number."""
        for option in self.params:
            value = ctx.params.get(option.name)
            for number in value if isinstance(value, (list, tuple)) else (value,):  # repeatable options have several
                if isinstance(number, float) and not math.isfinite(number):
                    raise typer.BadParameter(f"{number} is not a finite number", param_hint=repr(option.opts[0]))
        return super().invoke(ctx)


class Commands(typer.Typer):
    """A group of commands, each with the checks of `FiniteCommand`."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(no_args_is_help=True, **settings)

    def command(self, name: str | None = None, **settings: Any) -> Callable[[CommandFunctionType], CommandFunctionType]:
        """Register a command, as `typer.Typer.command` does."""
        return super().command(name, **{"cls": FiniteCommand, **settings})
