"""Linear classifiers after a projector, when samples and dimensions are large."""
