"""Dynamic client registration (RFC 7591, OpenID Connect Registration) and its management (RFC 7592)."""

from __future__ import annotations

import json
import uuid
from datetime import timedelta

import jwt
import pytest

from b2b_idp.extension import B2BIdp
from b2b_idp.keys.vault import client_secret, initial_access_token, is_client_secret, is_initial_access_token
from b2b_idp.model.directory import GRAPH_APP_ID
from tests.openid.openid_world import BYE, CALLBACK, ISSUER, answered, claims_of, refused
from tests.openid.registering import REGISTER, Key, RegisteringWorld, documents_over_tls

rfc = pytest.mark.rfc


@pytest.fixture(scope="module")
def documents(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tls")
    with pytest.MonkeyPatch.context() as monkeypatch, documents_over_tls(folder, monkeypatch) as served:
        yield served


@pytest.fixture(scope="module")
def shared(documents):
    made = RegisteringWorld(documents)
    yield made
    made.store.close()


@pytest.fixture
def world(shared):
    """One world for all tests: each registers apps of its own, and its clock goes back to where it was."""
    shared.documents.asked.clear()
    began = shared.at
    yield shared
    shared.at = began


# --- registering ------------------------------------------------------------------------------------------------------


@rfc("7591", "3.2.1")
@rfc("OIDC Registration", "3.2")
def test_an_app_registers_itself_and_is_told_what_it_registered(world):
    app = world.registered()
    assert (app["redirect_uris"], app["client_name"]) == ([CALLBACK], "Orders")
    assert is_client_secret(app["client_secret"])
    assert app["client_secret_expires_at"] == int((world.at + timedelta(days=730)).timestamp())
    assert app["client_id_issued_at"] == int(world.at.timestamp())
    assert app["registration_client_uri"] == f"{ISSUER}/register/{app['client_id']}"
    assert app["registration_access_token"]


@rfc("7591", "2")
@rfc("OIDC Registration", "2")
def test_what_it_does_not_say_is_as_the_specifications_have_it(world):
    app = world.registered()
    assert {k: app[k] for k in ("grant_types", "response_types", "token_endpoint_auth_method", "application_type")} == {
        "grant_types": ["authorization_code"],
        "response_types": ["code"],
        "token_endpoint_auth_method": "client_secret_basic",
        "application_type": "web",
    }
    assert (app["id_token_signed_response_alg"], app["subject_type"]) == ("RS256", "pairwise")


@rfc("7591", "2")
def test_what_it_says_is_registered_and_what_is_not_known_is_left_out(world):
    key = Key("k1").public
    said = {
        "redirect_uris": [CALLBACK],
        "client_name": "Orders",
        "client_name#de-CH": "Bestellungen",
        "client_uri": "https://app.example/",
        "logo_uri": "https://app.example/logo.png",
        "policy_uri": "https://app.example/policy",
        "policy_uri#fr": "https://app.example/fr/policy",
        "tos_uri": "https://app.example/tos",
        "contacts": ["admin@app.example"],
        "software_id": "4NRB1-0XZABZI9E6-5SM3R",
        "software_version": "2.1",
        "grant_types": ["authorization_code", "refresh_token"],
        "response_types": ["code"],
        "token_endpoint_auth_method": "private_key_jwt",
        "token_endpoint_auth_signing_alg": "ES256",
        "jwks": {"keys": [key]},
        "id_token_signed_response_alg": "ES256",
        "authorization_signed_response_alg": "PS256",
        "request_object_signing_alg": "ES256",
        "require_signed_request_object": True,
        "require_pushed_authorization_requests": True,
        "dpop_bound_access_tokens": True,
        "default_max_age": 3600,
        "require_auth_time": True,
        "default_acr_values": ["phr"],
        "post_logout_redirect_uris": [BYE],
        "frontchannel_logout_uri": "https://app.example/logout-frame",
        "frontchannel_logout_session_required": True,
        "backchannel_logout_uri": "https://app.example/logout",
        "backchannel_logout_session_required": True,
        "initiate_login_uri": "https://app.example/login",
    }
    app = world.registered(**said, invented_by_us="x")
    assert {k: app[k] for k in said} == said
    assert "invented_by_us" not in app and "client_secret" not in app
    kept = world.ask(lambda r: r.apps.by_client_id(app["client_id"]))
    assert (kept.id_token_alg, kept.response_alg, kept.request_object_alg) == ("ES256", "PS256", "ES256")
    assert (kept.require_pushed, kept.require_signed_request, kept.dpop_bound) == (True, True, True)
    assert world.manage(app).json == app


@rfc("7591", "2")
def test_no_app_gets_the_object_ids_as_subjects(world):
    assert world.registered(subject_type="public")["subject_type"] == "pairwise"


@pytest.mark.parametrize(
    "uri",
    [
        "https://app.example/callback#here",
        "javascript:alert(1)",
        "https://*.example/callback",
        "http://app.example/callback",
        "com.example.app:/callback",
        "/callback",
        "",
    ],
    ids=lambda uri: f"N-129 {uri}",
)
@rfc("7591", "3.2.2")
def test_a_redirect_uri_that_is_not_safe_is_refused(world, uri):
    assert refused(world.register(redirect_uris=[uri])) == (400, "invalid_redirect_uri")


def test_a_native_app_has_a_scheme_of_its_own_and_no_other_app_does(world):
    uris = ["com.example.app:/callback", "http://127.0.0.1/callback"]
    native = {"application_type": "native", "token_endpoint_auth_method": "none"}
    app = world.registered(redirect_uris=uris, **native)
    assert app["redirect_uris"] == uris and "client_secret" not in app
    assert world.ask(lambda r: r.apps.by_client_id(app["client_id"])).public


@pytest.mark.parametrize(
    "wrong",
    [
        {"redirect_uris": "https://app.example/callback"},
        {"redirect_uris": []},
        {"redirect_uris": None},
        {"redirect_uris": [5]},
    ],
    ids=str,
)
def test_redirect_uris_are_a_list_of_addresses(world, wrong):
    assert refused(world.register(**wrong)) == (400, "invalid_redirect_uri")


@pytest.mark.parametrize(
    "wrong",
    [
        {"response_types": ["token"]},
        {"response_types": ["code id_token"]},
        {"response_types": ["code"], "grant_types": ["client_credentials"]},
        {"grant_types": ["implicit"]},
        {"grant_types": ["refresh_token"]},
        {"grant_types": []},
        {"grant_types": ["client_credentials"], "token_endpoint_auth_method": "none"},
        {"token_endpoint_auth_method": "client_secret_jwt"},
        {"token_endpoint_auth_method": "tls_client_auth", "tls_client_auth_san_dns": "app.example"},
        {"jwks": None, "token_endpoint_auth_method": "private_key_jwt"},
        {"token_endpoint_auth_method": None, "token_endpoint_auth_signing_alg": "HS256"},
        {"jwks": {"keys": []}, "jwks_uri": "https://app.example/jwks"},
        {"jwks": {"keys": [{"kty": "oct", "k": "AAAA"}]}},
        {"jwks": "keys"},
        {"id_token_signed_response_alg": "HS256"},
        {"id_token_encrypted_response_alg": "RSA-OAEP"},
        {"userinfo_signed_response_alg": "none"},
        {"subject_type": "shared"},
        {"default_max_age": -1},
        {"default_max_age": "3600"},
        {"require_auth_time": "yes"},
        {"application_type": "desktop"},
        {"client_name": "a\nb"},
        {"client_name": "n" * 257},
        {"contacts": "admin@app.example"},
        {"logo_uri#de": "http://app.example/logo"},
        {"post_logout_redirect_uris": ["javascript:alert(1)"]},
        {"backchannel_logout_uri": "http://app.example/logout"},
        {"frontchannel_logout_uri": "http://app.example/logout"},
        {"require_signed_request_object": True},
    ],
    ids=str,
)
@rfc("7591", "3.2.2")
def test_what_cannot_be_done_is_refused_with_what_to_change(world, wrong):
    answer = world.register(**wrong)
    assert refused(answer) == (400, "invalid_client_metadata")
    assert next(iter(wrong)).partition("#")[0].split("_")[0] in answer.json["error_description"]


INTERNAL = [
    "https://127.0.0.2/x",
    "https://10.0.0.1/x",
    "https://169.254.169.254/latest",
    "https://[::1]/x",
    "https://[::ffff:10.0.0.1]/x",
    "https://0x7f000001/x",
    "https://localhost/x",
    "https://intranet/x",
    "https://db.internal/x",
    "http://app.example/x",
    "file:///etc/passwd",
    "https://user@app.example/x",
]


@pytest.mark.parametrize("uri", INTERNAL, ids=lambda uri: f"N-129 {uri}")
@pytest.mark.parametrize("member", ["jwks_uri", "logo_uri", "sector_identifier_uri"])
def test_an_address_inside_is_refused_and_nobody_goes_there(world, member, uri):
    assert refused(world.register(**{member: uri})) == (400, "invalid_client_metadata")
    assert world.documents.asked == []


def test_n_129_by_default_no_address_of_this_machine_is_visited(world):
    """The one thing that the other tests here change of an instance is this."""
    http = B2BIdp(issuer=ISSUER, database_url="sqlite://", allow_private_upstreams=True).client_http
    with pytest.raises(Exception, match="not a public address"):
        http.check_url(world.documents.url)
    assert world.documents.asked == []


@pytest.mark.parametrize("statement", ["x", 5, "a.b"])
def test_a_software_statement_that_is_none_is_invalid(world, statement):
    answer = world.register(software_statement=statement)
    assert refused(answer) == (400, "invalid_software_statement")


@rfc("7591", "2.3")
def test_a_software_statement_is_not_approved(world):
    statement = jwt.encode({"software_id": "x"}, Key("s").private, "ES256")
    answer = world.register(software_statement=statement)
    assert refused(answer) == (400, "unapproved_software_statement")


@pytest.mark.parametrize("body", [b"{", b"[]", b'{"a":1,"a":2}', b"\xff"])
def test_a_body_that_is_no_object_is_refused(world, body):
    headers = {"Authorization": f"Bearer {world.initial_token()[1]}", "Content-Type": "application/json"}
    assert refused(world.http.post(REGISTER, data=body, headers=headers)) == (400, "invalid_request")


def test_a_body_over_64_kb_or_of_another_type_is_refused(world):
    headers = {"Authorization": f"Bearer {world.initial_token()[1]}"}
    large = world.http.post(REGISTER, json={"client_name": "x" * 65536}, headers=headers)
    assert refused(large) == (413, "invalid_request")
    assert refused(world.http.post(REGISTER, data={"client_name": "x"}, headers=headers)) == (415, "invalid_request")


# --- initial access tokens --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "authorization",
    [None, "Bearer x", "Basic eA==", f"Bearer {client_secret('r' * 43)}", f"Bearer {initial_access_token('r' * 43)}"],
    ids=lambda a: f"N-129 {(a or 'none')[:12]}",
)
@rfc("7591", "3")
def test_without_an_initial_access_token_nobody_registers(world, authorization):
    uri = world.documents.serve("sector", [CALLBACK])
    headers = {} if authorization is None else {"Authorization": authorization}
    answer = world.http.post(
        REGISTER, json={"redirect_uris": [CALLBACK], "sector_identifier_uri": uri}, headers=headers
    )
    assert refused(answer) == (401, "invalid_token")
    assert answer.headers["WWW-Authenticate"].startswith("Bearer")
    assert world.documents.asked == []


def test_a_token_is_told_from_a_mistyped_one_and_from_a_secret():
    text = initial_access_token("r" * 43)
    assert is_initial_access_token(text)
    assert not is_initial_access_token(text[:-1] + "x")
    assert not is_client_secret(text)


def test_a_token_is_good_as_often_as_it_says(world):
    _, text = world.initial_token(uses=2)
    assert [world.register(token=text).status_code for _ in range(3)] == [201, 201, 401]


def test_a_refused_registration_takes_no_use(world):
    _, text = world.initial_token(uses=1)
    assert world.register(token=text, redirect_uris=["x:y"]).status_code == 400
    assert world.register(token=text).status_code == 201


def test_a_token_is_good_as_long_as_it_says(world):
    _, text = world.initial_token(expires_at=world.at + timedelta(hours=1))
    world.later(minutes=59)
    assert world.register(token=text).status_code == 201
    world.later(minutes=1)
    assert world.register(token=text).status_code == 401


def test_only_a_hash_of_it_is_kept(world):
    _, text = world.initial_token()
    dumped = world.store._database.engine.raw_connection().driver_connection.serialize()
    assert text.encode() not in dumped and text[5:48].encode() not in dumped


def test_who_registers_in_haste_is_slowed_down(world):
    _, text = world.initial_token()
    answers = [world.register(token=text, redirect_uris=["x:y"]) for _ in range(21)]
    assert {a.status_code for a in answers[:20]} == {400}
    assert refused(answers[-1]) == (429, "slow_down")
    assert int(answers[-1].headers["Retry-After"]) > 0


# --- an app like any other --------------------------------------------------------------------------------------------


def test_a_guest_signs_in_to_it_and_is_known_by_no_object_id(world):
    app = world.registered()
    row, secret = world.row(app), app["client_secret"]
    tokens = world.exchange(world.code(row), row, secret).json
    claims = claims_of(tokens["id_token"])
    assert claims["sub"] != world.user.id and "oid" not in claims
    assert "oid" not in claims_of(tokens["access_token"])
    said = world.userinfo(tokens["access_token"]).json
    assert said["sub"] == claims["sub"] and "oid" not in said
    # refresh tokens are for who registered them
    assert "refresh_token" not in tokens


def test_refresh_tokens_are_for_who_registered_them(world):
    app = world.registered(grant_types=["authorization_code", "refresh_token"])
    row, secret = world.row(app), app["client_secret"]
    tokens = world.exchange(world.code(row), row, secret).json
    assert world.refresh(tokens["refresh_token"], row, secret).status_code == 200


def test_a_grant_that_it_did_not_register_is_not_its(world):
    app = world.registered()
    form = {"grant_type": "client_credentials", "scope": "api://pay/.default"}
    assert refused(world.token(world.row(app), app["client_secret"], **form)) == (400, "unauthorized_client")


def test_it_uses_pkce_unless_its_token_says_otherwise(world):
    row = world.row(world.registered())
    assert answered(world.authorize(row, without=["code_challenge"]))["error"] == "invalid_request"
    row = world.row(world.registered(token=world.initial_token(require_pkce=False)[1]))
    assert "code" in answered(world.authorize(row, without=["code_challenge", "code_challenge_method"]))


def test_what_it_registered_for_every_request_counts(world):
    row = world.row(world.registered(default_max_age=30))
    # the guest signed in a minute ago
    assert answered(world.authorize(row, prompt="none"))["error"] == "login_required"
    assert "code" in answered(world.authorize(row, prompt="none", max_age="3600"))


@pytest.mark.parametrize("scope", ["User.Read", "User.ReadWrite.All", f"{ISSUER}/User.Read"])
def test_it_has_no_permission_on_the_graph_api_and_cannot_ask_for_one(world, scope):
    row = world.row(world.registered())
    assert answered(world.authorize(row, scope=f"openid {scope}"))["error"] == "invalid_scope"


def test_nobody_gives_it_a_permission_on_the_graph_api(world):
    app = world.registered(grant_types=["client_credentials"], response_types=[])
    row, token = world.row(app), world.app_only()
    graph = world.ask(lambda r: r.apps.by_client_id(GRAPH_APP_ID))
    role = graph.roles[0].id
    body = {"principalId": row.sp_id, "resourceId": graph.sp_id, "appRoleId": role}
    answer = world.call("POST", f"/servicePrincipals/{row.sp_id}/appRoleAssignments", body, token)
    assert answer.status_code == 400 and "registered itself" in answer.text
    change = {"b2bIdp": {"adminConsent": ["User.Read"]}}
    assert world.call("PATCH", f"/applications/{row.id}", change).status_code == 400
    form = {"grant_type": "client_credentials", "scope": f"{ISSUER}/.default"}
    assert refused(world.token(row, app["client_secret"], **form)) == (400, "unauthorized_client")


def test_administrators_see_that_it_registered_itself_and_cannot_say_otherwise(world):
    app = world.registered()
    path = f"/applications/{world.row(app).id}"
    assert world.done("GET", path)["b2bIdp"]["registration"]["metadata"]["client_name"] == "Orders"
    for change in ({"b2bIdp": None}, {"b2bIdp": {"registration": None}}):
        assert world.call("PATCH", path, change).status_code == 400
    made = {"displayName": "x", "b2bIdp": {"registration": {"metadata": {}}}}
    assert world.call("POST", "/applications", made).status_code == 400
    world.done("PATCH", path, {"displayName": "Orders of Fabrikam"})
    assert world.manage(app).json["client_name"] == "Orders of Fabrikam"


def test_the_guest_is_told_that_nobody_has_checked_it(world):
    row = world.row(world.registered())
    page = world.http.get(world.authorize(row, consent=False).headers["Location"])
    assert 'data-page="consent"' in page.text
    assert "data-unverified" in page.text and "<strong>app.example</strong>" in page.text
    page = world.http.get(world.authorize(world.crm, consent=False).headers["Location"])
    assert 'data-page="consent"' in page.text and "data-unverified" not in page.text


def test_all_of_it_is_audited(world):
    app = world.registered()
    world.manage(app, "PUT", {"client_id": app["client_id"], "redirect_uris": [CALLBACK], "client_name": "B"})
    world.manage(app, "DELETE")
    entries = world.done("GET", "/auditLogs/directoryAudits")["value"]
    ours = [e for e in entries if (e["initiatedBy"]["app"] or {}).get("appId") == app["client_id"]]
    assert {e["activityDisplayName"] for e in ours} == {
        "Add application",
        "Update application",
        "Delete application",
    }
    assert {e["resultReason"] for e in ours} == {"by the app itself"}
    assert app["client_secret"] not in json.dumps(entries)


# --- addresses of an app's own ----------------------------------------------------------------------------------------


@rfc("OIDC Registration", "5")
def test_apps_of_one_sector_know_a_guest_by_one_subject(world):
    uri = world.documents.serve("sector", [CALLBACK, "https://other.example/cb"])
    apps = [world.registered(sector_identifier_uri=uri) for _ in range(2)] + [world.registered()]
    assert world.documents.asked == ["sector", "sector"]
    subjects = []
    for app in apps:
        row = world.row(app)
        tokens = world.exchange(world.code(row), row, app["client_secret"]).json
        subjects.append(claims_of(tokens["id_token"])["sub"])
    assert subjects[0] == subjects[1] != subjects[2]


@pytest.mark.parametrize(
    ("document", "status"),
    [(["https://other.example/cb"], 200), ({"redirect_uris": [CALLBACK]}, 200), ([], 200), ([CALLBACK], 500)],
    ids=["N-129 another address", "no list", "empty", "no answer"],
)
def test_a_sector_that_does_not_name_the_redirect_uris_is_refused(world, document, status):
    uri = world.documents.serve("bad", document, status)
    assert refused(world.register(sector_identifier_uri=uri)) == (400, "invalid_client_metadata")


@rfc("7591", "2")
def test_an_app_authenticates_by_the_keys_at_its_address_and_they_are_fetched_once(world):
    app, key, _ = keyed(world)
    for _ in range(3):
        assert by_key(world, app, key).status_code == 400
    assert len(world.documents.asked) == 1


def test_a_new_key_is_followed_once_and_an_unknown_one_storms_nobody(world):
    app, key, name = keyed(world)
    assert by_key(world, app, key).json["error"] == "invalid_scope"
    world.later(seconds=1)
    new = Key("k2")
    world.documents.serve(name, {"keys": [new.public]})
    assert by_key(world, app, new).json["error"] == "invalid_scope"
    assert len(world.documents.asked) == 2
    for _ in range(20):
        assert by_key(world, app, Key("nobody's")).json["error"] == "invalid_client"
    assert len(world.documents.asked) <= 6
    # a key that is gone verifies nothing any more
    assert by_key(world, app, key).json["error"] == "invalid_client"


def test_keys_serve_for_a_while_when_their_address_does_not_answer(world):
    app, key, name = keyed(world)
    by_key(world, app, key)
    world.documents.serve(name, {}, 503)
    world.later(hours=1)
    assert by_key(world, app, key).json["error"] == "invalid_scope"
    world.later(hours=24)
    assert by_key(world, app, key).json["error"] == "invalid_client"


@pytest.mark.parametrize(
    "document", [[], {"keys": "x"}, {"keys": []}, {"keys": [5, {"kty": "oct", "k": "AA"}]}], ids=str
)
def test_an_address_without_usable_keys_authenticates_nobody(world, document):
    app, key, name = keyed(world)
    world.documents.serve(name, document)
    assert refused(by_key(world, app, key)) == (401, "invalid_client")


def test_an_app_of_an_administrator_may_keep_its_keys_so_too(world):
    key = Key("k1")
    row, _ = world.app("Ledger", b2b={"jwksUri": world.documents.serve("ledger", {"keys": [key.public]})})
    assert by_key(world, {"client_id": row.app_id}, key).json["error"] == "invalid_scope"


def keyed(world):
    """(an app whose key is at an address of its own, the key, the document's name)."""
    key, name = Key("k1"), f"jwks-{uuid.uuid4()}"
    uri = world.documents.serve(name, {"keys": [key.public]})
    asked = {"token_endpoint_auth_method": "private_key_jwt", "jwks_uri": uri}
    return world.registered(grant_types=["client_credentials"], response_types=[], **asked), key, name


def by_key(world, app, key):
    """The answer to a call that authenticates, or does not; no API is named, so what was authenticated is told so."""
    form = {"grant_type": "client_credentials", "scope": "api://nobody/.default"}
    return world.token(**form, **key.assertion(app["client_id"], world.at))


# --- management -------------------------------------------------------------------------------------------------------


@rfc("7592", "2.1")
def test_an_app_reads_what_it_registered_without_its_secret(world):
    app = world.registered()
    without = {k: v for k, v in app.items() if not k.startswith("client_secret")}
    answer = world.manage(app)
    assert (answer.status_code, answer.json) == (200, without)
    assert answer.headers["Cache-Control"] == "no-store"


@rfc("7592", "2.2")
def test_an_update_takes_the_place_of_all_that_was_registered(world):
    app = world.registered(contacts=["admin@app.example"], default_max_age=60)
    other = "https://app.example/other"
    said = {"client_id": app["client_id"], "redirect_uris": [other], "client_name": "New", "contacts": None}
    answer = world.manage(app, "PUT", said)
    assert answer.status_code == 200, answer.text
    assert (answer.json["redirect_uris"], answer.json["client_name"]) == ([other], "New")
    assert {"contacts", "default_max_age", "client_secret"}.isdisjoint(answer.json)
    assert world.manage(app).json == answer.json
    row = world.row(app)
    assert answered(world.authorize(row, redirect_uri=other), other)["code"]


def test_what_administrators_gave_it_survives_an_update(world):
    app = world.registered()
    path = f"/applications/{world.row(app).id}"
    world.done("PATCH", path, {"identifierUris": ["api://orders"], "groupMembershipClaims": "All", "tags": ["seen"]})
    world.manage(app, "PUT", {"client_id": app["client_id"], "redirect_uris": [CALLBACK]})
    shown = world.done("GET", path)
    assert (shown["identifierUris"], shown["groupMembershipClaims"], shown["tags"]) == (
        ["api://orders"],
        "All",
        ["seen"],
    )


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ({"client_id": str(uuid.uuid4())}, "invalid_client_metadata"),
        ({"client_id": None}, "invalid_client_metadata"),
        ({"client_secret": client_secret("r" * 43)}, "invalid_client_metadata"),
        ({"client_secret": 5}, "invalid_client_metadata"),
        ({"registration_access_token": "x"}, "invalid_client_metadata"),
        ({"client_id_issued_at": 5}, "invalid_client_metadata"),
        ({"redirect_uris": ["x:y"]}, "invalid_redirect_uri"),
        ({"id_token_signed_response_alg": "none"}, "invalid_client_metadata"),
    ],
    ids=str,
)
@rfc("7592", "2.2")
def test_an_update_that_says_what_is_not_its_to_say_changes_nothing(world, change, error):
    app = world.registered()
    said = {"client_id": app["client_id"], "redirect_uris": [CALLBACK]} | change
    assert refused(world.manage(app, "PUT", said)) == (400, error)
    assert world.manage(app).json["client_name"] == "Orders"


def test_a_secret_is_renewed_by_an_update_in_its_last_month_and_the_old_one_is_good_to_its_end(world):
    app = world.registered(grant_types=["client_credentials"], response_types=[], redirect_uris=[])
    said = {"client_id": app["client_id"], "grant_types": ["client_credentials"], "client_secret": app["client_secret"]}
    assert "client_secret" not in world.manage(app, "PUT", said).json
    world.later(days=701)
    new = world.manage(app, "PUT", said).json["client_secret"]
    for secret in (app["client_secret"], new):
        form = {"grant_type": "client_credentials", "scope": "api://nobody/.default"}
        assert world.token(world.row(app), secret, **form).json["error"] == "invalid_scope"


def test_an_app_that_has_keys_now_has_no_secret_any_more(world):
    app, key = world.registered(), Key("k1")
    said = {"token_endpoint_auth_method": "private_key_jwt", "jwks": {"keys": [key.public]}}
    world.manage(app, "PUT", {"client_id": app["client_id"], "redirect_uris": [CALLBACK]} | said)
    row = world.row(app)
    assert refused(world.exchange(world.code(row), row, app["client_secret"])) == (401, "invalid_client")


@rfc("7592", "2.3")
def test_a_deleted_app_is_gone_with_its_tokens(world):
    app = world.registered(grant_types=["authorization_code", "refresh_token"])
    row, secret = world.row(app), app["client_secret"]
    tokens = world.exchange(world.code(row), row, secret).json
    assert world.userinfo(tokens["access_token"]).status_code == 200
    assert world.manage(app, "DELETE").status_code == 204
    assert world.userinfo(tokens["access_token"]).status_code == 401
    assert refused(world.refresh(tokens["refresh_token"], row, secret)) == (401, "invalid_client")
    assert world.manage(app).status_code == 401
    assert world.ask(lambda r: r.grants.consented(world.user.id, app["client_id"])) == frozenset()


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE"])
@rfc("7592", "2")
def test_a_wrong_token_is_a_401_and_does_nothing(world, method):
    mine, other = (world.registered() for _ in range(2))
    for token in (other["registration_access_token"], world.initial_token()[1], mine["client_secret"], "x"):
        answer = world.manage(mine, method, {"client_id": mine["client_id"]}, token=token)
        assert refused(answer) == (401, "invalid_token")
        assert "WWW-Authenticate" in answer.headers
    assert world.manage(mine).status_code == 200


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE"])
def test_n_132_a_disabled_app_changes_nothing_of_itself(world, method):
    app = world.registered()
    world.configure(world.row(app), "service_principal", accountEnabled=False)
    assert refused(world.manage(app, method, {"client_id": app["client_id"]})) == (401, "invalid_token")


def test_an_app_of_an_administrator_has_no_such_token(world):
    app = {"registration_client_uri": f"{ISSUER}/register/{world.crm.app_id}"}
    token = world.vault.handle("registration", world.crm.id)
    assert refused(world.manage(app, token=token)) == (401, "invalid_token")


def test_another_method_is_a_405_in_the_protocols_shape(world):
    app = world.registered()
    assert world.manage(app, "PATCH", {}).status_code == 405
