#!/usr/bin/env bash
# Measures ponder against TRL and transformers and writes docs/benchmarks.md and docs/benchmarks.json.
# Both sides run in an environment of their own, .venv-bench, which is made here; .venv is not touched.
# Options: bash benchmarks/run.sh --help
set -euo pipefail
cd "$(dirname "$0")/.."

python="${PYTHON:-}"
if [ -z "$python" ]; then
  if [ -x .venv/bin/python ]; then python=.venv/bin/python; else python=python3; fi
fi
environment=.venv-bench
pip="$environment/bin/pip --quiet --disable-pip-version-check"
wanted="$(cat constraints.txt pyproject.toml benchmarks/run.sh | cksum)"

if [ "$(cat "$environment/.installed" 2>/dev/null)" != "$wanted" ]; then
  echo "Making $environment (torch, trl and their needs) ..."
  [ -x "$environment/bin/python" ] || "$python" -m venv "$environment"
  $pip install --constraint constraints.txt torch==2.13.0
  $pip install --constraint constraints.txt trl==1.16.0
  $pip install --constraint constraints.txt --editable .
  echo "$wanted" > "$environment/.installed"
fi

exec "$environment/bin/python" -m benchmarks "$@"
