"""Findings: what wastes money or is not as it was, found in what the ledger job derived."""
