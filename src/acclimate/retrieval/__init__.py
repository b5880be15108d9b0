"""From a question to passages: searching, fusing, reranking, rewriting, neighbours."""
