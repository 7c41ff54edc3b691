"""`manage.py storage_migrate`: a thousand objects to S3 and back, killed on the way; none twice or lost."""

from __future__ import annotations

import hashlib
import json
import signal
import sqlite3
import subprocess
import sys
import time
import uuid
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from tests.support.live import ROOT, clean_environment
from tests.support.processes import spawn
from tests.support.s3 import S3Server
from tests.support.waiting import wait_until

ROWS, OBJECTS = 250, 1000
LARGE = 70 * 2**20  # one that goes in parts
FILL = """
import json, random, uuid
from pathlib import Path
from django.conf import settings
from accounts.models import User
from translator.models import Generator, Translation
from translator.storage import translation_key, generator_key
dice = random.Random(5)
alice = User.objects.create_user("alice")
generator = Generator(name="negative", version=1, title="Negative", direction="map2sat", size_bytes=1)
generator.file = generator_key(generator.pk, "generator", "onnx")
generator.sha256 = "0" * 64  # not what will be stored: the file is damaged
generator.save()
rows = []
for number in range({rows}):
    row = Translation(owner=alice, generator=generator, width=1, height=1, source_format="PNG",
                      source_bytes=1, seed=1, state="succeeded")
    row.original = translation_key(row.pk, "original", "png")
    row.original_thumbnail = translation_key(row.pk, "thumbnail", "webp")
    row.result = translation_key(row.pk, "result", "png", attempt=1)
    row.result_thumbnail = translation_key(row.pk, "result-thumbnail", "webp", attempt=1)
    rows.append(row)
Translation.objects.bulk_create(rows)
keys = [key for row in rows for key in row.storage_keys][:-1] + [generator.file]
for number, key in enumerate(keys):
    path = Path(settings.MEDIA_ROOT) / key
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(dice.randbytes({large} if number == 500 else dice.choice([0, 10, 2_000, 30_000])))
(Path(settings.MEDIA_ROOT) / "translations" / "left.tmp").write_bytes(b"left")
print("\\n" + json.dumps({{"lost": rows[-1].result_thumbnail, "damaged": generator.file}}))
"""


class Site:
    """A site's variables, files and database, without its processes."""

    def __init__(self, folder: Path, s3: S3Server) -> None:
        self.bucket = f"migrate-{uuid.uuid4().hex[:8]}"
        s3.make_bucket(self.bucket)
        self.s3, self.var = s3, folder / "var"
        variables = s3.environment(self.bucket) | {
            "MAPGAN_STORAGE": "local",
            "MAPGAN_S3_PREFIX": "sites/maps",
            "MAPGAN_VAR_DIR": str(self.var),
        }
        self.environment = clean_environment(**variables)
        self.manage("migrate", "-v", "0")
        filled = self.manage("shell", "-v", "0", "-c", FILL.format(rows=ROWS, large=LARGE))
        self.facts: dict[str, str] = json.loads(filled.splitlines()[-1])

    def command(self, *arguments: str) -> list[str]:
        return [sys.executable, str(ROOT / "manage.py"), *arguments]

    def manage(self, *arguments: str, code: int = 0, **variables: str) -> str:
        result = subprocess.run(
            self.command(*arguments),
            env=self.environment | variables,
            capture_output=True,
            text=True,
            timeout=250,
            cwd=ROOT,
        )
        assert result.returncode == code, result.stdout + result.stderr
        return result.stdout + (result.stderr if code else "")

    def move(self, source: str, target: str, *more: str, code: int = 0) -> dict[str, Any]:
        said = self.manage("storage_migrate", "--from", source, "--to", target, "--json", *more, code=code)
        return dict(json.loads(said.splitlines()[0]))

    def killed(self, source: str, target: str, wanted: Any) -> None:
        """Begin to move, and SIGKILL it as soon as `wanted` says so."""
        process = spawn(
            self.command("storage_migrate", "--from", source, "--to", target),
            env=self.environment,
            stdout=subprocess.DEVNULL,
            cwd=ROOT,
        )
        try:
            wait_until(wanted, seconds=120, what="some objects to arrive", every=0.01)
            assert process.poll() is None, "it was through before it was killed: this run shows nothing"
        finally:
            process.send_signal(signal.SIGKILL)
            process.wait()

    def stored(self) -> dict[str, tuple[str, datetime]]:
        """Key -> ETag and time of everything in the bucket."""
        pages = self.s3.client().get_paginator("list_objects_v2").paginate(Bucket=self.bucket)
        entries = (entry for page in pages for entry in page.get("Contents", ()))
        return {entry["Key"]: (entry["ETag"], entry["LastModified"]) for entry in entries}

    def settled(self) -> dict[str, tuple[str, datetime]]:
        """The same once nothing comes any more: the server still stores what a killed process had sent.

        S3 counts in seconds: what is written again after the pause would have a later time.
        """
        before = self.stored()
        while True:
            time.sleep(1.1)
            now = self.stored()
            if now == before:
                return now
            before = now

    def files(self) -> dict[str, str]:
        """Key -> SHA-256 of every local file."""
        media = self.var / "media"
        return {
            path.relative_to(media).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
            for path in media.rglob("*")
            if path.is_file()
        }


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory, s3_server: S3Server) -> Site:
    return Site(tmp_path_factory.mktemp("site"), s3_server)


@pytest.mark.timeout(600)
def test_a_thousand_objects_there_and_back(site: Site) -> None:
    before = site.files()
    assert len(before) == OBJECTS + 1
    said = site.manage("storage_migrate", "--from", "local", "--to", "s3", "--dry-run")
    assert f"{OBJECTS + 1:,} objects are named by rows." in said
    assert f"{OBJECTS:,} would be copied" in said
    assert site.stored() == {}

    # --- There, killed twice
    for share in (0.2, 0.6):
        site.killed("local", "s3", lambda share=share: len(site.stored()) > OBJECTS * share)
    arrived = site.settled()
    assert OBJECTS * 0.6 < len(arrived) < OBJECTS
    report = site.move("local", "s3", code=1)
    assert report["copied"] + report["already_there"] == OBJECTS
    assert report["missing"] == [site.facts["lost"]]
    assert report["damaged"] == [site.facts["damaged"]]
    assert report["unreferenced"] == ["translations/left.tmp"]
    stored = site.stored()
    names = {key for key in stored if not key.startswith("sites/maps/incoming/")}
    assert names == {f"sites/maps/{key}" for key in before} - {"sites/maps/translations/left.tmp"}
    again = {key for key, value in arrived.items() if key in stored and stored[key] != value}
    assert again == set(), "stored twice"
    on_their_way = [key for key in arrived if key.startswith("sites/maps/incoming/")]
    assert report["copied"] >= OBJECTS - (len(arrived) - len(on_their_way))
    again = site.move("local", "s3", code=1)
    assert (again["copied"], again["already_there"]) == (0, OBJECTS)

    # --- Away here, as after the switch
    said = site.manage("storage_migrate", "--from", "local", "--to", "s3", "--remove-source", code=1)
    assert "MAPGAN_STORAGE=local" in said
    assert site.files() == before
    for path in (site.var / "media").rglob("*"):
        if path.is_file() and path.name != "left.tmp":
            path.unlink()

    # --- And back, killed twice
    site.environment["MAPGAN_STORAGE"] = "s3"
    media = site.var / "media"
    for share in (0.2, 0.6):
        files = lambda: sum(path.is_file() for path in media.rglob("*"))  # noqa: E731
        site.killed("s3", "local", lambda share=share, files=files: files() > OBJECTS * share)
    times = {path: path.stat().st_mtime_ns for path in media.rglob("*") if path.is_file()}
    report = site.move("s3", "local", code=1)
    assert report["copied"] + report["already_there"] == OBJECTS
    assert 0 < report["copied"] < OBJECTS * 0.5
    assert site.files() == before
    assert {path.stat().st_mtime_ns == when for path, when in times.items() if path.exists()} == {True}
    assert not list(media.rglob("*.part"))


def test_what_comes_and_goes_meanwhile(site: Site) -> None:
    """After the thousand: one more is stored, one is deleted; the next run sees both."""
    site.environment["MAPGAN_STORAGE"] = "local"
    code = (
        "import json\nfrom translator.models import Translation\nfrom storage.objects import save, remove\n"
        "first, second = Translation.objects.order_by('pk')[:2]\n"
        "gone = first.storage_keys; first.delete(); remove(gone)\n"
        "second.result = second.result.replace('-result-', '-result-2'); second.save()\n"
        "save(second.result, b'new')\n"
        "print(json.dumps({'gone': gone, 'new': second.result}))"
    )
    facts = json.loads(site.manage("shell", "-v", "0", "-c", code).splitlines()[-1])
    report = site.move("local", "s3", code=1)
    assert report["copied"] == 1
    assert report["gone_meanwhile"] == len(facts["gone"]) + 1  # and the old result
    stored = site.stored()
    assert f"sites/maps/{facts['new']}" in stored
    assert not {f"sites/maps/{key}" for key in facts["gone"]} & set(stored)


def test_another_database_takes_nothing_away(site: Site) -> None:
    stored = site.stored()
    with sqlite3.connect(site.var / "db.sqlite3") as database:
        database.execute("DELETE FROM translator_translation")
    report = site.move("local", "s3")
    assert report["gone_meanwhile"] == 0
    assert site.stored() == stored


def test_two_at_a_time_are_refused_and_errors_name_the_setting(site: Site) -> None:
    move = ("storage_migrate", "--from", "local", "--to", "s3")
    said = site.manage(*move, code=1, MAPGAN_S3_BUCKET="")
    assert "MAPGAN_S3_BUCKET" in said
    said = site.manage(*move, code=1, MAPGAN_S3_SECRET_ACCESS_KEY="wrong")
    assert "MAPGAN_S3_SECRET_ACCESS_KEY does not belong" in said
    assert "Traceback" not in said
    journal = next(site.var.glob("storage-migrate-local-s3-*.jsonl"))
    import fcntl

    with journal.open() as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        assert "Another storage_migrate" in site.manage(*move, code=1)
