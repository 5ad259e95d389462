"""Whether an id_token is believed, token by token: the table that vectors/ makes, with right ones beside the wrong."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from functools import cache

from b2b_idp.homes.oidc.id_token import verify
from b2b_idp.homes.oidc.keys import parse_jwks
from b2b_idp.homes.oidc.metadata import parse_metadata
from b2b_idp.model.home import Home
from b2b_idp.model.problem import Code, Problem
from tests.homes import vectors

TABLE = json.loads(vectors.FILE.read_text(encoding="utf-8"))
AT = datetime.fromtimestamp(TABLE["at"], UTC)
HOME = Home(tenant_id="t", issuer=TABLE["issuer"], display_name="", client_id=TABLE["client_id"], well_known="")
REFUSALS = (Code.HOME_ANSWER_REFUSED, Code.HOME_MISCONFIGURED)


class Published:
    """A key set that is the same whenever it is looked at."""

    def __init__(self, keys):
        self._keys = keys

    def get(self, at):
        return self._keys

    def renewed(self, looked_at, at):
        return self._keys


@cache
def metadata(algorithms):
    document = {name: f"{HOME.issuer}/{name}" for name in ("authorization_endpoint", "token_endpoint", "jwks_uri")}
    document |= {"issuer": HOME.issuer, "id_token_signing_alg_values_supported": algorithms}
    return parse_metadata(json.dumps(document).encode(), HOME.issuer, lambda url: None)


def subject_of(vector):
    """Who the token is about, None where it is not believed."""
    try:
        keys = parse_jwks(json.dumps({"keys": TABLE["key_sets"][vector["keys"]]}).encode())
        return verify(
            vector["token"],
            home=HOME,
            metadata=metadata(tuple(vector.get("algorithms", TABLE["algorithms"]))),
            keys=Published(keys),
            nonce=TABLE["nonce"],
            access_token=TABLE["access_token"],
            at=AT,
        ).subject
    except Problem as problem:
        assert problem.code in REFUSALS
        return None


def names(table):
    return [f"{v['about']}: {v['says']}, {'right' if v['valid'] else 'wrong'}" for v in table["vectors"]]


def test_right_tokens_are_believed_and_wrong_ones_are_not():
    taken = [subject_of(vector) is not None for vector in TABLE["vectors"]]
    as_it_should = [vector["valid"] for vector in TABLE["vectors"]]
    assert [n for n, one, other in zip(names(TABLE), taken, as_it_should, strict=True) if one is not other] == []


def test_the_table_is_the_one_that_its_script_makes_and_each_of_its_vectors_is_another():
    assert names(TABLE) == names(vectors.made()), "run `python -m tests.homes.vectors`"
    assert len(set(names(TABLE))) == len(names(TABLE)) >= 150
