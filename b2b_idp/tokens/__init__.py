"""Tokens, made one way for issuing, preview and evaluate: claims with their origin, then signed."""
