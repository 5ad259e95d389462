"""By which properties the directory's and the logs' lists are asked, and what stands behind them in the tables."""

from __future__ import annotations

from sqlalchemy import func, select

from b2b_idp.store.columns import Columns, Flag, Number, One, Text, Texts, Time, Word
from b2b_idp.store.functions import parsed
from b2b_idp.store.tables import audit_log, invitations, signin_log, tenant, users

_IN_DOCUMENT = (
    "givenName surname jobTitle department companyName officeLocation mobilePhone preferredLanguage employeeId "
    "employeeType employeeHireDate city state country postalCode streetAddress usageLocation faxNumber mailNickname "
    "ageGroup consentProvidedForMinor passwordPolicies"
).split()
_properties = users.c.properties
_default_domain = select(tenant.c.default_domain).scalar_subquery()
"""What an identity that nobody proved yet is issued by."""

USERS: Columns = {
    "id": Text(users.c.id, folded=True),
    "userPrincipalName": Text(users.c.upn_key, folded=True),
    "mail": Text(users.c.mail_key, folded=True),
    "displayName": Text(users.c.display_name_key, folded=True),
    "userType": Word(users.c.user_type, ("Guest", "Member")),
    "externalUserState": Word(users.c.state, ("PendingAcceptance", "Accepted")),
    "creationType": Word(users.c.creation_type, ("Invitation",)),
    "accountEnabled": Flag(users.c.account_enabled),
    "createdDateTime": Time(users.c.created_at),
    "deletedDateTime": Time(users.c.deleted_at),
    "externalUserStateChangeDateTime": Time(users.c.state_changed_at),
    "signInActivity/lastSignInDateTime": Time(users.c.last_signin_at),
    "otherMails": Texts(_properties["otherMails"]),
    "businessPhones": Texts(_properties["businessPhones"]),
    "identities": One(
        {
            "issuer": Text(func.coalesce(users.c.issuer, _default_domain)),
            "issuerAssignedId": Text(func.coalesce(users.c.subject, users.c.upn)),
        }
    ),
    **{name: Text(_properties[name].as_string()) for name in _IN_DOCUMENT},
    **{
        f"onPremisesExtensionAttributes/extensionAttribute{n}": Text(
            _properties["onPremisesExtensionAttributes"][f"extensionAttribute{n}"].as_string()
        )
        for n in range(1, 16)
    },
}

INVITATIONS: Columns = {
    "id": Text(invitations.c.id, folded=True),
    "invitedUserEmailAddress": Text(invitations.c.email),
    "invitedUserDisplayName": Text(invitations.c.display_name),
    "invitedUserType": Word(invitations.c.user_type, ("Guest", "Member")),
    "sendInvitationMessage": Flag(invitations.c.send_message),
    "resetRedemption": Flag(invitations.c.reset_redemption),
    "invitedUser/id": Text(invitations.c.user_id, folded=True),
    "status": Word(invitations.c.status, ("PendingAcceptance", "Completed")),
    "b2bIdp/createdDateTime": Time(invitations.c.created_at),
    "b2bIdp/expirationDateTime": Time(invitations.c.expires_at),
    "b2bIdp/revokedDateTime": Time(invitations.c.revoked_at),
    "b2bIdp/invitedBy": Text(invitations.c.invited_by),
}

_signin = signin_log.c.document
SIGNINS: Columns = {
    "id": Text(signin_log.c.id, folded=True),
    "createdDateTime": Time(signin_log.c.at),
    "userId": Text(signin_log.c.user_id, folded=True),
    "appId": Text(signin_log.c.app_id, folded=True),
    "correlationId": Text(signin_log.c.correlation_id, folded=True),
    "isInteractive": Flag(_signin["isInteractive"].as_boolean()),
    "status/errorCode": Number(_signin["status"]["errorCode"].as_integer()),
    "b2bIdp/outcome": Text(_signin["b2bIdp"]["outcome"].as_string()),
    "b2bIdp/code": Text(_signin["b2bIdp"]["code"].as_string()),
    **{
        name: Text(_signin[name].as_string())
        for name in (
            "userDisplayName userPrincipalName appDisplayName resourceId resourceDisplayName ipAddress clientAppUsed "
            "homeTenantId resourceTenantId conditionalAccessStatus userAgent userType homeTenantName "
            "crossTenantAccessType authenticationRequirement"
        ).split()
    },
}

_audit = parsed(audit_log.c.document)
AUDITS: Columns = {
    "id": Text(audit_log.c.id, folded=True),
    "activityDateTime": Time(audit_log.c.at),
    "sequence": Number(audit_log.c.seq),
    "activityDisplayName": Text(audit_log.c.activity),
    "initiatedBy/user/id": Text(_audit["initiatedBy"]["user"]["id"].as_string()),
    "initiatedBy/app/appId": Text(_audit["initiatedBy"]["app"]["appId"].as_string()),
    **{
        name: Text(_audit[name].as_string())
        for name in "category correlationId result resultReason loggedByService operationType".split()
    },
}
