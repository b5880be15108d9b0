"""Training adapters of language models and encoders; PyTorch is imported below here."""
