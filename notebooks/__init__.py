"""One question per notebook, with the command line, the runner and the drawing functions beside them."""
