#!/usr/bin/env bash
# Phones beside letters, from a donor that has learnt them and from one that has not (after run.sh and two_dev_speakers.py).
set -euo pipefail
cd "$(dirname "$0")/../.."
vizinho=${VIZINHO:-.venv/bin/vizinho}
here=examples/es_to_pt
spanish=runs/es_to_pt/corpora/es.clean.jsonl
for kind in letters phones; do
    "$vizinho" transfer es-demo --to es --corpus $spanish --minutes 60 --recipe $here/donor_$kind.toml --name es-$kind
done
for kind in letters phones; do
    ${PYTHON:-.venv/bin/python} $here/choose_rates.py es-$kind 5e-4 --seeds 11 12 --spec $here/phones.toml --recipe letters phones
done
# With practice beside (after beside.sh).
for kind in letters phones; do
    ${PYTHON:-.venv/bin/python} $here/choose_rates.py es-$kind 5e-4 --seeds 11 12 --spec $here/phones.toml --recipe "$kind, practice"
done
