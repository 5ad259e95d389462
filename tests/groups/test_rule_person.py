"""A directory user as rules see one: the rules' own names, and nothing of a wrong type."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from b2b_idp.groups.person import person_of
from b2b_idp.model.directory import User

EXTENSION = "extension_" + "0A" * 16 + "_Level"


def attributes(**properties: Any) -> dict[str, Any]:
    user = User(
        id="u1", user_type="Guest", upn="u1@x.example", mail=None, created_at=datetime.now(UTC), properties=properties
    )
    found = dict(person_of(user).attributes)
    for own in ("objectid", "usertype", "userprincipalname", "accountenabled"):
        found.pop(own)
    return found


def test_a_persons_own_values_are_there() -> None:
    user = User(id="u1", user_type="Guest", upn="u@x", mail="a@x", account_enabled=False, created_at=datetime.now(UTC))
    person = person_of(user, ["g1"], "m1")
    assert person.attributes == {
        "objectid": "u1",
        "usertype": "Guest",
        "userprincipalname": "u@x",
        "mail": "a@x",
        "accountenabled": False,
    }
    assert (person.id, person.group_ids, person.manager_id) == ("u1", {"g1"}, "m1")


@pytest.mark.parametrize(
    ("properties", "seen"),
    [
        ({"officeLocation": "7"}, {"physicaldeliveryofficename": "7"}),
        ({"mobilePhone": "7"}, {"mobile": "7"}),
        ({"faxNumber": "7"}, {"facsimiletelephonenumber": "7"}),
        ({"businessPhones": ["7", "8"]}, {"telephonenumber": "7"}),
        ({"businessPhones": []}, {}),
        ({"mailNickname": "a"}, {"mailnickname": "a"}),
        ({"onPremisesSyncEnabled": True}, {"dirsyncenabled": True}),
        ({"onPremisesExtensionAttributes": {"extensionAttribute3": "x"}}, {"extensionattribute3": "x"}),
        ({"extensionAttribute3": "x"}, {"extensionattribute3": "x"}),
        ({EXTENSION: 5}, {EXTENSION.casefold(): "5"}),
        ({EXTENSION: True}, {EXTENSION.casefold(): "true"}),
        ({"otherMails": ["a@x", 5]}, {"othermails": ("a@x",)}),
        ({"assignedPlans": [{"servicePlanId": "p", "n": 1}]}, {"assignedplans": ({"serviceplanid": "p"},)}),
        ({"employeeHireDate": "2020-01-01T00:00:00Z"}, {"employeehiredate": datetime(2020, 1, 1, tzinfo=UTC)}),
        ({"employeeHireDate": "2020-01-01"}, {"employeehiredate": datetime(2020, 1, 1, tzinfo=UTC)}),
        ({"employeeHireDate": "2020-01-01T02:00:00+02:00"}, {"employeehiredate": datetime(2020, 1, 1, tzinfo=UTC)}),
        ({"employeeHireDate": "soon"}, {}),
        ({"employeeHireDate": "0001-01-01T00:00:00+05:00"}, {}),
        ({EXTENSION: 10**5000}, {}),
        ({"department": None, "city": 5, "country": ["DE"]}, {}),
        ({"otherMails": "a@x", "assignedPlans": {}, "dirSyncEnabled": "true"}, {}),
        ({"createdDateTime": "2020-01-01", "externalUserState": "Accepted", "extension_x_y": "1"}, {}),
        ({"mail": "other@x", "objectId": "u2", "userType": "Member"}, {}),
    ],
)
def test_properties_have_the_rules_names_and_types(properties: dict[str, Any], seen: dict[str, Any]) -> None:
    assert attributes(**properties) == seen
