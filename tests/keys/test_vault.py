"""Handles, digests and envelopes."""

from __future__ import annotations

import uuid

import pytest
from hypothesis import given
from hypothesis import strategies as st

from b2b_idp.keys.vault import Handle, Vault, client_secret, is_client_secret

VAULT = Vault(b"k" * 32)
ID = "3f0c0d7e-5b0d-4c55-9b0e-0d5a4ad0a001"


def test_a_handle_names_its_row_and_generation():
    assert VAULT.read_handle("refresh", VAULT.handle("refresh", ID, 7)) == Handle(ID, 7)


def test_a_handle_of_one_kind_is_no_handle_of_another():
    assert VAULT.read_handle("code", VAULT.handle("refresh", ID)) is None


def test_a_handle_of_another_vault_is_none():
    assert Vault(b"x" * 32).read_handle("code", VAULT.handle("code", ID)) is None


@given(st.integers(0, 59), st.sampled_from("ABab01-_=/+ \n"))
def test_n_060_a_handle_altered_in_one_character_opens_nothing(place, letter):
    good = VAULT.handle("ticket", ID)
    bad = good[:place] + letter + good[place + 1 :]
    assert (VAULT.read_handle("ticket", bad) is None) == (bad != good)


@given(st.text(max_size=80))
def test_garbage_is_refused_without_an_exception(text):
    assert VAULT.read_handle("code", text) is None


@given(st.uuids(), st.integers(0, 2**32 - 1))
def test_every_row_and_generation_has_a_handle(id: uuid.UUID, generation):
    assert VAULT.read_handle("k", VAULT.handle("k", str(id), generation)) == Handle(str(id), generation)


def test_an_envelope_opens_only_in_its_own_place():
    sealed = VAULT.seal(b"secret", "homes:1")
    assert VAULT.open(sealed, "homes:1") == b"secret"
    for wrong, context in ((sealed, "homes:2"), (sealed[:-1], "homes:1"), (b"", "homes:1")):
        with pytest.raises(ValueError, match="envelope"):
            VAULT.open(wrong, context)


def test_a_mistyped_client_secret_is_told_by_its_checksum():
    secret = client_secret("A" * 43)
    assert is_client_secret(secret)
    assert not is_client_secret(secret.replace("AAA", "AAB", 1))
    assert not is_client_secret("")
    assert not is_client_secret("b2bs_\udcff")
