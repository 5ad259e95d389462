"""The only room that opens connections: guarded HTTP, and mail."""
