"""b2b-idp: an OpenID Connect identity provider for business-to-business guests."""

from b2b_idp.version import __version__

__all__ = ["__version__"]
