#!/usr/bin/env bash
# Tests, contracts and speed on one NVIDIA GPU, without a network; at most 8 minutes.
#
# usage: benchmarks/gpu.sh [--wheels FOLDER] [arguments of gpu.py]
#
# The machine has Python, PyTorch and transformers; what it lacks comes as wheels. Results are
# written to $OUT (benchmarks/out without it) as soon as each part is done.
set -euo pipefail
cd "$(dirname "$0")/.."
export OUT="${OUT:-$PWD/benchmarks/out}"
mkdir -p "$OUT"
if [ "${1:-}" = "--wheels" ]; then
  site=$(mktemp -d)
  python3 -m pip install -q --no-index --no-deps --no-compile --no-cache-dir --upgrade \
    --target "$site" "$2"/*.whl
  export PYTHONPATH="$site:${PYTHONPATH:-}"
  shift 2
fi
export PYTHONPATH="$PWD:$PWD/tests:${PYTHONPATH:-}" PYTHONUNBUFFERED=1
export HF_HUB_OFFLINE=1 TOKENIZERS_PARALLELISM=false MPLBACKEND=agg
exec python3 benchmarks/gpu.py "$@"
