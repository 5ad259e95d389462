"""The demo world, built from public parts."""
