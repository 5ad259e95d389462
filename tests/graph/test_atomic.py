"""A change lands wholly or not at all, and only then is it believed."""

from __future__ import annotations

import pytest

from b2b_idp.guests.homes import add_home


def test_a_home_whose_transaction_failed_is_never_believed(api):
    with pytest.raises(RuntimeError), api.store.write() as w:
        tenant_id = add_home(w, api.provider(), api.moment())
        w.__dict__.pop("configuration", None)
        assert tenant_id in w.configuration.homes
        raise RuntimeError
    with api.store.write() as w:
        w.documents.touch()  # the version that the failed transaction would have had
    with api.store.read() as r:
        assert r.configuration.connected == []


def test_a_refused_change_leaves_the_configuration_as_it_was(api):
    with api.store.read() as r:
        before = r.configuration.version
    api.refused("POST", "/identity/identityProviders", api.provider(domains=["gmail.com"]))
    with api.store.read() as r:
        assert r.configuration.version == before
