"""Claims mapping policies, compiled and applied. Pure."""
