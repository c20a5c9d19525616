"""Loads what all storing processes need in the process that they are forked from.

That takes half a second of processor time, and memory that forked processes share. A library must
start no thread here: it would be missing after a fork, and the locks it held would stay locked.
"""

import os
import sys
from collections.abc import Sequence
from importlib import import_module
from importlib.abc import MetaPathFinder
from types import ModuleType


class _WithoutPandas(MetaPathFinder):
    """Keeps pyarrow from loading pandas with the first array, only to know its objects if any."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> None:
        """Refuse pandas; let others find the rest."""
        if fullname == "pandas":
            raise ModuleNotFoundError("storing processes do without", name=fullname)


os.environ["OPENBLAS_NUM_THREADS"] = "1"
os.environ["JE_ARROW_MALLOC_CONF"] = "background_thread:false"
sys.meta_path.insert(0, _WithoutPandas())
import_module("spanledger_collector.store.store_process")
