#!/usr/bin/env bash
# Synthetic Portuguese beside the real minutes; run.sh comes first, for the checked corpora and the donors.
set -euo pipefail
cd "$(dirname "$0")/../.."
vizinho=${VIZINHO:-.venv/bin/vizinho}
"$vizinho" corpus speak pt --minutes 150 --seed 51 --out runs/practice/pt150
# Only its train part: choosing and testing are done on people.
grep '"split": "train"' runs/practice/pt150/pt.jsonl | sed 's#"audio": "#"audio": "../../practice/pt150/#' > runs/es_to_pt/corpora/pt.synthetic.jsonl
mkdir -p runs/es_to_pt/synthetic
cp -rn runs/es_to_pt/experiment/donors runs/es_to_pt/synthetic/   # the same donors: equal specs
"$vizinho" experiment examples/es_to_pt/synthetic.toml --out runs/es_to_pt/synthetic --processes 2
