"""The relying-party side: home tenants, each spoken to in two verbs, `begin` and `finish`."""
