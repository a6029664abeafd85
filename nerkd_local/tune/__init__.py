"""Which annotator is best on a few human-labelled sentences: candidates, successive halving, a table and a winner."""
