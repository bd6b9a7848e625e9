"""Experiments with two Gaussian classes."""
