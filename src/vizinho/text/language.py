"""One value for a language: its BCP 47 tag in canonical form, whatever form of the code people write.

"pt_BR", "pt-br" and "por-BR" are the tag "pt-BR"; "por" and "PT" are "pt"; all of them have the base "pt". Aliases,
ISO 639-2 and 639-3 codes and macrolanguages ("cmn" has the base "zh") are those of the IANA registry, by `langcodes`.
"""

from __future__ import annotations

from dataclasses import dataclass
from difflib import get_close_matches
from functools import lru_cache

from vizinho.errors import TextError, VizinhoError

_NAMES = {
    "arabic": "ar", "aragonese": "an", "asturian": "ast", "basque": "eu", "bengali": "bn", "brazilian": "pt-BR",
    "bulgarian": "bg", "catalan": "ca", "chinese": "zh", "croatian": "hr", "czech": "cs", "danish": "da",
    "deutsch": "de", "dutch": "nl", "english": "en", "español": "es", "estonian": "et", "euskara": "eu",
    "farsi": "fa", "finnish": "fi", "français": "fr", "french": "fr", "galego": "gl", "galician": "gl",
    "german": "de", "greek": "el", "guarani": "gn", "hausa": "ha", "hebrew": "he", "hindi": "hi", "hungarian": "hu",
    "icelandic": "is", "indonesian": "id", "irish": "ga", "italian": "it", "italiano": "it", "japanese": "ja",
    "korean": "ko", "latvian": "lv", "lithuanian": "lt", "macedonian": "mk", "malay": "ms", "mandarin": "zh",
    "nahuatl": "nah", "norwegian": "no", "occitan": "oc", "persian": "fa", "polish": "pl", "portuguese": "pt",
    "português": "pt", "quechua": "qu", "romanian": "ro", "russian": "ru", "sardinian": "sc", "serbian": "sr",
    "slovak": "sk", "slovenian": "sl", "spanish": "es", "swahili": "sw", "swedish": "sv", "tagalog": "tl",
    "tamil": "ta", "thai": "th", "turkish": "tr", "ukrainian": "uk", "urdu": "ur", "vietnamese": "vi", "welsh": "cy",
    "wolof": "wo", "yoruba": "yo", "zulu": "zu",
}  # fmt: skip
"""Names that people write instead of a code; used in suggestions only."""


@dataclass(frozen=True, slots=True)
class Language:
    """A language or one of its variants."""

    tag: str
    """Canonical BCP 47 tag: "pt-BR", "es-419", "cmn-Hans"."""
    base: str
    """The language without script and region; the macrolanguage where the registry has one: "pt", "es", "zh"."""

    @classmethod
    def parse(cls, code: str, *, where: object = "", error: type[VizinhoError] = TextError) -> Language:
        """The language of a code that somebody typed or wrote into a file. Raises `error` for an unknown code."""
        language = _canonical(code)
        if language is None:
            hint = f"did you mean {_suggestion(code)}? " if _suggestion(code) else ""
            fix = f'{hint}give an ISO 639 or BCP 47 code, such as "pt", "por" or "pt-BR"'
            raise error(f"{code!r} is no language code", where=where, fix=fix)
        return language

    @classmethod
    def of(cls, code: str) -> Language:
        """The language of a code that was stored; never refuses. An unknown code ("demo-x") is its own language."""
        return _canonical(code) or cls(code, code.strip().replace("_", "-").partition("-")[0].lower())

    @property
    def code(self) -> str:
        """The tag in lower case, as file names and tables have it: "pt-br"."""
        return self.tag.lower()

    @property
    def english(self) -> str:
        """The language's name in English, in lower case ("portuguese"); its code where Unicode's CLDR has no name."""
        from babel import Locale

        return str(Locale("en").languages.get(self.base, self.code)).lower()

    @property
    def name(self) -> str:
        """What a reader calls it: "Portuguese", "Brazilian Portuguese"; its code where Unicode's CLDR has no name."""
        from babel import Locale

        names = Locale("en").languages
        return str(names.get(self.tag.replace("-", "_")) or names.get(self.base) or self.tag)

    @property
    def candidates(self) -> tuple[str, ...]:
        """Codes to look data up by, the closest first: ("pt-br", "pt")."""
        return (self.code,) if self.code == self.base else (self.code, self.base)


def same_language(first: str, second: str) -> bool:
    """Whether two codes mean one language, whatever their regions: "pt_BR" and "por"."""
    return Language.of(first).base == Language.of(second).base


@lru_cache(maxsize=4096)
def _canonical(code: str) -> Language | None:
    from langcodes import standardize_tag, tag_is_valid, tag_parser  # its tables take a tenth of a second to import

    try:
        tag = standardize_tag(code.strip())
        general = standardize_tag(tag, macro=True)  # "cmn-Hans" to "zh-Hans"
    except tag_parser.LanguageTagError:
        return None
    return Language(tag, general if general.startswith("x-") else general.split("-")[0]) if tag_is_valid(tag) else None


def _suggestion(code: str) -> str:
    """The code whose name is nearest to what was written: '"pt" (portuguese)'; empty where none is near."""
    matches = get_close_matches(code.strip().lower(), _NAMES, n=1, cutoff=0.75)
    return f'"{_NAMES[matches[0]]}" ({matches[0]})' if matches else ""
