"""authenticationMethodsPolicy's part that is configured: the method `Email` → value. Problem(BAD_REQUEST) names what
is wrong."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from pydantic import Field

from b2b_idp.policy.documents import Document, parse


@dataclass(frozen=True, slots=True)
class EmailMethod:
    """What mailed codes are good for. `signs_in`: a guest whose domain has no home tenant signs in by them;
    `second_factor`: they are a challenge here, where a strength lists `email`."""

    signs_in: bool = True
    second_factor: bool = True


class _Target(Document):
    """Everybody: narrower targets are refused, because they would not be enforced."""

    id: Literal["all_users"]
    targetType: Literal["group"]
    isRegistrationRequired: Literal[False] = False


class EmailMethodDocument(Document):
    """Graph's emailAuthenticationMethodConfiguration."""

    id: Literal["Email"] = "Email"
    state: Literal["enabled", "disabled"] = "enabled"
    allowExternalIdToUseEmailOtp: Literal["default", "enabled", "disabled"] = "default"
    includeTargets: list[_Target] = Field(default_factory=list, max_length=1)
    excludeTargets: list[_Target] = Field(default_factory=list, max_length=0)


def email_method_of(document: Mapping[str, Any]) -> EmailMethod:
    """What a document says; `default` is on, as it is at Microsoft's. Raises Problem(BAD_REQUEST)."""
    method = parse(EmailMethodDocument, document)
    return EmailMethod(method.allowExternalIdToUseEmailOtp != "disabled", method.state == "enabled")
