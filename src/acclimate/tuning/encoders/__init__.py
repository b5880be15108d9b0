"""Training embedders, rerankers and extractors."""
