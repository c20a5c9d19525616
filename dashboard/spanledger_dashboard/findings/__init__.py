"""The Findings and Loops pages: what wastes money, what it cost, and what people say of it."""
