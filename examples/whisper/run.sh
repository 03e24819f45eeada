#!/usr/bin/env bash
# Whisper with its decoder as donor: Portuguese from eight minutes, and a language that Whisper has never had.
# Needs $VIZINHO_SHARED/speech and a folder of Whisper base: python "$VIZINHO_SHARED"/donors/whisper_base.py runs/whisper/base
# About ten minutes an arm on one idle core with AMX. Arms that are done are not run again.
set -euo pipefail
cd "$(dirname "$0")/../.."
export VIZINHO_SHARED=${VIZINHO_SHARED:-../shared}
export VIZINHO_WHISPER=${VIZINHO_WHISPER:-runs/whisper/base}
vizinho=${VIZINHO:-.venv/bin/vizinho}
"$vizinho" experiment examples/whisper/portuguese.toml --out runs/whisper/portuguese
# Language models choose among the texts that each version writes; their weights are chosen on dev. Then both are tested,
# the network alone and with them, on words and on sentences, as they are served (results/).
mkdir -p examples/whisper/results
for arm in whisper.all.seed1 whisper.all.seed2 whisper.all.seed3 whisper.untrained.all.seed1; do
    VIZINHO_HOME=runs/whisper/portuguese/store "$vizinho" lm tune "$arm" --corpus "$VIZINHO_SHARED/speech/pt.jsonl"
    for corpus in pt pt_read; do
        VIZINHO_HOME=runs/whisper/portuguese/store "$vizinho" evaluate "$arm" --split test --json \
            --corpus "$VIZINHO_SHARED/speech/$corpus.jsonl" > "examples/whisper/results/$arm.$corpus.json"
    done
done
.venv/bin/python examples/whisper/split_words.py gd runs/whisper/gd.jsonl
"$vizinho" experiment examples/whisper/new_language.toml --out runs/whisper/new_language
# Its encoder alone, with Spanish first, English first, or neither; the donors' corpora are those of examples/people.
for language in es en fr ca; do
    "$vizinho" corpus check "$VIZINHO_SHARED/speech/$language.jsonl" --out runs/people/corpora
done
.venv/bin/python examples/people/prepare.py --checked runs/people/corpora --out runs/people/corpora
"$vizinho" experiment examples/whisper/encoder.toml --out runs/whisper/encoder
.venv/bin/python - <<'END'
import json
for name in ("new_language", "encoder"):
    results = json.load(open(f"runs/whisper/{name}/results.json"))
    del results["arms"]  # every utterance of every arm: half a megabyte
    with open(f"examples/whisper/results/{name}.json", "w") as file:
        file.write(json.dumps(results, ensure_ascii=False, indent=1) + "\n")
END
# Hugging Face's recipe with as many steps, three seeds (an hour each on one core): tested alike, with words too.
for seed in 1 2 3; do
    peer=runs/whisper/hugging_face.seed$seed
    [ -f "$peer/result.json" ] || PYTHONPATH=bench .venv/bin/python bench/peers/whisper_recipe.py "$VIZINHO_WHISPER" \
        "$VIZINHO_SHARED/speech/pt.jsonl" --lang pt --steps 120 --seed "$seed" --out "$peer"
    cp "$peer/result.json" "examples/whisper/results/hugging_face.seed$seed.json"
    "$vizinho" lm tune "$peer/model" --corpus "$VIZINHO_SHARED/speech/pt.jsonl" --out "$peer/words.json"
    for corpus in pt pt_read; do
        "$vizinho" evaluate "$peer/model" --decoder "$peer/words.json" --split test --json \
            --corpus "$VIZINHO_SHARED/speech/$corpus.jsonl" > "examples/whisper/results/hugging_face.seed$seed.$corpus.json"
    done
done
store=runs/whisper/portuguese/store/models
for corpus in pt pt_read; do
    .venv/bin/python examples/whisper/against_peer.py "$VIZINHO_SHARED/speech/$corpus.jsonl" --lang pt \
        --ours "$store"/whisper.all.seed{1,2,3}/1 --peer runs/whisper/hugging_face.seed{1,2,3}/model \
        --out "examples/whisper/results/against_hugging_face.$corpus.json"
    .venv/bin/python examples/whisper/against_peer.py "$VIZINHO_SHARED/speech/$corpus.jsonl" --lang pt \
        --ours "$store"/whisper.all.seed{1,2,3}/1 --peer runs/whisper/hugging_face.seed{1,2,3}/model \
        --peer-decoders runs/whisper/hugging_face.seed{1,2,3}/words.json \
        --out "examples/whisper/results/against_hugging_face.words.$corpus.json"
done
