"""Page name and values → HTML, by a Jinja environment of our own: the host application's is never touched."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache

from jinja2 import Environment, PackageLoader, StrictUndefined

# browsers judge the redirect after a POST by form-action too, and it may lead to any home or app
WAYS_ON = ("'self'", "https:", "http://127.0.0.1:*", "http://localhost:*")


class Pages:
    """The guest pages. `static_prefix()` is the address of the `static` folder, no slash at its end."""

    def __init__(self, *, tenant_name: Callable[[], str], static_prefix: Callable[[], str]) -> None:
        self._tenant_name = tenant_name
        self._static_prefix = static_prefix
        self._templates = _environment()

    def page(self, name: str, **context: object) -> str:
        """The document of the page `name`, which names its template and, but for form-post, its `data-page`.

        Each template's first line lists the values it takes, besides the `correlation_id` that every page
        with the common frame shows; one missing raises jinja2.UndefinedError. Only `Markup` is taken as HTML.
        """
        return self._templates.get_template(f"{name}.html").render(
            context, page=name, tenant_name=self._tenant_name(), static=self._static_prefix()
        )


@cache
def _environment() -> Environment:
    """Our templates, compiled once a process."""
    environment = Environment(
        loader=PackageLoader("b2b_idp.pages"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["in_fours"] = in_fours
    return environment


_SCRIPTED = frozenset({"form-post", "challenge-passkey", "register-passkey"})
"""The pages that a script of ours serves."""


def content_security_policy(name: str, form_action: Sequence[str], frames: Sequence[str] = ()) -> str:
    """The Content-Security-Policy of the page `name`; `form_action` lists the sources its forms may lead to, `frames`
    those that it frames, which a script waits for.

    Some browsers hold the redirects that answer a POST to form-action too (CSP 3 §6.4.1), so `form_action`
    must name each origin on that way.
    """
    script = "script-src 'self'; " if name in _SCRIPTED or frames else ""
    framed = f"frame-src {' '.join(frames)}; " if frames else ""
    targets = " ".join(form_action) or "'none'"
    return (
        f"default-src 'none'; style-src 'self'; img-src 'self' data:; {script}{framed}"
        f"form-action {targets}; frame-ancestors 'none'; base-uri 'none'"
    )


def in_fours(secret: str) -> str:
    """`secret` in groups of four, as a person copies it."""
    bare = secret.replace(" ", "")
    return " ".join(bare[i : i + 4] for i in range(0, len(bare), 4))
