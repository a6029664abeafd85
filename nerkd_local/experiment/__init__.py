"""The parts of a whole experiment: its corpora on disk, its grid of trained students, its results."""
