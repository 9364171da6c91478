"""The policy network: one fast transformer, its folder on disk, tokenizer, adapters and heads."""
