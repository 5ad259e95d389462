"""Applications: the secret is told once, the administrator holds every permission."""

from __future__ import annotations

import uuid

import pytest
from guests_world import moment

from b2b_idp.guests.apps import (
    MAX_SECRETS,
    add_password,
    create_admin_app,
    create_app,
    graph_service_principal,
)
from b2b_idp.guests.permissions import PERMISSIONS, role_id
from b2b_idp.keys.vault import is_client_secret
from b2b_idp.model.problem import Problem
from b2b_idp.store.apps import app_of


def test_the_database_keeps_a_keyed_hash_of_the_secret(directory):
    with directory.store.write() as w:
        row = create_app(w, {"displayName": "CRM"}, moment())
        secret, text = add_password(w, row, directory.vault, moment())
        (kept,) = w.apps.secrets(row.id)
    assert is_client_secret(text) and kept == secret
    assert kept.secret_hash == directory.vault.digest("client-secret", text)
    assert text not in str(kept)


def test_a_secret_ends_after_it_starts(directory):
    with pytest.raises(Problem), directory.store.write() as w:
        row = create_app(w, {"displayName": "CRM"}, moment())
        add_password(w, row, directory.vault, moment(), ends_at=moment(hours=-1).at)


def test_secrets_do_not_pile_up(directory):
    with pytest.raises(Problem), directory.store.write() as w:
        row = create_app(w, {"displayName": "CRM"}, moment())
        for _ in range(MAX_SECRETS + 1):
            add_password(w, row, directory.vault, moment())


def test_the_first_administrator_holds_every_application_permission(directory):
    with directory.store.write() as w:
        row, _ = create_admin_app(w, directory.vault, moment())
        graph = graph_service_principal(w, moment())
        held = set(w.apps.role_ids(graph.sp_id, [row.sp_id]))
    roles = {r.id: r.value for r in app_of(graph).roles}
    assert {roles[id] for id in held} == set(PERMISSIONS)


def test_there_is_one_graph_in_a_tenant(directory):
    with directory.store.write() as w:
        assert graph_service_principal(w, moment()).id == graph_service_principal(w, moment()).id


@pytest.mark.parametrize("permission", PERMISSIONS)
def test_a_permission_has_an_id(permission):
    assert str(uuid.UUID(role_id(permission))) == role_id(permission)
