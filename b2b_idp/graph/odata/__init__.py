"""OData query options as Graph has them: parsed, applied, and refused by name when they are not supported."""
