"""Linear projectors of two Gaussian classes under contrastive losses."""
