#!/usr/bin/env bash
# Corpora to train beside the real minutes (after run.sh): synthetic Portuguese, and neighbours' recordings in Portuguese letters.
set -euo pipefail
cd "$(dirname "$0")/../.."
vizinho=${VIZINHO:-.venv/bin/vizinho}
shared=${VIZINHO_SHARED:-../shared}
corpora=runs/es_to_pt/corpora
"$vizinho" corpus speak pt --minutes 90 --seed 51 --out runs/practice/pt90
# Only its train part: choosing and testing are done on people.
grep '"split": "train"' runs/practice/pt90/pt.jsonl | sed 's#"audio": "#"audio": "../../practice/pt90/#' > $corpora/pt.synthetic.jsonl
"$vizinho" corpus check "$shared/speech/ca.jsonl" --out $corpora
for language in es ca; do
    "$vizinho" corpus respell $corpora/$language.clean.jsonl --to pt --leave-out $corpora/pt.clean.jsonl --out $corpora/$language.as-pt.jsonl
done
