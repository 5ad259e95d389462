"""What a claims mapping policy can read: the sources and their IDs (Entra's claims customization reference)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

Sources = Mapping[str, Mapping[str, Any]]
"""Source (user, application, resource, audience, company) → attribute by ID in folded case → value or None."""

_PRINCIPAL = frozenset({"displayname", "objectid", "tags"})
IDS: Mapping[str, frozenset[str]] = {
    "user": frozenset(
        (
            "surname givenname displayname objectid mail userprincipalname department onpremisessamaccountname "
            "netbiosname dnsdomainname onpremisesecurityidentifier companyname streetaddress postalcode "
            "preferredlanguage onpremisesuserprincipalname mailnickname othermail country city state jobtitle "
            "employeeid facsimiletelephonenumber assignedroles accountenabled consentprovidedforminor "
            "createddatetime creationtype lastpasswordchangedatetime mobilephone officelocation "
            "onpremisesdomainname onpremisesimmutableid onpremisessyncenabled preferreddatalocation "
            "proxyaddresses usertype telephonenumber"
        ).split()
        + [f"extensionattribute{n}" for n in range(1, 16)]
    ),
    "application": _PRINCIPAL,
    "resource": _PRINCIPAL,
    "audience": _PRINCIPAL,
    "company": frozenset({"tenantcountry"}),
}
FIRST_ONLY = frozenset({"othermail", "tags", "proxyaddresses"})
"""Collections of which a claim carries the first value only; those of directory extensions come out whole."""

EXTENSION = re.compile(r"extension_[0-9a-f]{32}_[a-z0-9_]{1,100}", re.ASCII)
"""An ExtensionID in folded case: a directory extension attribute, with the appId of the app that declared it."""
