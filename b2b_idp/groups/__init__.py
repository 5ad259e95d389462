"""Membership rules of dynamic groups: text → syntax tree → predicate, and an index over many rules. Pure."""
