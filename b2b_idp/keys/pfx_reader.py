"""Run as a program of its own: opens a PKCS #12 file, for which its maker decides how long that takes.

Standard input: the password's length in two bytes, the password in UTF-8, the file. Standard output: the private key
(PKCS #8 in DER) in base64, a space, the certificate (DER) in base64; or one word of why not.
"""

from __future__ import annotations

import contextlib
import sys
from base64 import b64encode

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, pkcs12

SECONDS = 2
"""Of the processor."""
SMALLEST, LARGEST = 2048, 4096


def main() -> str:
    with contextlib.suppress(ImportError):  # Windows has no such limits; the caller's patience ends there, too
        import resource

        resource.setrlimit(resource.RLIMIT_CPU, (SECONDS, SECONDS))
    given = sys.stdin.buffer.read()
    end = 2 + int.from_bytes(given[:2])
    try:
        private, certificate, _ = pkcs12.load_key_and_certificates(given[end:], given[2:end])
    except (ValueError, TypeError, UnsupportedAlgorithm):
        return "unreadable"
    if not isinstance(private, rsa.RSAPrivateKey) or certificate is None:
        return "incomplete"
    if not SMALLEST <= private.key_size <= LARGEST:
        return "size"
    if certificate.public_key() != private.public_key():
        return "unfit"
    key = private.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
    return f"{b64encode(key).decode()} {b64encode(certificate.public_bytes(Encoding.DER)).decode()}"


if __name__ == "__main__":
    sys.stdout.write(main())
