"""Pages of training. For everybody but staff they do not exist."""
