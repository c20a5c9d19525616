"""Loops: agents that do the same again and again and learn nothing new from it.

Each rule is a file with a function that returns ``Loop``s; ``detectors/loops.py`` runs them all and
counts each span once.
"""
