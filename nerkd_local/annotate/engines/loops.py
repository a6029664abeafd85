"""What counts as an answer that repeats itself without end; vLLM counts, in process and over HTTP."""

LOOP = {"max_pattern_size": 24, "min_count": 8}
"""vLLM's RepetitionDetectionParams: an answer ends after eight turns of the same one to 24 tokens."""
