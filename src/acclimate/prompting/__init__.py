"""From passages to a prompt, and from a model's text to an answer with citations."""
