"""Speech and phonemes from eSpeak NG through ctypes; the library is GPL-3.0 and therefore an optional extra.

eSpeak NG is a formant synthesiser: its voice variants differ in formants and source, they are not speakers. Results
on its speech say nothing about people; it serves as practice material and for grapheme-to-phoneme conversion.
"""

from __future__ import annotations

import ctypes
import signal
import threading
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import FrameType
from typing import Any

import numpy as np

from vizinho.audio.io import Waveform, resample
from vizinho.errors import TextError, VizinhoError
from vizinho.text.language import Language

TRAIN_VARIANTS = (
    "f1", "f2", "f3", "f4", "m1", "m2", "m3", "m4", "m5", "m6", "m7", "klatt", "klatt2", "klatt3", "klatt4", "Andy",
    "Annie", "Denis", "Diogo", "Gene", "Jacky", "Lee", "Marco", "Mario", "Michael", "Storm", "adam", "anikaRobot",
    "announcer", "antonio", "aunty", "benjamin", "boris", "caleb", "david", "ed", "edward", "grandma", "grandpa",
    "gustave", "ian", "iven", "iven2", "john", "linda", "marcelo", "max", "michel", "miguel", "norbert", "paul",
    "pedro", "quincy", "rob", "robert", "sandro", "steph2", "victor",
)  # fmt: skip
"""Voice variants for training speech."""
HELD_OUT_VARIANTS = (
    "f5", "m8", "Alicia", "Andrea", "Hugo", "Henrique", "belinda", "steph", "shelby", "travis", "zac", "pablo",
)  # fmt: skip
"""Variants that never occur in training speech: half of them are dev's, half test's."""
_VOICES = {
    "pt": ("pt-br",), "pt-pt": ("pt",), "es": ("es-419", "es"), "es-es": ("es",), "en": ("en-us",), "en-gb": ("en",),
    "no": ("nb",),
    **{code: (code,) for code in (
        "af", "am", "an", "as", "az", "ba", "be", "bg", "bn", "bs", "ca", "cs", "cy", "da", "de", "el", "eo", "et",
        "eu", "fa", "fi", "fr", "ga", "gd", "gn", "gu", "haw", "hi", "hr", "ht", "hu", "hy", "id", "is", "it", "ka",
        "kk", "kn", "ku", "ky", "la", "lb", "lt", "lv", "mi", "mk", "ml", "mr", "ms", "mt", "nb", "ne", "nl", "om",
        "or", "pa", "pap", "pl", "qu", "ro", "ru", "sd", "si", "sk", "sl", "smj", "sq", "sr", "sv", "sw", "ta",
        "te", "tk", "tn", "tr", "tt", "ug", "uk", "ur", "uz",
    )},
}  # fmt: skip
"""eSpeak NG's voices of a language or variant, the standard one first: those whose rules read the usual spelling whole.

French is "fr" and British English "en": "fr-fr" and "en-gb" are refused. Chinese, Japanese, Hebrew, Burmese and
Vietnamese are left out: their voices skip letters, vowels or tones.
"""

SPEECH_ONLY = {
    "zh": ("cmn",), "yue": ("yue",), "hyw": ("hyw",), "mto": ("mto",),
    **{code: (code,) for code in (
        "ar", "bpy", "chr", "cv", "grc", "hak", "he", "ia", "io", "ja", "jbo", "kl", "ko", "kok", "lfn",
        "ltg", "my", "nci", "nog", "quc", "shn", "th", "ti", "vi",
    )},
}  # fmt: skip
"""Voices that speak a language whose sounds their rules do not tell: they leave out letters, vowels or tones of its
usual spelling, or nobody has checked that they do not. Faroese and Karakalpak stay silent: their rules are missing."""
_TYPED = str.maketrans("ʼʻꞌ׳", "'" * 4)  # some voices spell the names of these letters out
# Constants of espeak-ng/speak_lib.h.
_SYNCHRONOUS, _CHARS_UTF8, _PHONEMES_IPA = 2, 1, 2
_RATE, _PITCH, _RANGE = 1, 3, 4
_RATES_WPM = range(80, 451)
_PERCENT = range(100)
_MAX_SECONDS = 60
_LOCK = threading.RLock()


@dataclass(frozen=True, slots=True)
class Voice:
    """An eSpeak voice: locale, variant, words a minute (80 to 450), and pitch and its range (0 to 99)."""

    locale: str
    variant: str = ""
    rate_wpm: int = 165
    pitch: int = 50
    pitch_range: int = 50

    def __post_init__(self) -> None:
        # eSpeak takes any number and says OK, then speaks with another one.
        limits = (("rate_wpm", _RATES_WPM), ("pitch", _PERCENT), ("pitch_range", _PERCENT))
        for field, allowed in limits:
            value = getattr(self, field)
            if value not in allowed:
                fix = f"give {allowed.start} to {allowed.stop - 1}"
                raise VizinhoError(f"{field} is {value}", where=self.name, fix=fix)

    @property
    def name(self) -> str:
        """As eSpeak calls it: "pt-br+f3"."""
        return f"{self.locale}+{self.variant}" if self.variant else self.locale


class UnspeakableError(VizinhoError):
    """A text that a voice cannot say, or says letter by letter without an end; another text may do."""


def synthesise(text: str, voice: Voice) -> Waveform:
    """Speak a text; (N,) samples at 16 kHz, the same for the same text and voice whatever was spoken before.

    Raises VizinhoError without eSpeak and for unknown voices; UnspeakableError for silence and for more than 60 seconds
    of speech.
    """
    with _LOCK:
        engine = _engine()
        engine.restart(seed=zlib.crc32(f"{voice}{text}".encode()))
        engine.use(voice.name)
        for parameter, value in ((_RATE, voice.rate_wpm), (_PITCH, voice.pitch), (_RANGE, voice.pitch_range)):
            engine.check(engine.library.espeak_SetParameter(parameter, value, 0), f"parameter {parameter}={value}")
        samples = engine.speak(text)
    if samples.size == 0 or float(np.abs(samples).max()) < 1e-3:
        fix = "use another voice variant or text"
        raise UnspeakableError("eSpeak gave silence", where=f"{voice.name}: {text!r}", fix=fix)
    return resample(samples, engine.sample_rate, 16_000)


def phonemes(text: str, locale: str) -> str:
    """The text in IPA by eSpeak's rules, words separated by spaces. Raises VizinhoError as `synthesise` does."""
    with _LOCK:
        engine = _engine()
        engine.use(locale)
        return engine.phonemes(text)


def voices_of(language: str) -> tuple[str, ...]:
    """The voices of a language or variant, the standard one first; empty for a language that none is known for."""
    return next((_VOICES[code] for code in Language.of(language).candidates if code in _VOICES), ())


def spoken_languages() -> tuple[str, ...]:
    """Languages that a voice of their own speaks."""
    return (*_VOICES, *SPEECH_ONLY)


def voice_of(language: str) -> str:
    """The standard voice of a language. Raises VizinhoError without eSpeak NG, TextError where there is no voice."""
    if not is_available():
        raise _not_installed()
    voices = voices_of(language)
    if not voices:
        fix = "leave out what needs pronunciations, or bring your own"
        raise TextError(f"eSpeak NG has no voice for {language}", where="voices", fix=fix)
    return voices[0]


def other_variant(language: str) -> str | None:
    """Another variant with a voice of its own, such as "pt-pt" for "pt"; None where there is none."""
    spoken = Language.of(language)
    other = next((code for code in _VOICES if code.startswith(f"{spoken.base}-")), None)
    return _VOICES[spoken.base][0] if other == spoken.code else other


def is_available() -> bool:
    """Whether the optional extra is installed."""
    try:
        import espeakng_loader  # noqa: F401
    except ImportError:
        return False
    return True


def _error(what: str, fix: str, where: str = "speech synthesis") -> VizinhoError:
    return VizinhoError(what, where=where, fix=fix)


def _not_installed() -> VizinhoError:
    return _error("eSpeak NG is not installed", "pip install 'vizinho[speak]'")


class _Engine:
    """The one initialised library of this process; eSpeak keeps global state, so callers hold the lock."""

    def __init__(self) -> None:
        try:
            import espeakng_loader
        except ImportError as error:
            raise _not_installed() from error
        self._library_file = str(espeakng_loader.get_library_path())
        self._data = Path(str(espeakng_loader.get_data_path()))
        self._variants = self._data / "voices" / "!v"
        kind = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.c_void_p)
        self._callback = kind(self._collect)  # kept: ctypes would free it
        self._collected: list[np.ndarray[Any, Any]] = []
        self._load()

    def _load(self) -> None:
        self.library: Any = ctypes.CDLL(self._library_file)
        self._voice = ""
        rate = self.library.espeak_Initialize(_SYNCHRONOUS, 0, str(self._data).encode(), 0)
        if rate <= 0:
            raise _error(f"eSpeak NG did not start (code {rate})", "reinstall espeakng-loader")
        self.sample_rate = int(rate)
        self.library.espeak_SetSynthCallback(self._callback)
        self.library.espeak_TextToPhonemes.restype = ctypes.c_char_p

    def restart(self, seed: int) -> None:
        """Begin with a fresh state and known random numbers; about a millisecond.

        Flutter, breath and the phase of the waves go on from one text to the next in static variables that
        no call resets, and the random numbers start from the clock: only loading the library again makes speech
        repeatable. One variant (caleb) draws from the C library's generator instead of eSpeak's own.
        """
        self.check(self.library.espeak_Terminate(), "to stop")
        process, handle = ctypes.CDLL(None), self.library._handle
        del self.library
        process.dlclose(ctypes.c_void_p(handle))
        self._load()
        self.library.espeak_ng_SetRandSeed(ctypes.c_long(seed))
        process.srand(ctypes.c_uint(seed))

    def _collect(self, samples: Any, count: int, _events: Any) -> int:
        if samples and count > 0:
            self._collected.append(np.ctypeslib.as_array(samples, (count,)).copy())
        return int(self._is_too_long())

    def _is_too_long(self) -> bool:
        return sum(part.size for part in self._collected) > _MAX_SECONDS * self.sample_rate

    def check(self, code: int, what: str) -> None:
        if code != 0:
            raise _error(f"eSpeak NG refused {what} (code {code})", "use a voice it has")

    def use(self, name: str) -> None:
        if name != self._voice:
            self._voice = ""
            variant = name.partition("+")[2]
            # An unknown variant is no error to eSpeak: it speaks with the plain voice and says nothing.
            if variant and variant not in {file.name for file in self._variants.iterdir()}:
                raise _error(f"eSpeak NG has no voice variant {variant!r}", f"see {self._variants}")
            self.check(self.library.espeak_SetVoiceByName(name.encode()), f"the voice {name!r}")
            self._voice = name

    def speak(self, text: str) -> Waveform:
        self._collected.clear()
        data = text.translate(_TYPED).encode()
        with _interrupt_after():
            # From its first character (kind of position 1) to its end, as UTF-8; the callback collects the samples.
            code = self.library.espeak_Synth(data, len(data) + 1, 0, 1, 0, _CHARS_UTF8, None, None)
        self.check(code, f"the text {text!r}")
        if self._is_too_long():
            what = f"more than {_MAX_SECONDS} seconds of speech"
            raise UnspeakableError(what, where=f"{text[:40]!r}...", fix="give shorter sentences")
        if not self._collected:
            return np.zeros(0, dtype=np.float32)
        return np.asarray(np.concatenate(self._collected) / 32768, dtype=np.float32)  # from 16-bit integers

    def phonemes(self, text: str) -> str:
        pointer = ctypes.c_char_p(text.translate(_TYPED).encode())
        parts = []
        while pointer.value:  # one clause a call; the library moves the pointer on
            clause = self.library.espeak_TextToPhonemes(ctypes.byref(pointer), _CHARS_UTF8, _PHONEMES_IPA)
            parts.append((clause or b"").decode())
        return " ".join(part.strip() for part in parts if part.strip())


@contextmanager
def _interrupt_after() -> Iterator[None]:
    """Delay Ctrl-C until the end: ctypes drops what a callback raises, and a part of the speech would be lost."""
    before = signal.getsignal(signal.SIGINT)
    if threading.current_thread() is not threading.main_thread() or not callable(before):
        yield
        return
    delayed: list[tuple[int, FrameType | None]] = []
    signal.signal(signal.SIGINT, lambda number, frame: delayed.append((number, frame)))
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
        if delayed:
            before(*delayed[0])


@cache
def _engine() -> _Engine:
    return _Engine()
