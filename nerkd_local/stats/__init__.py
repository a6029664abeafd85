"""What a score is worth: intervals that take in both the sentences and the training seeds (`bootstrap`).
numpy only."""
