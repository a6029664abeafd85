"""The annotation database: every answer an annotator gave, kept from the moment it was given."""
