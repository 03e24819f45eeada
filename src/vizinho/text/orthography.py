"""How a language is spelt: which characters are letters, joiners, marks and tones, and how capitals become small.

The orthography of a language comes from Unicode's CLDR (`exemplars`) and a short table of what it lacks; people edit it
as a TOML file. A model keeps the one that it was trained with.
"""

from __future__ import annotations

import hashlib
import json
import unicodedata
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from functools import cache
from pathlib import Path
from typing import Any

from vizinho.errors import TextError
from vizinho.files import read_toml, write_text
from vizinho.text.alphabets import Exemplars, exemplars
from vizinho.text.language import Language

APOSTROPHES = "'’‘‛ʼʻʽʹˈ′‵`´＇ꞌꞋ"
"""Signs that are typed for one another: quotes, primes, accents and the letters that look like them."""
STRETCHES = "\u0640\u07fa"
"""Tatweel and its like in N'Ko: they only stretch a word."""
CASES = {
    "lower": "capitals become small letters",
    "dotless": "they do, with I becoming ı and İ becoming i",
    "keep": "capitals are letters of their own",
}
_NON_JOINERS = "\u200c\u200d"

# What CLDR lacks. A sign is a letter where it is heard at the start or the end of a word too.
_LETTERS = {
    "he": "׳", "mt": "'", "rap": "ꞌ", "rar": "ʻ", "sm": "ʻ", "so": "'", "ty": "ʻ", "yi": "׳",
    "lil": "7", "shs": "7", "squ": "7",
    **dict.fromkeys(("gnk", "gwj", "hgm", "huc", "knw", "kqz", "ngh", "oun", "vaj", "xuu"), "ǀǁǂǃ"),
}  # fmt: skip
_JOINERS = {
    "bo": "་", "dz": "་", "fi": ":", "sv": ":", "oc": "·", "frp": "·", "he": "״", "yi": "״", "lad": "״",
    "moh": ":", "see": ":", "cay": ":", "ono": ":", "one": ":·",
}  # fmt: skip
_DOTLESS = {"crh", "kk", "tt"}
# One letter that is typed in two ways; CLDR lists the right one only.
_SAME = {
    "ş": "ș", "ţ": "ț", "ǝ": "ə", "ε": "ɛ", "ԑ": "ɛ", "γ": "ɣ", "ك": "ک", "ي": "ی", "ى": "ی",
    "ന്\u200d": "ൻ", "ര്\u200d": "ർ", "ല്\u200d": "ൽ", "ള്\u200d": "ൾ", "ണ്\u200d": "ൺ", "ക്\u200d": "ൿ",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Orthography:
    """How one language is spelt. Every letter of Unicode counts as a letter, whether it is listed here or not."""

    language: str
    """Code of the language, without a region."""
    letters: str = ""
    """The language's letters in lower case. Signs among them, such as an apostrophe, count at the edge of words too."""
    joiners: str = "'"
    """Signs that stay between two letters and are dropped elsewhere."""
    marks: str = ""
    """Accents, vowel signs and tone marks. Every mark after a letter stays, whether it is listed here or not."""
    tones: str = ""
    """Signs that stay behind a letter: the digits of "ma¹" or "nei5"."""
    case: str = "lower"
    """One of `CASES`."""
    same: tuple[tuple[str, str], ...] = ()
    """(Typed, kept): spellings that are one. The first that fits is taken."""

    @property
    def digest(self) -> str:
        """Eight hexadecimal digits that change with anything that changes a normalised text."""
        effect = asdict(self) | {"marks": "", "letters": self.signs + self.apostrophe}
        return hashlib.sha256(json.dumps(effect, sort_keys=True).encode()).hexdigest()[:8]

    @property
    def signs(self) -> str:
        """Letters that Unicode does not count as letters, in code point order."""
        return "".join(c for c in sorted(set(self.letters)) if unicodedata.category(c)[0] not in "LM")

    @property
    def apostrophe(self) -> str:
        """The apostrophes that are letters of the language."""
        return "".join(c for c in APOSTROPHES if c in self.letters)

    def to_json(self) -> dict[str, Any]:
        """Plain values, as cards have them."""
        return asdict(self) | {"same": dict(self.same)}


@cache
def default_orthography(language: str) -> Orthography:
    """The orthography of a language, by its code; of one that CLDR does not list, the general rules alone."""
    base = Language.of(language).base
    known = exemplars(base)
    listed = {c for sign in known.letters for c in sign}
    letters = {c for c in listed if _is_letter(c)} | set(_LETTERS.get(base, ""))
    marks = known.marks | {c for c in listed if unicodedata.category(c)[0] == "M"}
    apostrophes = [c for c in APOSTROPHES if c in letters]
    joiners = {c for sign in known.letters for c in sign if c in "·:./,"} | set(_JOINERS.get(base, ""))
    everything = "".join(known.letters | known.auxiliary)
    joiners |= {c for c in _NON_JOINERS if base != "ar" and c in everything}  # CLDR lists them for Arabic as well
    return Orthography(
        base,
        letters="".join(sorted(letters)),
        joiners="".join(sorted(joiners if apostrophes else joiners | {"'"})),
        marks="".join(sorted(marks)),
        case="dotless" if "ı" in letters or base in _DOTLESS else "lower",
        same=(*_apostrophes(base, known, apostrophes), *_same(letters, joiners)),
    )


def _is_letter(c: str) -> bool:
    """Whether a character that CLDR lists among letters is one: its lists have native digits and punctuation too."""
    kind = unicodedata.category(c)
    return (kind[0] in "LS" and c not in STRETCHES) or kind in ("Nl", "Cn") or c in APOSTROPHES or c in "׳0123456789"


def _apostrophes(base: str, known: Exemplars, letters: list[str]) -> tuple[tuple[str, str], ...]:
    """What a typed apostrophe is. Uzbek has two: the one of "oʻ" stands in CLDR's clusters, the other one alone."""
    if base in ("he", "yi", "lad"):
        return (("'", "׳"), ('"', "״"))
    clusters = sorted(sign for sign in known.letters if len(sign) == 2 and sign[1] in letters)
    alone = [c for c in letters if c in known.letters] or letters
    if len(letters) < 2:
        return tuple(("'", c) for c in letters if c != "'")
    pairs = [(f"{cluster[0]}'", cluster) for cluster in clusters if cluster[1] != alone[0]]
    return (*pairs, *(("'", c) for c in alone[:1] if c != "'"))


def _same(letters: set[str], joiners: set[str]) -> tuple[tuple[str, str], ...]:
    pairs = [
        (typed, right) for typed, right in _SAME.items() if right in letters and not letters.issuperset(typed[-1:])
    ]
    if "·" in joiners:
        pairs += [(dot, "·") for dot in "•‧∙⋅・"] + [("l.l", "l·l")]
    return tuple(pairs)


def orthography_of(values: Mapping[str, Any], where: object = "") -> Orthography:
    """An orthography from the values of a TOML file or a card. Raises TextError naming a key that is wrong."""
    fix = f"the keys are {', '.join(f.name for f in fields(Orthography))}"
    unknown = sorted(set(values) - {f.name for f in fields(Orthography)})
    if unknown:
        raise TextError(f"unknown key {', '.join(unknown)}", where=where, fix=fix)
    if "language" not in values:
        raise TextError("no language", where=where, fix='write language = "CODE"')
    texts = {key: value for key, value in values.items() if key != "same"}
    same = values.get("same", {})
    wrong = [key for key, value in texts.items() if not isinstance(value, str)]
    if not isinstance(same, Mapping) or not all(typed and isinstance(right, str) for typed, right in same.items()):
        wrong.append("same")
    if wrong:
        raise TextError(
            f"{wrong[0]} has a wrong value", where=where, fix='texts in quotes; [same] has "typed" = "kept"'
        )
    if texts.get("case", "lower") not in CASES:
        raise TextError(f"unknown case {texts['case']!r}", where=where, fix=f"choose {', '.join(CASES)}")
    composed = ((unicodedata.normalize("NFC", typed), right) for typed, right in same.items())
    marks = "".join(c for c in texts.get("marks", "") if c not in "◌ ")
    return Orthography(**texts | {"marks": marks}, same=tuple(composed))


def read_orthography(path: Path) -> Orthography:
    """Read a TOML file. What it does not say is the language's default. Raises TextError."""
    values = read_toml(path, "orthography file", TextError)
    given = orthography_of(values, path)
    Language.parse(given.language, where=path)
    default = default_orthography(given.language).to_json()
    return orthography_of(
        default | {key: getattr(given, key) for key in values if key != "same"} | _own_same(values), path
    )


def _own_same(values: Mapping[str, Any]) -> dict[str, Any]:
    return {"same": values["same"]} if "same" in values else {}


def write_orthography(path: Path, orthography: Orthography) -> None:
    """Write an orthography as a TOML file that people can edit."""
    write_text(path, orthography_toml(orthography))


def orthography_toml(orthography: Orthography) -> str:
    """An orthography as TOML, with a line on what each key means."""
    notes = {
        "letters": "small letters; a sign among them counts at the start and the end of words too",
        "joiners": "signs that stay between two letters",
        "marks": "accents, vowel signs, tone marks; every mark after a letter stays anyway",
        "tones": 'signs that stay behind a letter, such as the digits of "ma1"',
        "case": ", ".join(f'"{name}": {meaning}' for name, meaning in CASES.items()),
    }
    lines = [f'language = "{orthography.language}"']
    for key, note in notes.items():
        value = getattr(orthography, key)
        # A mark alone would sit on the character before it.
        lines += [f"# {note}", f"{key} = {_quoted(' '.join(f'◌{c}' for c in value) if key == 'marks' else value)}"]
    lines += [
        "# typed = kept",
        "[same]",
        *(f"{_quoted(typed)} = {_quoted(right)}" for typed, right in orthography.same),
    ]
    return "\n".join(lines) + "\n"


def _quoted(text: str) -> str:
    """A TOML string; characters without a look of their own are escaped."""
    plain = "".join(f"\\u{ord(c):04x}" if c in _NON_JOINERS else c for c in text.replace("\\", "\\\\"))
    return '"' + plain.replace('"', '\\"') + '"'
