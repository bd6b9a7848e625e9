"""Two Gaussian classes: projectors and classifiers after them."""
