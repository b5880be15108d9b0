"""Documents become chunks: contiguous spans, in ways that are chosen by name."""
