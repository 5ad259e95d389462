"""Tokens, made one way for issuing, preview and evaluate: claims with their origin, assembled from values, then signed."""
