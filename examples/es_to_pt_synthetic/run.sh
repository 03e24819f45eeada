#!/usr/bin/env bash
# The synthetic track, in order: how much Portuguese and how many steps does scratch need to match the Spanish start?
set -euo pipefail
cd "$(dirname "$0")/../.."
vizinho=${VIZINHO:-.venv/bin/vizinho}
here=examples/es_to_pt_synthetic
corpus=runs/practice/pt200/pt.jsonl
"$vizinho" corpus speak pt --minutes 200 --seed 61 --out runs/practice/pt200
# Equal steps for all, 10 to 180 minutes.
"$vizinho" experiment $here/curve.toml --out runs/es_to_pt_synthetic/curve --processes 2
"$vizinho" report runs/es_to_pt_synthetic/curve/results.json --out runs/es_to_pt_synthetic/report.html
# Five times the steps for scratch; and the Spanish start with the steps that `vizinho transfer` takes by itself.
"$vizinho" train --lang pt --corpus $corpus --minutes 180 --recipe $here/long.toml --name pt-scratch-180
"$vizinho" train --lang pt --corpus $corpus --minutes 10 --recipe $here/long.toml --name pt-scratch-10
"$vizinho" transfer es-demo --to pt --corpus $corpus --minutes 60 --name pt-es-60
for name in pt-scratch-180 pt-scratch-10 pt-es-60; do
    "$vizinho" evaluate $name --corpus $corpus
done
