"""A list that nobody transcribed: names of territories from Unicode's CLDR and numbers up to 100, in one language.

python examples/es_to_pt/names.py pt > names.txt
"""

from __future__ import annotations

import sys

from babel import Locale
from num2words import num2words


def main() -> None:
    language = sys.argv[1]
    names = Locale.parse(language).territories
    print("\n".join([*names.values(), *(num2words(number, lang=language) for number in range(101))]))


if __name__ == "__main__":
    main()
