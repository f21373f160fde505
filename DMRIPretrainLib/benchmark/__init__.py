"""Benchmarks: which pretraining helps where, and how much."""
