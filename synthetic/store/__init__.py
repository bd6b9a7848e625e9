"""Sweeps, the store of their results, files."""
