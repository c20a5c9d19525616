"""Metrics of GPUs and of inference servers, for `spanledger gpu` and `spanledger inference`.

The commands and :func:`spanledger.instrument_worker` are the SDK's; what they do is here, in a
distribution of its own, so that agents do not install what only machines with GPUs need.
"""
