#!/usr/bin/env bash
# The case study on real recordings, in order: check the corpora, train the donors, run the arms, draw the report.
set -euo pipefail
cd "$(dirname "$0")/../.."
vizinho=${VIZINHO:-.venv/bin/vizinho}
shared=${VIZINHO_SHARED:-../shared}
for language in es en pt; do
    "$vizinho" corpus check "$shared/speech/$language.jsonl" --out runs/es_to_pt/corpora
done
"$vizinho" experiment examples/es_to_pt/experiment.toml --out runs/es_to_pt/experiment --processes 2
"$vizinho" report runs/es_to_pt/experiment/results.json --out runs/es_to_pt/report.html
