"""The `nerkd` command: one file for each subcommand."""
