#!/usr/bin/env bash
# Makes .venv-peers, an environment of its own for the toolkits that vizinho is compared with (about 2 GB, ignored by git).
#
#   bash bench/peers/install.sh [FOLDER]
#
# PYTHON chooses the interpreter; TORCH_INDEX names an index of CPU builds where pip would take the CUDA build of torch.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
venv=${1:-$here/../../.venv-peers}
test -x "$venv/bin/python" || "${PYTHON:-python3}" -m venv "$venv"
pip=("$venv/bin/python" -m pip install --quiet --disable-pip-version-check)
"${pip[@]}" ${TORCH_INDEX:+--index-url "$TORCH_INDEX"} "$(grep '^torch==' "$here/requirements.txt")"
"${pip[@]}" -r "$here/requirements.txt"
"$venv/bin/python" -m pip check
