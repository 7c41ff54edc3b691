"""Template tags of training."""
