"""Reproducible measurements: Encore's path beside the textbook's dense loop, in turn, on the same work.

`suites.SUITES` names what is measured, `run.measure` measures it, `results` keeps the figures. Whoever is timed lives in a process
of its own (`children`).
"""
