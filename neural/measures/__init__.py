"""Probes and spectra of features."""
