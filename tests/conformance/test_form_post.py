"""OpenID Connect Form Post OP: the Basic conditions, with the answer in a form and nothing in the address."""

from __future__ import annotations

from tests.conformance.basic import BasicConditions


class TestFormPost(BasicConditions):
    mode = "form_post"
