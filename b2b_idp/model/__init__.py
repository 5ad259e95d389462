"""The few frozen values that cross rooms. Nothing here knows a clock, chance or the outside."""
