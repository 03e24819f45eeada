#!/usr/bin/env bash
# Self-training (after run.sh): ten minutes with transcripts, fifty without, which a first model labels.
set -euo pipefail
cd "$(dirname "$0")/../.."
vizinho=${VIZINHO:-.venv/bin/vizinho}
folder=runs/es_to_pt_synthetic/self_training
recipe=examples/es_to_pt_synthetic/self_training.toml
known=$folder/transcribed.jsonl
${PYTHON:-.venv/bin/python} examples/es_to_pt_synthetic/untranscribed.py runs/practice/pt200/pt.jsonl 10 60 --out $folder
"$vizinho" transfer es-demo --to pt --corpus $known --recipe $recipe --name pt-teacher
for least in 0 0.82; do  # all, and the surer half
    labelled=$folder/labelled-$least.jsonl
    "$vizinho" corpus label pt-teacher $folder/untranscribed.jsonl --out $labelled --least-confidence $least
    "$vizinho" transfer es-demo --to pt --corpus $known --repeat 2 --beside $labelled --recipe $recipe --name pt-student-$least
done
for name in pt-teacher pt-student-0 pt-student-0.82; do
    "$vizinho" evaluate $name --corpus $known
done
