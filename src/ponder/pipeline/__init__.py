"""The order of things: a recipe becomes stages, stages become a run directory."""
