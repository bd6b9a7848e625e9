"""Drawing functions of the notebooks: numbers in, figure out."""
