#!/usr/bin/env bash
# Makes the demo donors again: practice speech from the phrase book and frequent words, then training from scratch.
# Equal minutes and equal steps for both languages. About an hour per language on one core.
set -euo pipefail
cd "$(dirname "$0")/../.."
vizinho=${VIZINHO:-.venv/bin/vizinho}
for pair in es:11 en:12; do
    language=${pair%:*} seed=${pair#*:}
    "$vizinho" corpus speak "$language" --minutes 300 --seed "$seed" --out "runs/practice/$language"
    "$vizinho" train --lang "$language" --corpus "runs/practice/$language/$language.jsonl" \
        --name "$language-demo" --recipe examples/demo_donors/donor.toml
done
# What they are worth on people, if there are recordings of some.
shared=${VIZINHO_SHARED:-../shared}
mkdir -p runs/demo_donors
for language in es en; do
    if [ -e "$shared/speech/$language.jsonl" ]; then
        "$vizinho" corpus check "$shared/speech/$language.jsonl" --out runs/demo_donors
        "$vizinho" evaluate "$language-demo" --corpus "runs/demo_donors/$language.clean.jsonl" --split train --json \
            > "runs/demo_donors/$language-demo.json"
    fi
done
.venv/bin/python examples/demo_donors/bundle.py
