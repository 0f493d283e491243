"""How long `bench --help` and `bench plan` take, in processor seconds of a fresh process.

    python -m performance.startup [--rounds 5]

A user's second start is measured: the first of each command, which compiles what has no bytecode
yet, is not counted, and PYTHONDONTWRITEBYTECODE, with which every start would compile again, is
taken out of the children's environment. Writes performance/measured/startup.json.
"""

import argparse
import os
import subprocess
import sys
from pathlib import Path
from statistics import median

from performance.measured import keep

GAMMA = Path(__file__).parents[1] / "ablations" / "gamma.yaml"
COMMANDS = {"help": ["--help"], "plan": ["plan", str(GAMMA)]}


def seconds(arguments: list[str]) -> float:
    """Of user and system together: the wall's, where nothing else runs."""
    command = [sys.executable, "-m", "benchmark", *arguments]
    kept = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
    child = subprocess.Popen(command, stdout=subprocess.DEVNULL, env=kept)
    _, status, used = os.wait4(child.pid, 0)
    child.returncode = os.waitstatus_to_exitcode(status)
    if child.returncode:
        raise RuntimeError(f"{' '.join(command)} ended with {child.returncode}")
    return used.ru_utime + used.ru_stime


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5)
    rounds = parser.parse_args().rounds
    found = {}
    for name, arguments in COMMANDS.items():
        seconds(arguments)
        found[name] = median(seconds(arguments) for _ in range(rounds))
    keep("startup", {"rounds": rounds, **found})
    print(found)


if __name__ == "__main__":
    main()
