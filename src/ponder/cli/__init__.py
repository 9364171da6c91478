"""The command `ponder`: one file per command."""
