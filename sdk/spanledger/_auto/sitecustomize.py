"""Put before everything else by ``spanledger run``: calls ``init``, then gets out of the way."""

import importlib
import os
import sys

_HERE = os.path.dirname(os.path.abspath(__file__))


def _start() -> None:
    mine = sys.modules.pop("sitecustomize", None)
    sys.path[:] = [path for path in sys.path if os.path.abspath(path or ".") != _HERE]
    try:
        importlib.import_module("sitecustomize")  # the one that would have been found without us
    except ImportError:
        if mine is not None:
            sys.modules["sitecustomize"] = mine
    try:
        import spanledger

        spanledger.init()
    except Exception as error:  # the program runs all the same
        sys.stderr.write(f"spanledger: {type(error).__name__}: {error}\n")


_start()
