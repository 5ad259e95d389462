"""Makes id_token_vectors.json: `python -m tests.homes.vectors`. Each vector is an id_token, the key set and the
algorithms that its home publishes, and whether it is to be believed. The keys that signed are thrown away."""

from __future__ import annotations

from pathlib import Path

from tests.homes.vectors import claims, headers, keys, signatures, texts
from tests.homes.vectors.table import ACCESS_TOKEN, CLIENT, EVERY, ISSUER, NONCE, NOW, Table

FILE = Path(__file__).parent.parent / "id_token_vectors.json"
PARTS = (
    claims.controls,
    headers.algorithms,
    headers.hmacs,
    headers.headers,
    headers.key_injection,
    texts.encodings,
    texts.json_texts,
    signatures.ecdsa,
    signatures.eddsa,
    signatures.rsa_signatures,
    keys.rsa_keys,
    keys.other_keys,
    claims.issuers,
    claims.audiences,
    claims.times,
    claims.subjects,
    claims.types,
)


def made():
    """The whole table, with new keys."""
    table = Table()
    for part in PARTS:
        part(table)
    usual = {"at": NOW, "issuer": ISSUER, "client_id": CLIENT, "nonce": NONCE, "access_token": ACCESS_TOKEN}
    return usual | {"algorithms": EVERY, "key_sets": table.sets, "vectors": table.vectors}
