"""Entities against entities: the annotator and the student are scored by the same code, with seqeval's strict
IOB2 reading as the figure that counts (`metrics`) and the same counts sentence by sentence for the
statistics (`counts`)."""
