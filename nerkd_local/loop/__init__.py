"""Annotate, train, ask again where student and annotator disagree, train again: for as long as it pays."""
