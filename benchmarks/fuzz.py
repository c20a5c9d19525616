"""The decoders against spoilt requests: never a 5xx, never an accepted request that cannot be read.

    python -m benchmarks.fuzz [--inputs 1000000] [--seed 1]

An input that fails is printed whole; the run ends with it.
"""

from __future__ import annotations

import argparse
import asyncio
import platform
import time

from tests.fuzzing import Fuzzer

_PORTION = 50_000


def main() -> None:
    """Run and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--inputs", type=int, default=1_000_000)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    print(f"{platform.machine()}, Python {platform.python_version()}, seed {options.seed}")
    fuzzer, started, done = Fuzzer(options.seed), time.perf_counter(), 0
    while done < options.inputs:
        portion = min(_PORTION, options.inputs - done)
        asyncio.run(fuzzer.run(portion))
        done += portion
        answers = ", ".join(f"{status}: {n:,}" for status, n in sorted(fuzzer.statuses.items()))
        seconds = time.perf_counter() - started
        print(
            f"{done:,} inputs in {seconds:,.0f} s; answered {answers}; "
            f"{fuzzer.decoded_requests:,} accepted and decoded",
            flush=True,
        )


if __name__ == "__main__":
    main()
