"""Key files: made private, written whole, refused when others could have read or put them there (N-166)."""

from __future__ import annotations

import os
import stat
from concurrent.futures import ThreadPoolExecutor

import pytest

from b2b_idp.keys import files
from b2b_idp.keys.files import MASTER, load_or_create_master
from b2b_idp.model.problem import Code, Problem


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "keys"


def refusal(folder):
    with pytest.raises(Problem) as refused:
        load_or_create_master(folder)
    assert refused.value.code is Code.BAD_SETTING
    return refused.value.say


def test_the_master_key_is_made_once_and_found_again(folder):
    made = load_or_create_master(folder)
    assert len(made) == 32
    assert load_or_create_master(folder) == made


def test_folder_and_file_are_for_the_owner_only(folder):
    load_or_create_master(folder)
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert stat.S_IMODE((folder / MASTER).stat().st_mode) == 0o600


def test_servers_that_start_together_get_the_same_master_key(folder):
    folder.mkdir(mode=0o700)
    with ThreadPoolExecutor(8) as pool:
        assert len(set(pool.map(load_or_create_master, [folder] * 8))) == 1


def test_nothing_but_the_key_is_left_in_the_folder(folder):
    load_or_create_master(folder)
    assert [p.name for p in folder.iterdir()] == [MASTER]


@pytest.mark.parametrize("mode", [0o604, 0o640, 0o660, 0o666])
def test_n_166_a_key_that_others_can_read_is_refused_with_the_command_that_helps(folder, mode):
    load_or_create_master(folder)
    (folder / MASTER).chmod(mode)
    assert f"chmod 600 {folder / MASTER}" in refusal(folder)


@pytest.mark.parametrize("mode", [0o720, 0o702, 0o777])
def test_n_166_a_folder_that_others_can_write_to_is_refused(folder, mode):
    load_or_create_master(folder)
    folder.chmod(mode)
    assert f"chmod 700 {folder}" in refusal(folder)


@pytest.mark.parametrize("content", [b"", b"AAAA\n", b"not base64 at all!\n", b"A" * 44])
def test_n_166_an_empty_or_truncated_key_is_refused_and_left_as_it_is(folder, content):
    load_or_create_master(folder)
    (folder / MASTER).write_bytes(content)
    assert "backup" in refusal(folder)
    assert (folder / MASTER).read_bytes() == content


def test_n_166_a_symbolic_link_is_refused(folder, tmp_path):
    load_or_create_master(folder)
    (folder / MASTER).rename(tmp_path / "elsewhere")
    (folder / MASTER).symlink_to(tmp_path / "elsewhere")
    assert "symbolic link" in refusal(folder)


def test_n_166_a_link_to_nothing_is_refused_not_followed(folder, tmp_path):
    folder.mkdir(mode=0o700)
    (folder / MASTER).symlink_to(tmp_path / "nothing")
    assert "symbolic link" in refusal(folder)
    assert not (tmp_path / "nothing").exists()


def test_n_166_a_pipe_in_the_place_of_a_key_is_refused_without_waiting(folder):
    folder.mkdir(mode=0o700)
    os.mkfifo(folder / MASTER, 0o600)
    assert "is not a file" in refusal(folder)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file away")
def test_n_166_another_users_key_is_refused(folder):
    load_or_create_master(folder)
    os.chown(folder / MASTER, 12345, -1)
    assert f"chown {os.geteuid()} {folder / MASTER}" in refusal(folder)


def test_writing_replaces_a_key_whole(folder):
    folder.mkdir(mode=0o700)
    files.write(folder / "k", b"old")
    files.write(folder / "k", b"new")
    assert files.read(folder / "k") == b"new"
    assert [p.name for p in folder.iterdir()] == ["k"]
