"""Label with a local LLM, train a small student on mixed labels, score it; no network anywhere."""

__version__ = "0.1.0"
