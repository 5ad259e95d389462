"""Key files: mode 0600 in a folder of mode 0700, written whole or not at all, refused when others could read them."""

from __future__ import annotations

import os
import secrets
import stat
from base64 import b64decode, b64encode
from contextlib import suppress
from pathlib import Path

from b2b_idp.model.problem import Code, Problem

MASTER = "master.key"


def _refuse(path: Path, say: str) -> Problem:
    return Problem(Code.BAD_SETTING, f"{path}: {say}")


def prepare(folder: Path) -> None:
    """Makes the key folder if it is not there. Raises Problem(BAD_SETTING) for one that others may write to."""
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        mode = folder.stat().st_mode
    except OSError as e:
        raise _refuse(folder, f"the key folder cannot be made: {e.strerror}") from None
    if mode & 0o022:
        raise _refuse(folder, f"others can write to it; run: chmod 700 {folder}")


def read(path: Path) -> bytes:
    """A key file's content. Raises Problem(BAD_SETTING) for a link, another owner's file, or one others can read."""
    try:
        # a pipe in its place must not make us wait for a writer
        handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError as e:
        why = "is a symbolic link; put the file itself there" if path.is_symlink() else e.strerror or str(e)
        raise _refuse(path, why) from None
    with os.fdopen(handle, "rb") as f:
        info = os.fstat(f.fileno())
        if not stat.S_ISREG(info.st_mode):
            raise _refuse(path, "is not a file.")
        if info.st_mode & 0o077:
            raise _refuse(path, f"others can read it; run: chmod 600 {path}")
        if info.st_uid != os.geteuid():
            raise _refuse(path, f"belongs to another user than the one that serves; run: chown {os.geteuid()} {path}")
        content = f.read()
    if not content:
        raise _refuse(path, "is empty; restore it from your backup.")
    return content


def write(path: Path, content: bytes, *, keep: bool = False) -> None:
    """Writes a key file durably: a crash leaves the old one or the new one. `keep` leaves one that is already there."""
    new = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        handle = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(handle, "wb") as f:
            f.write(content)
            f.flush()
            os.fsync(f.fileno())
        if keep:
            with suppress(FileExistsError):
                path.hardlink_to(new)
            new.unlink()
        else:
            new.replace(path)
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
    except OSError as e:
        new.unlink(missing_ok=True)
        raise _refuse(path, f"cannot be written: {e.strerror}") from None


def load_or_create_master(folder: Path) -> bytes:
    """The 256-bit master key of `folder`, made at first use; servers that start together get the same one."""
    prepare(folder)
    path = folder / MASTER
    if not path.exists() and not path.is_symlink():
        write(path, b64encode(secrets.token_bytes(32)) + b"\n", keep=True)
    try:
        key = b64decode(read(path).strip(), validate=True)
    except ValueError:
        key = b""
    if len(key) != 32:
        raise _refuse(path, "is truncated or no master key; restore it from your backup.")
    return key
