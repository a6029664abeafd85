"""Likely errors in human labels, ranked: what students that did not train on a sentence, and an annotator, doubt."""
