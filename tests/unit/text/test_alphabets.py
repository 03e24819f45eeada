import pytest
import regex

from vizinho.text.alphabets import sample_sentences

SCRIPTS = {
    "ro": "Latin", "kk": "Cyrillic", "uz": "Latin", "tt": "Cyrillic", "az": "Latin", "ky": "Cyrillic", "tg": "Cyrillic",
    "ug": "Arabic", "pa": "Gurmukhi", "mn": "Cyrillic", "sr": "Cyrillic", "hr": "Latin", "sh": "Latin", "ha": "Latin",
    "sr-latn": "Latin", "uz-cyrl": "Cyrillic", "ku": "Latin", "ks": "Arabic",
}  # fmt: skip


@pytest.mark.parametrize(("language", "script"), SCRIPTS.items(), ids=SCRIPTS)
def test_samples_are_in_the_script_that_the_language_is_written_in(language, script):
    letters = regex.findall(r"\p{L}", " ".join(sample_sentences(language)))
    assert len(letters) > 50
    assert sum(bool(regex.match(rf"\p{{{script}}}", letter)) for letter in letters) > 0.98 * len(letters)
