"""What answers look like: Graph's types as this API shows them, one line a type, and their JSON schemas.

`name kind` pairs; `name! kind` is read-only; `kind?` may be null; `[kind]` is a list. A kind is a word of `_KINDS`, a
type of this table, or a component made of a request's model (`Application.Web`).
"""

from __future__ import annotations

from typing import Any

from b2b_idp.graph.user_documents import LISTS, TEXTS

Schema = dict[str, Any]

_GUID = "^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$"
_KINDS: dict[str, Schema] = {
    "text": {"type": "string"},
    "bool": {"type": "boolean"},
    "int": {"type": "integer"},
    "guid": {"type": "string", "format": "uuid", "pattern": _GUID},
    "time": {"type": "string", "format": "date-time"},
    "object": {"type": "object"},
    "any": {},
}
_USER_TEXTS = ", ".join(f"{name} text?" for name in TEXTS)
_USER_LISTS = ", ".join(f"{name} [text]" for name in LISTS)

_TABLE = f"""
user: id! guid, {_USER_TEXTS}, {_USER_LISTS}, mail text?, userPrincipalName text, userType text, accountEnabled bool,
  creationType! text?, externalUserState! text?, externalUserStateChangeDateTime! time?, createdDateTime! time,
  deletedDateTime! time?, identities! [objectIdentity], signInSessionsValidFromDateTime! time,
  onPremisesExtensionAttributes object, signInActivity! object?, b2bIdp! object, manager! directoryObject?,
  directReports! [directoryObject], sponsors! [directoryObject], memberOf! [directoryObject],
  transitiveMemberOf! [directoryObject]
objectIdentity: signInType text, issuer text, issuerAssignedId text?
group: id! guid, createdDateTime! time, mail! text?, displayName text, description text?,
  mailEnabled bool, mailNickname text?, securityEnabled bool, groupTypes [text], visibility text?,
  membershipRule text?, membershipRuleProcessingState text?,
  isAssignableToRole bool?, members! [directoryObject],
  transitiveMembers! [directoryObject], owners! [directoryObject], memberOf! [directoryObject]
evaluateDynamicMembershipResult: membershipRule text, membershipRuleEvaluationResult bool,
  membershipRuleEvaluationDetails expressionEvaluationDetails
expressionEvaluationDetails: expression text, expressionResult bool,
  expressionEvaluationDetails [expressionEvaluationDetails], propertyToEvaluate propertyToEvaluate?
propertyToEvaluate: propertyName text, propertyValue text?
membershipPreview: membershipRule text, usersEvaluated int, entering membershipChange, leaving membershipChange,
  remaining int, writtenByHomes [text]
membershipChange: count int, sample [membershipSample]
membershipSample: id guid, displayName text, userPrincipalName text
directoryRole: id! guid, displayName! text, description! text, roleTemplateId guid, deletedDateTime! time?
directoryRoleTemplate: id! guid, displayName! text, description! text, deletedDateTime! time?
unifiedRoleDefinition: id! guid, description! text, displayName! text, isBuiltIn! bool, isEnabled! bool,
  resourceScopes! [text], rolePermissions! [unifiedRolePermission], templateId! text, version! text
unifiedRolePermission: allowedResourceActions [text], condition text?
unifiedRoleAssignment: id! guid, principalId guid, roleDefinitionId guid, directoryScopeId text, appScopeId text?,
  condition text?
invitation: id! guid, invitedUserDisplayName text?, invitedUserEmailAddress text, invitedUserType text,
  sendInvitationMessage bool, resetRedemption bool, inviteRedirectUrl text, inviteRedeemUrl! text?, status! text,
  invitedUserMessageInfo object, invitedUser invitedUser, b2bIdp object
invitedUser: id guid
application: id! guid, appId! guid, displayName text, description text?, notes text?, signInAudience text?,
  identifierUris [text], tags [text], groupMembershipClaims text?, isFallbackPublicClient bool?,
  web Application.Web, spa Application.Redirects, publicClient Application.Redirects, api Application.Api,
  appRoles [Application.AppRole], requiredResourceAccess [any], optionalClaims Application.OptionalClaims?,
  keyCredentials! [any],
  passwordCredentials! [passwordCredential], createdDateTime! time, b2bIdp Application.Extension?
passwordCredential: customKeyIdentifier! text?, displayName text?, endDateTime time, hint! text?, keyId! guid,
  secretText! text?, startDateTime time
registrationToken: id! guid, displayName text, createdDateTime! time, createdBy! guid?, expirationDateTime time,
  maximumUses int, usesRemaining! int, requirePkce bool, secretText! text?
servicePrincipal: id! guid, appId guid, displayName! text, appDisplayName! text, accountEnabled bool,
  appRoleAssignmentRequired bool, appRoles! [Application.AppRole], servicePrincipalType! text, tags [text],
  oauth2PermissionScopes! [Application.PermissionScope], servicePrincipalNames! [text], replyUrls! [text],
  notes text?, description text?, homepage text?, loginUrl text?, preferredSingleSignOnMode text?,
  preferredTokenSigningKeyThumbprint text?, keyCredentials [keyCredential],
  passwordCredentials [passwordCredential], appOwnerOrganizationId! guid
keyCredential: customKeyIdentifier text?, displayName text?, endDateTime time, key text?, keyId guid,
  startDateTime time, type text, usage text
selfSignedCertificate: customKeyIdentifier! text, displayName! text, endDateTime! time, key! text, keyId! guid,
  startDateTime! time, thumbprint! text, type! text, usage! text
b2bIdpTokenPreview: idToken! object, accessToken! object, explanations! b2bIdpExplanations, problems! [text]
b2bIdpExplanations: idToken! [b2bIdpExplanation], accessToken! [b2bIdpExplanation]
b2bIdpExplanation: claim! text, issued! bool, origin! text, steps! [text], because! text?
appRoleAssignment: id! guid, deletedDateTime! time?, appRoleId guid, createdDateTime! time,
  principalDisplayName! text?, principalId guid, principalType! text, resourceDisplayName! text?, resourceId guid
oAuth2PermissionGrant: id! text, clientId guid, consentType text, principalId text?, resourceId guid, scope text
authenticationMethod: id! guid, createdDateTime! time, secretKey! text?, displayName! text?, aaGuid! text?,
  model! text?, attestationCertificates! [text], attestationLevel! text?,
  temporaryAccessPass! text?, startDateTime! time, lifetimeInMinutes! int, isUsableOnce! bool, isUsable! bool,
  methodUsabilityReason! text
softwareOathAuthenticationMethod: id! guid, secretKey! text?, createdDateTime! time
fido2AuthenticationMethod: id! guid, displayName! text?, createdDateTime! time, aaGuid! text?, model! text?,
  attestationCertificates! [text], attestationLevel! text?
temporaryAccessPassAuthenticationMethod: id! guid, temporaryAccessPass! text?, createdDateTime! time,
  startDateTime time, lifetimeInMinutes int, isUsableOnce bool, isUsable! bool, methodUsabilityReason! text
identityProvider: id! text, displayName text, identityProviderType! any, clientId text, issuer text,
  wellKnownEndpoint text, responseType text, scope text, clientAuthentication IdentityProvider.ClientAuthentication?,
  inboundClaimMapping IdentityProvider.ClaimMapping?, b2bIdp IdentityProvider.HomeExtension
crossTenantAccessPolicy: displayName! text, allowedCloudEndpoints! [text]
crossTenantAccessPolicyConfigurationDefault: isServiceDefault! bool, inboundTrust PartnerConfiguration.InboundTrust,
  b2bCollaborationInbound PartnerConfiguration.Setting, b2bCollaborationOutbound PartnerConfiguration.Setting,
  b2bDirectConnectInbound PartnerConfiguration.Setting, b2bDirectConnectOutbound PartnerConfiguration.Setting,
  automaticUserConsentSettings PartnerConfiguration.Consent, b2bIdp PartnerConfiguration.PartnerExtension,
  isServiceProvider bool?, isInMultiTenantOrganization bool?
crossTenantAccessPolicyConfigurationPartner: tenantId guid, isServiceProvider bool?,
  isInMultiTenantOrganization bool?, inboundTrust PartnerConfiguration.InboundTrust?,
  b2bCollaborationInbound PartnerConfiguration.Setting?, b2bCollaborationOutbound PartnerConfiguration.Setting?,
  b2bDirectConnectInbound PartnerConfiguration.Setting?, b2bDirectConnectOutbound PartnerConfiguration.Setting?,
  automaticUserConsentSettings PartnerConfiguration.Consent?, b2bIdp PartnerConfiguration.PartnerExtension?
conditionalAccessPolicy: id! guid, templateId! text?, displayName text, description text?, state text,
  createdDateTime! time, modifiedDateTime! time?, conditions ConditionalAccessPolicy.Conditions,
  grantControls ConditionalAccessPolicy.GrantControls?, sessionControls ConditionalAccessPolicy.SessionControls?
claimsMappingPolicy: id! guid, displayName text, description text?, definition [text], isOrganizationDefault bool?,
  b2bIdp! object?
authenticationStrengthPolicy: id! guid, displayName text, description text, policyType! text,
  requirementsSatisfied! text, allowedCombinations [text], createdDateTime! time, modifiedDateTime! time
authenticationCombinationConfiguration: id! guid, allowedAAGUIDs [text], appliesToCombinations [text]
updateAllowedCombinationsResult: additionalInformation! text?, conditionalAccessReferences! [text],
  currentCombinations! [text], previousCombinations! [text]
authenticationStrengthUsage: mfa! [conditionalAccessPolicy], none! [conditionalAccessPolicy]
namedLocation: id! guid, displayName text, createdDateTime! time, modifiedDateTime! time?, isTrusted bool,
  ipRanges [IpNamedLocation.Range]
authenticationContextClassReference: id text, displayName text, description text?, isAvailable bool
agreement: id! guid, displayName text, isViewingBeforeAcceptanceRequired bool, isPerDeviceAcceptanceRequired bool,
  userReacceptRequiredFrequency text?, termsExpiration object?, createdDateTime! time, modifiedDateTime! time?,
  file AgreementDocument.AgreementFile, version! int
agreementAcceptance: id! guid, agreementId! guid, agreementFileId! text, userId! guid, userDisplayName! text?,
  userEmail! text?, userPrincipalName! text?, recordedDateTime! time, state! text
authorizationPolicy: id! text, deletedDateTime! time?, displayName text, description text, allowInvitesFrom text,
  allowUserConsentForRiskyApps bool?, allowedToSignUpEmailBasedSubscriptions bool, allowedToUseSSPR bool,
  allowEmailVerifiedUsersToJoinOrganization bool, blockMsolPowerShell bool, guestUserRoleId guid,
  defaultUserRolePermissions AuthorizationPolicyDocument.DefaultUserRole, b2bIdp AuthorizationPolicyDocument.Extension
authenticationMethodsPolicy: id! text, displayName! text, description! text, lastModifiedDateTime! time,
  policyVersion! text, authenticationMethodConfigurations! [emailAuthenticationMethodConfiguration]
emailAuthenticationMethodConfiguration: id! text, state text, allowExternalIdToUseEmailOtp text,
  includeTargets [authenticationMethodTarget], excludeTargets [any]
authenticationMethodTarget: id text, targetType text, isRegistrationRequired bool
stsPolicy: id! guid, deletedDateTime! time?, displayName text, description text?, definition [text],
  isOrganizationDefault bool?
b2bIdpEvaluation: outcome! text, reasons! [b2bIdpReason], reportOnly! [b2bIdpReason], requirement! object,
  challenges! [text], termsOfUse! [text], wouldIssue! object?,
  leftOut! [b2bIdpExplanation], wayForward! any
b2bIdpReason: code text, text text, policyId text?
organization: id! guid, displayName! text, createdDateTime! time, tenantType! text, countryLetterCode! text?,
  preferredLanguage! text?, technicalNotificationMails! [text], verifiedDomains! [verifiedDomain]
verifiedDomain: capabilities text?, isDefault bool, isInitial bool, name text, type text
domain: id! text, authenticationType! text, isAdminManaged! bool, isDefault! bool, isInitial! bool, isRoot! bool,
  isVerified! bool, supportedServices! [text]
signIn: id! guid, createdDateTime! time, userId! text?, userDisplayName! text?, userPrincipalName! text?, appId! text?,
  appDisplayName! text?, resourceId! text?, resourceDisplayName! text?, resourceTenantId! text?, homeTenantId! text?,
  ipAddress! text?, userAgent! text?, clientAppUsed! text?, correlationId! text?, isInteractive! bool?,
  conditionalAccessStatus! text?, appliedConditionalAccessPolicies! [appliedConditionalAccessPolicy],
  status! signInStatus, deviceDetail! object?, location! object?, b2bIdp! object, userType! text?,
  homeTenantName! text?, crossTenantAccessType! text?, authenticationRequirement! text?,
  authenticationDetails! [authenticationDetail], authenticationMethodsUsed! [text],
  sessionLifetimePolicies! [sessionLifetimePolicy], authenticationContextClassReferences! [authenticationContext]
authenticationDetail: authenticationMethod text?, authenticationMethodDetail text?, authenticationStepDateTime time,
  authenticationStepRequirement text?, authenticationStepResultDetail text?, succeeded bool
sessionLifetimePolicy: expirationRequirement text, detail text?
authenticationContext: id text, detail text
b2bIdpDoubleMfa: id! text, tenantId! text, displayName! text?, isMfaAccepted! bool, signIns! int, guests! int,
  challengesSparedByTrust! int, missing! [b2bIdpMissing]
b2bIdpMissing: code text, text text, value text?, signIns int
b2bIdpDeadEnd: id! text, userId! guid, userPrincipalName! text?, appId! guid, appDisplayName! text?, tenantId! text?,
  partnerDisplayName! text?, code! text, policyId! text?, policyDisplayName! text?, signIns! int,
  lastDateTime! time, resolved! bool, waysForward! [b2bIdpWay]
b2bIdpWay: code text, text text
b2bIdpStepUp: id! guid, tenantId! guid, displayName! text, isMfaAccepted! bool, asked! int, answered! int,
  lastAskedDateTime! time?, lastAnsweredDateTime! time?
appliedConditionalAccessPolicy: id text, displayName text?, result text, enforcedGrantControls [text],
  enforcedSessionControls [text]
signInStatus: errorCode int, failureReason text?, additionalDetails text?
directoryAudit: id! guid, activityDisplayName! text, activityDateTime! time, category! text, correlationId! text?,
  result! text, resultReason! text?, loggedByService! text?, operationType! text?,
  initiatedBy! auditActivityInitiator, targetResources! [targetResource], additionalDetails! [keyValue]
auditActivityInitiator: user object?, app object?
targetResource: id text?, displayName text?, type text?, userPrincipalName text?, modifiedProperties [modifiedProperty]
modifiedProperty: displayName text?, oldValue text?, newValue text?
keyValue: key text, value text?
"""


def _parsed() -> dict[str, dict[str, str]]:
    lines = _TABLE.replace("\n  ", " ").strip().splitlines()
    found: dict[str, dict[str, str]] = {}
    for line in lines:
        name, _, members = line.partition(": ")
        found[name] = {m.strip().partition(" ")[0]: m.strip().partition(" ")[2] for m in members.split(",")}
    return found


_TYPES = _parsed()
_MIXED = ("user", "group", "servicePrincipal", "directoryRole")
"""What a directoryObject is, by its @odata.type."""
NAVIGATION = frozenset(
    name for members in _TYPES.values() for name, kind in members.items() if "directoryObject" in kind
)


_NOT_ASKED = ("inviteRedeemUrl", "inviteRedirectUrl", "signInSessionsValidFromDateTime")
"""No list is asked by these."""


def properties(gives: str) -> list[str]:
    """The properties of a type that $select may name."""
    names = ("id!", "displayName") if gives == "directoryObject" else tuple(_TYPES.get(gives, ()))
    return sorted(n.removesuffix("!") for n in names if n not in NAVIGATION)


def sortable(gives: str) -> list[str]:
    """The properties of a type that $orderby may name."""
    kinds = {n.removesuffix("!"): k.removesuffix("?") for n, k in _TYPES.get(gives, {}).items()}
    simple = [n for n in properties(gives) if kinds.get(n, "text") in ("text", "bool", "int", "guid", "time")]
    return [n for n in simple if n not in _NOT_ASKED]


def reference(name: str) -> Schema:
    return {"$ref": f"#/components/schemas/{name}"}


def answer_schemas() -> dict[str, Schema]:
    """A schema for each type of answer."""
    mixed = {"anyOf": [reference(name) for name in _MIXED]}
    return {name: _object(members) for name, members in _TYPES.items()} | {"directoryObject": mixed, **_FRAME}


def _object(members: dict[str, str]) -> Schema:
    found = {}
    for name, kind in members.items():
        schema = _schema(kind)
        found[name.removesuffix("!")] = {**schema, "readOnly": True} if name.endswith("!") else schema
    return {
        "type": "object",
        "properties": found,
        "patternProperties": {"@": {"description": "OData control information"}},
        "additionalProperties": False,
    }


def _schema(kind: str) -> Schema:
    if kind.endswith("?"):
        inner = _schema(kind.removesuffix("?"))
        if "type" in inner:
            return {**inner, "type": [inner["type"], "null"]}
        return {"anyOf": [inner, {"type": "null"}]}
    if kind.startswith("["):
        return {"type": "array", "items": _schema(kind[1:-1])}
    return dict(_KINDS[kind]) if kind in _KINDS else reference(kind)


def collection(gives: str, *, delta: bool = False) -> Schema:
    """A page of a collection."""
    texts = {"type": "string", "pattern": "^[a-z]+://"}
    members: Schema = {"@odata.context": texts, "@odata.nextLink": texts}
    members["@odata.deltaLink" if delta else "@odata.count"] = texts if delta else {"type": "integer", "minimum": 0}
    return {
        "type": "object",
        "properties": members | {"value": {"type": "array", "items": _schema(gives)}},
        "required": ["@odata.context", "value"],
        "additionalProperties": False,
    }


_EDM = {"Edm.String": "text", "Edm.Boolean": "bool"}


def single(gives: str) -> Schema:
    """One entity, or one plain value."""
    if gives.removesuffix("[]") in _EDM:
        kind = _EDM[gives.removesuffix("[]")]
        return {
            "type": "object",
            "properties": {
                "@odata.context": {"type": "string"},
                "value": _schema(f"[{kind}]" if gives.endswith("[]") else kind),
            },
            "required": ["@odata.context", "value"],
        }
    return reference(gives)


_ERROR: Schema = {
    "type": "object",
    "properties": {
        "error": {
            "type": "object",
            "properties": {
                "code": {"type": "string"},
                "message": {"type": "string"},
                "innerError": {
                    "type": "object",
                    "properties": {
                        "date": {"type": "string"},
                        "request-id": _KINDS["guid"],
                        "client-request-id": _KINDS["guid"],
                    },
                    "required": ["date", "request-id", "client-request-id"],
                },
            },
            "required": ["code", "message", "innerError"],
        }
    },
    "required": ["error"],
}
_PART: Schema = {
    "type": "object",
    "properties": {
        "id": {"type": "string", "minLength": 1},
        "method": {"enum": ["GET", "POST", "PATCH", "PUT", "DELETE"]},
        "url": {"type": "string"},
        "dependsOn": {"type": ["array", "null"], "items": {"type": "string"}},
        "headers": {"type": ["object", "null"], "additionalProperties": {"type": "string"}},
        "body": {},
    },
    "required": ["id", "method", "url"],
}
_PART_ANSWER: Schema = {
    "type": "object",
    "properties": {
        "id": {"type": "string"},
        "status": {"type": "integer"},
        "headers": {"type": "object", "additionalProperties": {"type": "string"}},
        "body": {},
    },
    "required": ["id", "status", "headers"],
}
_FRAME: dict[str, Schema] = {
    "error": _ERROR,
    "batchRequest": {
        "type": "object",
        "properties": {"requests": {"type": "array", "items": _PART, "minItems": 1, "maxItems": 20}},
        "required": ["requests"],
        "additionalProperties": False,
    },
    "batchResponse": {
        "type": "object",
        "properties": {"responses": {"type": "array", "items": _PART_ANSWER}},
        "required": ["responses"],
    },
}
