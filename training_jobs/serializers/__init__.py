"""The objects of training's API: what comes in is checked here, what goes out is shaped here."""
