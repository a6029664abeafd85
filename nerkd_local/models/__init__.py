"""Model folders: what may come in, what each holds, and whether it would load."""
