"""What `spanledger gpu` costs: CPU of sampling every second, over a driver made of C.

Run alone: ``python -m benchmarks.gpu [--gpus 8] [--seconds 60]``. The made-up driver answers at
once, so this is the cost of the sampler itself, of making OTLP and of sending it to a listener that
says yes; what the real driver needs for its answers comes on top.
"""

from __future__ import annotations

import argparse
import http.server
import os
import platform
import resource
import subprocess
import sys
import tempfile
import threading
from pathlib import Path

from tests.sdk.nvml import build


class _Sink(http.server.BaseHTTPRequestHandler):
    bytes_read = 0

    def do_POST(self) -> None:
        """Take a request and say yes."""
        size = int(self.headers["Content-Length"])
        self.rfile.read(size)
        _Sink.bytes_read += size
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


def main() -> None:
    """Run the command for a while and print what it took of one core."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--gpus", type=int, default=8)
    parser.add_argument("--seconds", type=int, default=60)
    options = parser.parse_args()
    sink = http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Sink)
    threading.Thread(target=sink.serve_forever, daemon=True).start()
    with tempfile.TemporaryDirectory() as directory:
        library = build(Path(directory))
        endpoint = f"http://127.0.0.1:{sink.server_port}"
        idle_s = _cpu_s(library, endpoint, options.gpus, 2)  # start and stop, and hardly a sample
        busy_s = _cpu_s(library, endpoint, options.gpus, 2 + options.seconds)
    sink.shutdown()
    share = (busy_s - idle_s) / options.seconds
    print(f"{platform.processor() or platform.machine()}, {os.cpu_count()} cores")
    print(f"{options.gpus} GPUs, a sample a second, {options.seconds} s: {share:.2%} of a core")
    print(f"{_Sink.bytes_read / (options.seconds + 4) / 1024:.1f} KiB sent per second")


def _cpu_s(library: Path, endpoint: str, gpus: int, seconds: int) -> float:
    """Return the CPU seconds of the command, run for so long."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    code = "import sys; from spanledger._cli import gpu; sys.exit(gpu(sys.argv[1:]))"
    process = subprocess.Popen(
        [sys.executable, "-c", code, "--endpoint", endpoint],
        env={
            **os.environ,
            "LD_LIBRARY_PATH": str(library.parent),
            "FAKE_NVML_GPUS": str(gpus),
        },
    )
    try:
        process.wait(seconds)
    except subprocess.TimeoutExpired:
        process.terminate()
    if process.wait(30):
        raise SystemExit("the sampler failed; is nvidia-ml-py installed?")
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


if __name__ == "__main__":
    main()
