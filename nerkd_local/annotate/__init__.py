"""Text to entity labels through an LLM: prompt, constrained answer, alignment, ledger, store.

`completer` is the annotation interface; `engines` holds what stands behind it; `run` drives a corpus through.
"""
