#!/usr/bin/env bash
# The main job in small: practice Portuguese, a recogniser from each bundled donor and one from scratch, what it bought.
set -euo pipefail
cd "$(dirname "$0")/../.."
vizinho=.venv/bin/vizinho
export VIZINHO_HOME=${VIZINHO_HOME:-$PWD/demo/home}
mkdir -p demo

echo "== 1. Portuguese practice speech from the phrase book (eSpeak NG)"
"$vizinho" corpus speak pt --minutes 24 --seed 21 --out demo/speech

echo "== 2. A Portuguese recogniser from the Spanish donor, kept in the store as pt-demo"
"$vizinho" transfer es-demo --to pt --corpus demo/speech/pt.jsonl --name pt-demo --recipe examples/demo/transfer.toml --quiet

echo "== 3. Words: a model of the training texts and of frequent words; its weights are chosen on dev"
"$vizinho" lm tune pt-demo --corpus demo/speech/pt.jsonl
"$vizinho" evaluate pt-demo --corpus demo/speech/pt.jsonl

echo "== 4. Spanish against English against scratch: ten minutes and equal steps for each, each tested once"
"$vizinho" experiment examples/demo/experiment.toml --out demo/experiment --processes 2

echo "== 5. The report"
"$vizinho" report demo/experiment/results.json --out demo/report.html

echo "== 6. The new model at work"
.venv/bin/python - <<'PY'
from vizinho.audio.io import save_audio
from vizinho.g2p.espeak import Voice, synthesise
from pathlib import Path
save_audio(Path("demo/bom-dia.wav"), synthesise("bom dia, tudo bem com você", Voice("pt-br", "f5")))
PY
echo "said:  bom dia, tudo bem com você"
echo "heard: $("$vizinho" transcribe pt-demo demo/bom-dia.wav)"
echo
echo "Open demo/report.html. VIZINHO_HOME=$VIZINHO_HOME $vizinho models list shows the store."
