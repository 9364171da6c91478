"""The run directory: what is on disk survives a kill, a full disk and a power cut, or says it did not.

`files` is the one place that writes; `hashes` and `manifest` say what was written; `checkpoints`,
`records` and `rundir` are what a run leaves; `verify` checks all of it. Nothing here but `checkpoints`
imports torch.
"""
