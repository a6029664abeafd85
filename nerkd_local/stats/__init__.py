"""What a score is worth: intervals that take in both the documents and the training seeds (`bootstrap`), tests of
differences (`randomisation`, `contrasts`; `holm` for many of them, `comparison` for all of it in one record,
`simulation` to check them), the smallest difference that can be shown, before labels are bought (`power`) and from
what was seen (`detectable`), and what distilled labels are worth in human ones (`worth`). numpy only."""
