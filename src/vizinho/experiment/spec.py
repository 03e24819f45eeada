"""What an experiment is made of, as frozen values: donors, recipes, and the whole spec.

pydantic reads the tables of the file into these classes: their fields are the keys, their types and bounds are checked.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar, get_args

from pydantic import AfterValidator, BeforeValidator, ConfigDict, Field, PlainValidator
from pydantic_core import PydanticCustomError

from vizinho.errors import SpecError
from vizinho.plan.tokens import RowOptions
from vizinho.text.language import Language, same_language
from vizinho.text.normalize import Normalizer, get_normalizer
from vizinho.text.orthography import read_orthography
from vizinho.training.options import LARGEST, TrainingOptions, from_dict

SCRATCH = "scratch"
"""The start that has no donor, and the recipe of its own that it has in every experiment."""
UNTRAINED = "untrained"
"""The recipe of arms that test a donor as the transfer plan starts it, without a step of training."""
DEFAULT = "default"
"""The recipe of a file that names none."""
SYNTHETIC = "+synthetic"
"""Ending of a start that goes through synthetic target speech before the real minutes."""
UPDATE = "same-language"
"""The control that goes on with the donor's own language: what training moves where there is no new language."""
ControlKind = Literal["permuted-rows", "shuffled-encoder", "gaussian-encoder", "same-language"]
CONTROLS: tuple[str, ...] = get_args(ControlKind)
INTERPOLATION = (0.0, 0.25, 0.5, 0.75, 1.0)
"""Places between the donor's weights (0) and the trained ones (1) at which both languages are tested."""
_DEFAULTS = {"VIZINHO_SHARED": "../shared"}
_AMOUNT = re.compile(r"\d+(\.\d+)?min")
_VARIABLE = re.compile(r"\$\{?(\w+)\}?")
T = TypeVar("T")


def _located(read: Callable[[Any], T]) -> Callable[[Any], T]:
    """`read` as a validator: its SpecError becomes an error of the value, so that pydantic says whose value it is."""

    def validator(value: Any) -> T:
        try:
            return read(value)
        except SpecError as error:
            context = {"what": error.what, "inside": error.where, "fix": error.fix}
            raise PydanticCustomError("spec", "{what}", context) from error

    return validator


def _filled_in(value: Any) -> Any:
    """A path with its $VARIABLES filled in; whatever is no text is left to pydantic."""
    return _VARIABLE.sub(lambda match: _variable(match.group(1)), value) if isinstance(value, str) else value


def _variable(name: str) -> str:
    value = os.environ.get(name, _DEFAULTS.get(name))
    if value is None:
        raise SpecError(f"${name} is not set", fix=f"export {name}=...")
    return value


def _tag(code: str) -> str:
    return Language.parse(code, error=SpecError).tag


def _options(kind: type[T]) -> Callable[[Any], T]:
    def read(table: Any) -> T:
        if not isinstance(table, Mapping):
            raise SpecError(f"it is {table!r:.60}", fix="give a table")
        return from_dict(kind, table)

    return _located(read)


def store_name(name: str) -> str:
    """The name in the store of an arm: "es/ours/8min/seed1" is "es.ours.8min.seed1".

    A part that has more than a-z, 0-9 and dashes gets six digits of its hash, so that names stay apart.
    """
    return ".".join(part if _AMOUNT.fullmatch(part) else name_part(part) for part in name.split("/"))


def name_part(text: str) -> str:
    """A part of a name in the store."""
    plain = re.sub(r"[^a-z0-9-]+", "-", text.lower()).strip("-")
    return plain if plain == text else f"{plain}-{sha256(text.encode()).hexdigest()[:6]}".lstrip("-")


LanguageTag = Annotated[str, AfterValidator(_located(_tag))]
Corpus = Annotated[Path, BeforeValidator(_located(_filled_in))]
Corpora = Annotated[tuple[Corpus, ...], Field(min_length=1)]
Minutes = Annotated[float, Field(gt=0, le=LARGEST)]
Seed = Annotated[int, Field(ge=-LARGEST, le=LARGEST)]
Times = Annotated[int, Field(ge=1, le=LARGEST)]
Share = Annotated[float, Field(ge=0, le=1)]
Head = Literal["auto", "ctc"]
Training = Annotated[TrainingOptions, PlainValidator(_options(TrainingOptions))]
Rows = Annotated[RowOptions, PlainValidator(_options(RowOptions))]


@dataclass(frozen=True, slots=True)
class DonorSpec:
    """A donor that the experiment trains itself, so that all donors have equal minutes and steps."""

    name: str  # name of the start, as in `starts`
    language: LanguageTag
    corpora: Corpora
    base: str = ""
    """What the donor itself starts from: another donor of the file, or a model of the store ("es-demo"); empty trains
    it from scratch."""
    minutes: Minutes | None = None
    matched: bool = True  # False: its budget may differ from the other donors'; it is then reported apart and marked
    training: Training = field(default_factory=TrainingOptions)
    seed: Seed = 1
    head: Head = "auto"
    """"ctc" takes the encoder of a base that has a decoder."""


@dataclass(frozen=True, slots=True)
class SyntheticSpec:
    """Synthetic target speech that the starts named "...+synthetic" are trained on before the real minutes."""

    corpora: Corpora
    minutes: Minutes | None = None
    training: Training = field(default_factory=TrainingOptions)  # of stages that start from a donor
    scratch: Training = field(default_factory=TrainingOptions)  # of the stage that starts from scratch
    seed: Seed = 1


@dataclass(frozen=True, slots=True)
class ControlSpec:
    """A start made from a donor so that one explanation of its benefit is taken away; made again for every seed."""

    name: str
    of: str  # the donor
    kind: ControlKind
    corpora: tuple[Corpus, ...] = ()  # of a same-language update; the donor's own if left out


@dataclass(frozen=True, slots=True)
class RecipeSpec:
    """One way to train: what the arms of a recipe have in common. Steps and audio a step are the same in all."""

    name: str
    training: Training  # of arms that start from a donor
    scratch: Training  # of arms that start from scratch, where the recipe is for those too
    rows: Rows
    starts: tuple[str, ...] = ()  # starts it is for; empty: every start that has a donor
    beside: tuple[Corpus, ...] = ()
    """Corpora of the target's language (synthetic speech) whose train part is taken whole beside the minutes."""
    repeat: tuple[Times, ...] = ()
    """How often the train part of each corpus, those beside last, comes in an epoch; empty: once."""
    source: str = ""
    """File or paper a baseline comes from."""
    head: Head = "auto"
    """"ctc" takes the encoder of a start that has a decoder (Whisper) and gives it a new output layer."""
    language_like: dict[str, Share] = field(default_factory=dict)
    """Languages and shares from which the target's token starts, where a start with a decoder lacks it."""


@dataclass(frozen=True, slots=True)
class ExperimentSpec:
    """Arms are every start x recipe x minutes x seed; all have the same steps and seconds of audio a step."""

    __pydantic_config__ = ConfigDict(extra="forbid", strict=True)  # of the tables inside too

    name: str
    target: LanguageTag
    corpora: Corpora
    starts: tuple[str, ...]
    seeds: tuple[Seed, ...]
    folders: dict[str, Corpus] = field(default_factory=dict)
    """Model folders by the name of the start that they are, such as a public checkpoint."""
    training: Training = field(default_factory=TrainingOptions)
    scratch: Training = field(default_factory=TrainingOptions)
    """Options of the scratch arms: same steps and batches, but their own learning rates, tuned on dev."""
    rows: Rows = field(default_factory=RowOptions)
    minutes: tuple[Minutes, ...] = ()
    scratch_minutes: tuple[Minutes, ...] = ()
    """More amounts for scratch alone: to find out how much of the target it needs to match the others."""
    preset: str = "tiny"
    repeat: tuple[Times, ...] = ()
    """How often the train part of each corpus comes in an epoch, unless a recipe says otherwise; empty: once."""
    recipes: tuple[RecipeSpec, ...] = ()  # without any in the file: one, DEFAULT
    untrained: bool = False  # whether every start that has a donor is also tested as it is, without training
    synthetic: SyntheticSpec | None = None
    donors: tuple[DonorSpec, ...] = ()
    """Stages of synthetic speech among them. Starts that are not trained here are names in the model store."""
    controls: tuple[ControlSpec, ...] = ()
    drop_test_texts: bool = False
    """Take train utterances whose text is in test out of train, of donors too, and list them; without it such a text
    is an error."""
    one_speaker: bool = False
    """Test speakers may be in train, as a language with one recorded speaker needs; the results have this file.
    Texts and recordings of test are refused as ever."""
    orthography: Corpus | None = None  # a TOML of how the target is spelt (docs/orthography.md)
    interpolation: tuple[Share, ...] = INTERPOLATION  # places between start and end to test at; empty: none
    source: Mapping[str, Any] = field(default_factory=dict)  # the file as read, for the record

    def normalizer(self, language: str) -> Normalizer:
        """The normaliser of the target or of another language of the experiment."""
        own = read_orthography(self.orthography) if self.orthography and same_language(language, self.target) else None
        return get_normalizer(language, own)

    def donor(self, start: str) -> DonorSpec | None:
        """The donor of this name that is trained here."""
        return next((d for d in self.donors if d.name == start), None)

    def control(self, start: str) -> ControlSpec | None:
        """The control of this name."""
        return next((c for c in self.controls if c.name == start), None)

    def kind(self, start: str) -> str:
        """ "scratch", "synthetic", "donor", or the kind of a control."""
        control = self.control(start)
        if control is not None:
            return control.kind
        return SCRATCH if start == SCRATCH else "synthetic" if start.endswith(SYNTHETIC) else "donor"

    def origin(self, start: str) -> str:
        """What a control or a synthetic stage was made from; the start itself for others."""
        control = self.control(start)
        return start.removesuffix(SYNTHETIC) if control is None else control.of

    def recipe(self, name: str) -> RecipeSpec:
        """The recipe of this name; SCRATCH and UNTRAINED are made of the file's own tables."""
        plain = RecipeSpec(name, self.training, self.scratch, self.rows, repeat=self.repeat)
        return next((r for r in self.recipes if r.name == name), plain)

    def recipes_for(self, start: str) -> list[str]:
        """Names of a start's recipes. Scratch has its own in every experiment, so that there is something to beat."""
        named = [r.name for r in self.recipes if (start in r.starts if r.starts else start != SCRATCH)]
        if start == SCRATCH:
            return [SCRATCH, *named]
        return [*named, UNTRAINED] if self.untrained and named else named
