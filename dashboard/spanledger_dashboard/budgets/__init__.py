"""The parts of the Budgets page."""
