"""Experiments in the feature model."""
