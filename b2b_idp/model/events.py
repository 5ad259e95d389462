"""The events that a logout token tells of, by their URIs."""

LOGOUT = "http://schemas.openid.net/event/backchannel-logout"
"""OpenID Connect Back-Channel Logout 1.0 §2.4."""
SESSION_REVOKED = "https://schemas.openid.net/secevent/caep/event-type/session-revoked"
"""CAEP 1.0 §3.1."""
