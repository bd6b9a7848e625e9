"""Pretraining of one image network."""
