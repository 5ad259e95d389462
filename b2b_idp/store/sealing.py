"""What the store needs to keep a secret that must be used again; `keys.Vault` is one."""

from __future__ import annotations

from typing import Protocol


class Sealer(Protocol):
    def seal(self, plain: bytes, context: str) -> bytes: ...

    def open(self, sealed: bytes, context: str) -> bytes: ...

    def digest(self, use: str, text: str) -> bytes: ...
