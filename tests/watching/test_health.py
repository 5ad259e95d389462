"""`/metrics` names the partners: it is told to who may know, and tells how the instance stands."""

from __future__ import annotations

import pytest
from flask import Flask

from b2b_idp import B2BIdp
from b2b_idp.model.problem import Problem
from b2b_idp.testing import Kit
from b2b_idp.testing.wsgi import exchange

TOKEN = "a-token-of-twenty-or-more"


def asked(kit: Kit, headers: dict[str, str]) -> int:
    return exchange(kit.flask, "GET", f"{kit.issuer}/metrics", headers)[0]


def test_without_a_token_this_machine_itself_may_read_metrics(b2b_idp: Kit) -> None:
    assert asked(b2b_idp, {}) == 200
    assert asked(b2b_idp, {"Host": "localhost:8000"}) == 200


@pytest.mark.parametrize(
    "headers",
    [
        {"X-Forwarded-For": "192.0.2.1"},
        {"Forwarded": "for=192.0.2.1"},
        {"Via": "1.1 front"},
        {"X-Real-IP": "127.0.0.1"},
        {"Host": "idp.example.org"},
        {"Host": "["},
        {"Authorization": "Bearer guessed"},
    ],
    ids=str,
)
def test_who_comes_through_a_proxy_or_by_the_public_name_may_not(b2b_idp: Kit, headers: dict[str, str]) -> None:
    expected = 200 if "Authorization" in headers else 404
    assert asked(b2b_idp, headers) == expected


def test_another_machine_may_not(b2b_idp: Kit) -> None:
    answer = b2b_idp.flask.test_client().get("/idp/metrics", environ_base={"REMOTE_ADDR": "192.0.2.1"})
    assert answer.status_code == 404
    assert "b2b_idp_" not in answer.text


def test_with_a_token_only_its_bearer_may_from_anywhere() -> None:
    host = Flask("host")
    B2BIdp(host, issuer="https://host.example/idp", metrics_token=TOKEN)
    client = host.test_client()
    away = {"REMOTE_ADDR": "192.0.2.1"}
    for sent, status in ((f"Bearer {TOKEN}", 200), (f"bearer {TOKEN}", 200), (f"Bearer {TOKEN}x", 404), (TOKEN, 404)):
        answer = client.get("/idp/metrics", headers={"Authorization": sent}, environ_base=away)
        assert answer.status_code == status, sent
    assert client.get("/idp/metrics").status_code == 404


@pytest.mark.parametrize("token", ["short", "with blanks in between the words", "ünüblich-für-ein-zeichen-hier"])
def test_a_token_that_could_be_guessed_or_not_be_sent_is_refused(token: str) -> None:
    with pytest.raises(Problem, match="METRICS_TOKEN"):
        B2BIdp(issuer="https://host.example/idp", metrics_token=token)


def test_the_token_is_in_no_representation_of_the_settings() -> None:
    assert TOKEN not in repr(B2BIdp(issuer="https://host.example/idp", metrics_token=TOKEN).settings)


def test_how_the_instance_stands_is_looked_up_when_it_is_asked(b2b_idp: Kit) -> None:
    invited = {"invitedUserEmailAddress": "ada@fabrikam.example", "inviteRedirectUrl": "https://app.example/"}
    b2b_idp.graph("POST", "/invitations", invited | {"sendInvitationMessage": True})
    text = exchange(b2b_idp.flask, "GET", f"{b2b_idp.issuer}/metrics", {})[2].decode()
    told = dict(line.rsplit(" ", 1) for line in text.splitlines() if not line.startswith("#"))
    assert told["b2b_idp_ready"] == "1.0"
    assert told["b2b_idp_outbox_waiting"] == "1.0"
    assert 0 <= float(told["b2b_idp_outbox_oldest_seconds"]) < 60
    assert 0 <= float(told['b2b_idp_signing_key_age_seconds{alg="ES256"}']) < 3600
    assert float(told['b2b_idp_request_seconds_count{endpoint="/v1.0/invitations",status="2xx"}']) == 1
    assert float(told["b2b_idp_database_connections"]) == 0


def test_metrics_are_told_while_the_database_is_gone(tmp_path) -> None:
    host = Flask("host")
    B2BIdp(
        host,
        issuer="https://host.example/idp",
        database_url=f"sqlite:///{tmp_path / 'none.sqlite3'}",
        keys_dir=str(tmp_path / "keys"),
    )
    text = host.test_client().get("/idp/metrics").text
    assert "b2b_idp_ready 0.0" in text
    assert "b2b_idp_outbox_waiting 0.0" not in text


def test_a_host_that_answers_in_our_stead_is_not_disturbed() -> None:
    host = Flask("host")
    host.before_request(lambda: ("closed today", 503))
    B2BIdp(host, issuer="https://host.example/idp")
    answer = host.test_client().get("/idp/jwks")
    assert (answer.status_code, answer.text) == (503, "closed today")


def test_routes_without_end_are_one_endpoint(b2b_idp: Kit) -> None:
    for path in ("/a", "/b/c", "/v1.0/nonsense", "/v1.0/more/nonsense", "/beta/x"):
        exchange(b2b_idp.flask, "GET", b2b_idp.issuer + path, {})
    text = exchange(b2b_idp.flask, "GET", f"{b2b_idp.issuer}/metrics", {})[2].decode()
    assert 'b2b_idp_request_seconds_count{endpoint="unknown",status="4xx"} 5.0' in text
