#!/usr/bin/env bash
# Other voices for the recordings there are (after run.sh and beside.sh), and what they are worth.
set -euo pipefail
cd "$(dirname "$0")/../.."
vizinho=${VIZINHO:-.venv/bin/vizinho}
"$vizinho" corpus revoice runs/es_to_pt/corpora/pt.clean.jsonl --out runs/voices/pt.clean --copies 4 --seed 74
"$vizinho" experiment examples/es_to_pt/voices.toml --out runs/es_to_pt/voices --donors-from runs/es_to_pt/experiment --processes 2
