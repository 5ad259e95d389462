"""The attributes that claims mapping policies read, as the directory has them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from b2b_idp.model.directory import App, all_tags
from b2b_idp.tokens.gather import Subject


def sources_of(subject: Subject, client: App) -> dict[str, Mapping[str, Any]]:
    """The attributes that claims mapping policies read, by source and ID in folded case. `application` is the client,
    `resource` and `audience` the app that the token is for."""
    user, resource = subject.user, _service_principal(subject.app)
    phones = user.properties.get("businessPhones") or []
    extension = user.properties.get("onPremisesExtensionAttributes") or {}
    attributes = {
        **{name.casefold(): value for name, value in user.properties.items()},
        **({name.casefold(): value for name, value in extension.items()} if extension else {}),
        "objectid": user.id,
        "mail": user.mail,
        "userprincipalname": _principal_name(subject),
        "usertype": user.user_type,
        "creationtype": user.creation_type,
        "accountenabled": user.account_enabled,
        "createddatetime": user.created_at.isoformat()[:19] + "Z",
        "othermail": user.properties.get("otherMails"),
        "telephonenumber": phones[0] if phones else None,
        "facsimiletelephonenumber": user.properties.get("faxNumber"),
        "assignedroles": subject.roles,
    }
    return {
        "user": attributes,
        "application": resource if client is subject.app else _service_principal(client),
        "resource": resource,
        "audience": resource,
        "company": {"tenantcountry": None},
    }


def _principal_name(subject: Subject) -> str:
    """The user principal name: for a guest whose home is an Entra tenant the address, for all other people the stored
    one, with #EXT# in it, as Entra does."""
    user, home = subject.user, subject.home
    from_entra = user.is_guest and home is not None and home.profile == "entra"
    return user.mail if from_entra and user.mail else user.upn


def _service_principal(app: App) -> Mapping[str, Any]:
    return {"displayname": app.display_name, "objectid": app.sp_id, "tags": all_tags(app.properties, app.sp_properties)}
