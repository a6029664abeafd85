"""Text and labels in and out: CoNLL columns, JSON lines and plain text, each as a stream of documents.

Tag schemes end here, everything behind this package sees spans; drawing subsets and checking for leaked
sentences and undeclared labels are here too.
"""
