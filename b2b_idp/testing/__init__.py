"""The test kit: a pytest fixture, scripted home tenants, a plain browser."""
