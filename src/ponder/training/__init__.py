"""One activity each: the reinforcement-learning loop, and next-token training of a new model."""
