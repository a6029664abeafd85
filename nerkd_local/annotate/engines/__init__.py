"""What can stand behind the `Completer` interface: vLLM in this process, or recorded answers replayed."""
