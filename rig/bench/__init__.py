"""Measurements of the rig itself, run by `ci/bench`: named benches, each with a table and its raw numbers.

Nothing here passes or fails by the clock: what is measured is printed with its spread and kept.
"""
