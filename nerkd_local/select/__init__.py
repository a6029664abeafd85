"""Which labels a student is to learn from: each sentence and entity kept, weighted, masked or dropped, with its
reason."""
