"""The SaaS app to copy: guests sign in through b2b-idp, see who they are and which claims the app was given, and why."""

from sample_app.app import create_app

__all__ = ["create_app"]
