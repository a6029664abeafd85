"""What can stand behind the `Completer` interface: vLLM in this process or in supervised ones of its own, a server with
OpenAI's chat API, recorded answers replayed, and a fake that answers by script.
"""
