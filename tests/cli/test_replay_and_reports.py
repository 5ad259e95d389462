"""`whatif --policy`, `report` and `audit evidence` over an instance whose log has sign-ins of a kit."""

from __future__ import annotations

import json
import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path

import jwt
import pytest
from click.testing import CliRunner
from cryptography.hazmat.primitives.asymmetric import ec

from b2b_idp.cli import main
from b2b_idp.cli.instance import open_instance
from b2b_idp.guests.homes import connect
from b2b_idp.homes.oidc import SignedStatement
from b2b_idp.homes.oidc.keys import HomeKey
from b2b_idp.model.evidence import Evidence, HomeStatement, LocalFactor, LocalMethod
from b2b_idp.policy.decide import History
from b2b_idp.policy.recorded import Recorded, to_text
from b2b_idp.policy.requirement import AccessRequest
from b2b_idp.store.logs import SigninFacts

MFA = {
    "displayName": "MFA for all",
    "state": "enabled",
    "conditions": {"users": {"includeUsers": ["All"]}, "applications": {"includeApplications": ["All"]}},
    "grantControls": {"operator": "OR", "builtInControls": ["mfa"]},
}
APP = "11111111-1111-1111-1111-111111111111"


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    data = tmp_path_factory.mktemp("instance") / "data"
    CliRunner().invoke(main, ["init", "--data", str(data), "--issuer", "http://127.0.0.1:8000"], catch_exceptions=False)
    return data


class Instance:
    def __init__(self, data: Path):
        self.data = data
        self.idp = open_instance(data)
        with self.idp.store.write() as w:
            self.home = connect(
                w,
                issuer="https://idp.fabrikam.example",
                name="Fabrikam",
                client_id="b2b",
                client_secret="s",
                domains=["fabrikam.example"],
                profile="rfc8176",
                trust_mfa=False,
                moment=self.idp.moment(),
            )
        self.number = 0

    def signed_in(self, *amr, here=False, days=1, user="ada", replay=True, outcome="allowed"):
        self.number += 1
        began = datetime.now(UTC) - timedelta(days=days)
        at = began + timedelta(seconds=20)
        said = HomeStatement(self.home, "", user, amr, None, int(began.timestamp()), began + timedelta(seconds=5))
        recorded = Recorded(
            ask=AccessRequest(
                user_id=user, home_tenant_id=self.home, home_subject=user, app_id=APP, at=at, began=began
            ),
            evidence=Evidence((said,), (LocalFactor(LocalMethod.TOTP, at),) if here else ()),
            history=History(local_methods=frozenset({LocalMethod.TOTP})),
            local_only=False,
            outcome=outcome,
        )
        id = f"00000000-0000-0000-0000-{self.number:012d}"
        document = {"id": id, "userId": user, "appId": APP, "userPrincipalName": f"{user}@fabrikam.example"}
        facts = SigninFacts(
            home_tenant_id=self.home,
            outcome=outcome,
            asked_home=False,
            home_mfa="mfa" in amr,
            local_mfa=here,
            replay=to_text(recorded) if replay else None,
        )
        with self.idp.store.write() as w:
            w.logs.add_signin(document | {"appDisplayName": "CRM"}, at, facts)
        return id

    def run(self, *arguments, code=0):
        result = CliRunner().invoke(main, [*map(str, arguments), "--data", str(self.data)])
        assert result.exit_code == code, result.output
        return result

    def json(self, *arguments, **more):
        return json.loads(self.run(*arguments, "--json", **more).stdout.splitlines()[-1])

    def file(self, content):
        file = self.data.parent / "policy.json"
        file.write_text(content if isinstance(content, str) else json.dumps(content))
        return file

    def replayed(self, content, *more):
        return self.json("whatif", "--policy", self.file(content), *more)


@pytest.fixture
def instance(made, tmp_path):
    data = tmp_path / "data"
    shutil.copytree(made, data)
    return Instance(data)


def changed(answer):
    return {effect: n["signIns"] for effect, n in answer["changed"].items() if n["signIns"]}


# --- what a file may be ---


@pytest.mark.parametrize("shape", [lambda p: p, lambda p: [p], lambda p: {"value": [p], "@odata.context": "x"}])
def test_a_policy_a_list_or_an_answer_of_the_api(instance, shape):
    instance.signed_in("pwd")
    assert changed(instance.replayed(shape(MFA))) == {"askedMore": 1}


def test_a_policy_takes_the_place_of_the_one_with_its_name(instance):
    instance.signed_in("pwd", here=True)
    instance.run("policy", "import", instance.file({"version": 1, "conditionalAccess": [MFA]}))
    assert changed(instance.replayed(MFA)) == {}
    off = instance.replayed(MFA | {"state": "disabled"})
    assert changed(off) == {"askedLess": 1}
    assert off["byPolicy"][0]["displayName"] == "MFA for all"


def test_a_configuration_file_brings_its_trust(instance):
    instance.signed_in("pwd", "mfa", here=True)
    instance.run("policy", "import", instance.file({"version": 1, "conditionalAccess": [MFA]}))
    partner = {"home": "https://idp.fabrikam.example", "inboundTrust": {"isMfaAccepted": True}}
    answer = instance.replayed({"version": 1, "partners": [partner]})
    assert changed(answer) == {"askedLess": 1}
    assert answer["byPartner"] == [{"tenantId": instance.home, "displayName": "Fabrikam", "askedLess": 1}]
    with instance.idp.store.read() as r:
        assert not r.configuration.trusts[instance.home].mfa_accepted, "nothing was changed"


def test_the_exported_configuration_changes_nothing(instance):
    instance.signed_in("pwd")
    exported = instance.run("policy", "export").stdout
    assert changed(instance.replayed(exported)) == {}


@pytest.mark.parametrize(
    ("content", "where"),
    [
        ("", "The file"),
        ("{", "The file"),
        ("7", "a list of 1 to"),
        ("[]", "a list of 1 to"),
        ('{"value": {}}', "a list of 1 to"),
        ("[7]", "Policy 1: is no object"),
        ('[{"displayName": "A"}]', 'Policy 1 ("A")'),
        ('{"a": 1, "a": 2}', "The file"),
        ("[" * 100 + "]" * 100, "The file"),
        ('{"version": 2}', "version is 1"),
        ('{"version": 1, "nonsense": []}', "nonsense"),
        (json.dumps([MFA | {"id": 7}]), "Policy 1"),
        (json.dumps([MFA, MFA | {"state": "on"}]), "Policy 2"),
        (json.dumps([MFA | {"id": "x"}, MFA | {"id": "X"}]), "Policy 2"),
        (json.dumps(MFA | {"surprise": 1}), "surprise"),
        (json.dumps(MFA | {"displayName": "\x1b[2J"}), "Policy 1"),
    ],
    ids=lambda v: None if v.startswith("Policy") else v[:24],
)
def test_a_bad_file_is_refused_with_where(instance, content, where):
    assert where in instance.run("whatif", "--policy", instance.file(content), code=2).output


def test_a_file_that_is_no_text_is_refused(instance):
    file = instance.data.parent / "policy.json"
    file.write_bytes(b"\xff\xfe\x00")
    assert "The file" in instance.run("whatif", "--policy", file, code=2).output


def test_a_file_that_is_not_there_is_refused(instance):
    instance.run("whatif", "--policy", instance.data / "nowhere.json", code=2)


# --- what it says ---


def test_examples_say_who_where_when_and_why(instance):
    instance.signed_in("pwd", user="ada")
    answer = instance.replayed(MFA)
    (example,) = answer["examples"]
    assert (example["userPrincipalName"], example["appDisplayName"]) == ("ada@fabrikam.example", "CRM")
    assert (example["before"]["outcome"], example["after"]["outcome"]) == ("allowed", "askHere")
    assert [r["code"] for r in example["after"]["reasons"]] == ["partner_not_trusted"]
    said = instance.run("whatif", "--policy", instance.file(MFA)).stdout
    assert "ada@fabrikam.example at CRM: allowed, not asked -> asked, a challenge here" in said
    assert "asked more: 1 sign-ins of 1 guests" in said


def test_guests_are_counted_once(instance):
    for user in ("ada", "ada", "bob"):
        instance.signed_in("pwd", user=user)
    answer = instance.replayed(MFA)
    assert (answer["signIns"], answer["guests"]) == (3, 2)
    assert answer["changed"]["askedMore"] == {"signIns": 3, "guests": 2}


def test_only_the_period_is_looked_at(instance):
    instance.signed_in("pwd", days=1)
    instance.signed_in("pwd", days=9)
    assert instance.replayed(MFA, "--last", "7d")["signIns"] == 1
    assert instance.replayed(MFA, "--last", "2w")["signIns"] == 2


def test_entries_from_before_recording_are_counted_not_guessed(instance):
    instance.signed_in("pwd", replay=False)
    answer = instance.replayed(MFA)
    assert (answer["signIns"], answer["notRecorded"]) == (0, 1)


def test_nothing_that_would_change(instance):
    instance.signed_in("pwd")
    said = instance.run("whatif", "--policy", instance.file(MFA | {"state": "disabled"})).stdout
    assert said.endswith("None of them would have gone otherwise.\n")


def test_progress_is_for_terminals_only(instance):
    instance.signed_in("pwd")
    assert instance.run("whatif", "--policy", instance.file(MFA), "--json").stderr == ""


@pytest.mark.parametrize("last", ["0d", "30", "-1d", "d", "1y", "999999d"])
def test_a_period_that_is_none_is_refused(instance, last):
    instance.run("whatif", "--policy", instance.file(MFA), "--last", last, code=2)


@pytest.mark.parametrize(
    "flags",
    [[], ["--guest", "ada"], ["--last", "3d", "--guest", "a", "--app", "b"]],
    ids=lambda f: " ".join(f) or "none",
)
def test_half_a_question_is_refused(instance, flags):
    instance.run("whatif", *flags, code=2)


def test_one_sign_in_or_those_of_a_period_not_both(instance):
    said = instance.run("whatif", "--policy", instance.file(MFA), "--guest", "ada", code=2).output
    assert "--guest is about one sign-in" in said


# --- reports and evidence ---


def test_the_report_of_mfa_done_twice(instance):
    instance.signed_in("pwd", "mfa", here=True)
    instance.run("policy", "import", instance.file({"version": 1, "conditionalAccess": [MFA]}))
    (row,) = instance.json("report", "double-mfa")["value"]
    assert (row["signIns"], row["challengesSparedByTrust"]) == (1, 1)
    said = instance.run("report", "double-mfa").stdout
    assert said.startswith("Fabrikam: 1 sign-ins of 1 guests; accepting the partner's MFA spares 1")
    assert instance.json("report", "double-mfa", "--last", "1h")["value"] == []


def test_the_report_of_dead_ends(instance):
    instance.signed_in("pwd", outcome="registration_needs_proof")
    said = instance.run("report", "dead-ends").stdout
    assert said.startswith("ada@fabrikam.example at CRM: registration_needs_proof, 1 times")
    assert "issue_access_pass" in said


def test_the_report_of_step_up_and_the_list_of_homes(instance):
    assert instance.run("report", "step-up").stdout == "Fabrikam: never asked for MFA\n"
    assert instance.run("homes", "list").stdout.rstrip().endswith("never asked for MFA")
    assert instance.json("homes", "list")["homes"][0]["stepUpSeen"]["asked"] == 0


def signed(claims, key, kid="k1"):
    token = jwt.encode(claims, key, "ES256", {"kid": kid})
    statement = SignedStatement.of(token, "ES256", HomeKey(kid, key.public_key(), frozenset({"ES256"})))
    return json.dumps([statement.to_json()]).encode()


@pytest.mark.parametrize(
    ("told", "altered", "code", "says"),
    [
        (["pwd", "mfa"], False, 0, "the signature holds; as the log says"),
        (["pwd"], False, 1, "the signature holds; NOT what the log says"),
        (["pwd", "mfa"], True, 1, "the signature DOES NOT HOLD"),
    ],
    ids=["true", "another log", "another key"],
)
def test_what_a_home_signed_is_verified_again(instance, told, altered, code, says):
    key, other = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
    claims = {"iss": "https://idp.fabrikam.example", "sub": "ada", "amr": ["pwd", "mfa"]}
    kept = signed(claims, key)
    if altered:
        kept = json.dumps([json.loads(kept)[0] | {"jwk": json.loads(signed(claims, other))[0]["jwk"]}]).encode()
    evidence = {"issuer": "https://idp.fabrikam.example", "amr": told, "acr": None, "authTime": None}
    with instance.idp.store.write() as w:
        document = {"id": "e1", "b2bIdp": {"homeEvidence": evidence}}
        w.logs.add_signin(document, datetime.now(UTC), SigninFacts(evidence=kept))
    assert says in instance.run("audit", "evidence", "e1", code=code).stdout
    (statement,) = instance.json("audit", "evidence", "e1", code=code)["statements"]
    assert len(statement["keyThumbprint"]) == 43
    assert statement["claims"] == ({} if altered else claims)


def test_evidence_that_is_not_there(instance):
    id = instance.signed_in("pwd")
    assert "signed nothing" in instance.run("audit", "evidence", id, code=1).output
    assert "No sign-in" in instance.run("audit", "evidence", "nonsense", code=1).output
