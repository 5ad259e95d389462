"""b2b-idp: an OpenID Connect identity provider for business-to-business guests."""

from typing import TYPE_CHECKING

from b2b_idp.version import __version__

if TYPE_CHECKING:
    from b2b_idp.extension import B2BIdp

__all__ = ["B2BIdp", "__version__"]


def __getattr__(name: str) -> object:
    # imported when asked for: `b2b_idp.version` and the pytest plugin do without
    if name == "B2BIdp":
        from b2b_idp.extension import B2BIdp

        return B2BIdp
    raise AttributeError(name)
