"""The feature model: what linear layers learn of it."""
