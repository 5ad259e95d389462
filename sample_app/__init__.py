"""The SaaS app to copy: guests sign in through b2b-idp and see which claims the app was given, and why."""

from sample_app.app import create_app

__all__ = ["create_app"]
