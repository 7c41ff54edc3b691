"""What a laptop gets by itself: the secret key, and sockets where their paths fit."""

from __future__ import annotations

import socket
import stat
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from django.core.exceptions import ImproperlyConfigured

from mapgan_site import local
from tests.support.live import ROOT


def test_secret_key_is_made_once_with_mode_600(tmp_path: Path) -> None:
    path = tmp_path / "var" / "secret_key"
    key = local.secret_key(path)
    assert len(key) >= 50
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert local.secret_key(path) == key


def test_processes_that_start_together_get_one_key(tmp_path: Path) -> None:
    code = f"from mapgan_site.local import *; print(secret_key(Path({str(tmp_path / 'key')!r})))"

    def start(_: int) -> str:
        command = [sys.executable, "-c", code]
        return subprocess.run(command, capture_output=True, text=True, check=True, cwd=ROOT).stdout.strip()

    with ThreadPoolExecutor(6) as pool:
        keys = set(pool.map(start, range(6)))
    assert len(keys) == 1
    assert len(keys.pop()) >= 50


def test_a_broken_key_file_is_said(tmp_path: Path) -> None:
    (tmp_path / "key").write_text("short")
    with pytest.raises(ImproperlyConfigured, match="delete it"):
        local.secret_key(tmp_path / "key")


def test_socket_beside_the_data_when_the_path_is_short(tmp_path: Path) -> None:
    assert local.socket_path(Path("/srv/mapgan/var"), "broker.sock") == Path("/srv/mapgan/var/broker.sock")


def test_long_paths_get_a_short_private_folder(tmp_path: Path) -> None:
    one, other = tmp_path / ("long" * 30), tmp_path / ("wide" * 30)
    path = local.socket_path(one, "broker.sock")
    try:
        assert len(str(path)) <= local.SOCKET_PATH_LIMIT
        assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
        assert local.socket_path(one, "broker.sock") == path
        assert local.socket_path(other, "broker.sock").parent != path.parent
    finally:
        path.parent.rmdir()
        local.socket_path(other, "broker.sock").parent.rmdir()


def test_a_folder_that_others_may_write_to_is_refused(tmp_path: Path) -> None:
    folder = tmp_path / "open"
    folder.mkdir()
    folder.chmod(0o777)
    with pytest.raises(ImproperlyConfigured, match="belongs to you alone"):
        local.private_folder(folder)
    link = tmp_path / "link"
    link.symlink_to(tmp_path)
    with pytest.raises(ImproperlyConfigured, match="belongs to you alone"):
        local.private_folder(link)


def test_allowed_hosts() -> None:
    assert "localhost" in local.allowed_hosts("127.0.0.1")
    assert "192.0.2.7" in local.allowed_hosts("192.0.2.7")
    assert "*" not in local.allowed_hosts("192.0.2.7")
    assert "[2001:db8::7]" in local.allowed_hosts("2001:db8::7")
    assert local.allowed_hosts("::1") == local.allowed_hosts("127.0.0.1")


@pytest.mark.parametrize("everywhere", ["0.0.0.0", "::"])
def test_listening_everywhere_answers_to_this_machine_alone(everywhere: str) -> None:
    hosts = local.allowed_hosts(everywhere)
    assert {"localhost", "127.0.0.1", "[::1]", socket.gethostname().lower()} <= set(hosts)
    assert not [host for host in hosts if "*" in host or host.startswith(".")]
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))
        except OSError:
            return  # a machine without a network
        assert probe.getsockname()[0] in hosts
