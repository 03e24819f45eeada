#!/usr/bin/env bash
# The case study with people, in order: check the corpora, share out the donors' minutes, train, test both tracks apart.
set -euo pipefail
cd "$(dirname "$0")/../.."
vizinho=${VIZINHO:-.venv/bin/vizinho}
python=${PYTHON:-.venv/bin/python}
shared=${VIZINHO_SHARED:-../shared}
for language in es en fr ca pt pt_read; do
    "$vizinho" corpus check "$shared/speech/$language.jsonl" --out runs/people/corpora
done
"$python" examples/people/prepare.py --checked runs/people/corpora --out runs/people/corpora
"$vizinho" experiment examples/people/experiment.toml --out runs/people/experiment --processes 2
"$vizinho" experiment examples/people/long.toml --out runs/people/long --processes 2
"$python" examples/people/tracks.py runs/people/experiment --json examples/people/results.json
"$python" examples/people/tracks.py runs/people/long --json examples/people/long.json
"$python" examples/people/plot.py examples/people/results.json docs/people.svg
