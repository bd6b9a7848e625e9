"""Timings: theory functions, the ensemble engine against its peers, the notebooks; and what moved since last time."""
