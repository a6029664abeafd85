"""Results for people: what a report row holds (`rows`), tables in Markdown and CSV (`tables`), labelled text on a
terminal (`highlight`), the one figure that shows every regimen beside its schedule (`figures`), and the annotator
and its labels against human ones (`labels`)."""
