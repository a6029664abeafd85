"""Settings of whole programs: gathered from the stages, loaded from YAML, checked, saved as resolved."""
