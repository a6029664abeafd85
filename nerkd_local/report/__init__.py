"""Results for people: what a report row holds (`rows`), tables in Markdown and CSV (`tables`), and the one
figure that shows every regimen beside its schedule (`figures`)."""
