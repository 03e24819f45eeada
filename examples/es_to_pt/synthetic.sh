#!/usr/bin/env bash
# Synthetic Portuguese beside the real minutes; run.sh and beside.sh come first, for the corpora and the donors.
set -euo pipefail
cd "$(dirname "$0")/../.."
vizinho=${VIZINHO:-.venv/bin/vizinho}
"$vizinho" experiment examples/es_to_pt/synthetic.toml --out runs/es_to_pt/synthetic --donors-from runs/es_to_pt/experiment --processes 2
