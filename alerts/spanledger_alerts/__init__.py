"""Rules over money, behaviour and latency, and their delivery."""
