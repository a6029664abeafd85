"""What a score is worth: intervals that take in both the documents and the training seeds (`bootstrap`), and the
smallest difference that so many labels can show (`power`). numpy only."""
