"""Use cases of the directory: inviting, connecting homes, apps, and the life of a guest. Used by every edge."""
