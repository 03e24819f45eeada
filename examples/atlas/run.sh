#!/usr/bin/env bash
# The atlas: eleven donors of equal minutes, eight targets, two seeds. It goes on where it stopped.
set -euo pipefail
cd "$(dirname "$0")/../.."
vizinho=${VIZINHO:-.venv/bin/vizinho}
python=${PYTHON:-.venv/bin/python}
shared=${VIZINHO_SHARED:-../shared}
for language in es en fr ca pt; do
    [ -e "runs/people/corpora/$language.clean.jsonl" ] ||
        "$vizinho" corpus check "$shared/speech/$language.jsonl" --out runs/people/corpora
done
"$python" examples/atlas/corpora.py --checked runs/people/corpora --out runs/atlas
for donor in es fr ca ro en de ru be bg el gd; do
    speech=runs/atlas/speech/$donor
    [ -e "$speech/$donor.jsonl" ] || "$vizinho" corpus speak "$donor" --minutes 40 --seed 31 --out "$speech"
    "$vizinho" models show "atlas-$donor" > /dev/null 2>&1 ||
        "$vizinho" train --lang "$donor" --corpus "$speech/$donor.jsonl" --corpus "runs/atlas/donor.$donor.jsonl" \
            --name "atlas-$donor" --recipe examples/atlas/donor.toml
done
for target in pt ca ro da be bg el gd; do
    "$vizinho" experiment "runs/atlas/$target.toml" --out "runs/atlas/$target"
done
