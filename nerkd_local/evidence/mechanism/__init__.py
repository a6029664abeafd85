"""Why an order of sources works: conditions (`study`), what is asked of them (`questions`), and the answers as scores,
panels and words."""
