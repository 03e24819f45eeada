#!/usr/bin/env bash
# Vectors between Spanish, English and Portuguese on real text, in order: split, train, align, tune, measure.
# About forty minutes of one core. Writes runs/vectors/results.json.
set -euo pipefail
cd "$(dirname "$0")/../.."
vizinho=${VIZINHO:-.venv/bin/vizinho}
python=${PYTHON:-.venv/bin/python}
text=${VIZINHO_SHARED:-../shared}/text
out=runs/vectors
data=$out/data
export OMP_NUM_THREADS=1

[ -e $data/report.json ] || $python examples/vectors/prepare.py "$text" $data

# Word vectors of each language on its own, then Spanish and English turned onto Portuguese.
for language in es en pt; do
    [ -e $out/$language.bin ] || $vizinho vectors train $data/$language.txt --out $out/$language.bin
done
for language in es en; do
    [ -e $out/$language.turned.bin ] || $vizinho vectors align $out/$language.bin $out/pt.bin --out $out/$language.turned.bin
done
$vizinho vectors evaluate $out/es.bin $out/pt.bin --dictionary $data/dictionary.tsv

# A joint masked language model, and the same tuned on sentence pairs; `fresh` has the same shape and learnt nothing.
[ -e $out/mlm ] || $vizinho vectors train --kind transformer $data/es.txt $data/pt.txt --out $out/mlm --steps 1000
[ -e $out/tuned ] || $vizinho vectors tune $out/mlm $data/pairs.train.tsv --dev $data/pairs.dev.tsv --out $out/tuned --steps 200
[ -e $out/fresh ] || $vizinho vectors train --kind transformer $data/es.txt $data/pt.txt --out $out/fresh --steps 1 --fresh-embeddings
[ -e $out/fresh.tuned ] || $vizinho vectors tune $out/fresh $data/pairs.train.tsv --dev $data/pairs.dev.tsv --out $out/fresh.tuned --steps 200

# What starting the masked model from word2vec is worth: the same without.
[ -e $out/mlm.fresh ] || $vizinho vectors train --kind transformer $data/es.txt $data/pt.txt --out $out/mlm.fresh --steps 1000 --fresh-embeddings
[ -e $out/mlm.fresh.tuned ] || $vizinho vectors tune $out/mlm.fresh $data/pairs.train.tsv --dev $data/pairs.dev.tsv --out $out/mlm.fresh.tuned --steps 200
for encoder in mlm mlm.fresh fresh tuned mlm.fresh.tuned fresh.tuned; do
    echo "$encoder on PUD" && $vizinho vectors evaluate $out/$encoder --pairs $data/pairs.pud.tsv
done

$python examples/vectors/measure.py $out
