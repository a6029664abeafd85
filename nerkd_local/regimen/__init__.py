"""Which labels a training step sees: how the share of distilled labels moves over training (`schedule`), how
many examples of a batch that makes (`allocate`), which ones (`mixture`), all of it fixed before the first
step (`plan`), and the regimens that have a name (`catalog`)."""
