"""What runs on Amazon's machines, as far as it runs here: the watcher of spot notices, and the secrets."""

from __future__ import annotations

import json
import os
import re
import subprocess
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from typing import Any

import pytest
import yaml

from mapgan_site import addresses
from tests.support.live import ROOT
from tests.support.processes import spawn
from tests.support.waiting import wait_until

EC2 = ROOT / "deploy" / "ec2"


class Template(yaml.SafeLoader):
    """Amazon's tags become what they hold: ``!Ref X`` is "X"."""


def _plain(loader: Template, _: str, node: yaml.Node) -> Any:
    if isinstance(node, yaml.MappingNode):
        return loader.construct_mapping(node, deep=True)
    if isinstance(node, yaml.SequenceNode):
        return loader.construct_sequence(node, deep=True)
    return loader.construct_scalar(node)  # type: ignore[arg-type]


Template.add_multi_constructor("!", _plain)
STACK: dict[str, Any] = yaml.load((ROOT / "deploy" / "cloudformation.yml").read_text(), Template)  # noqa: S506
RESOURCES: dict[str, dict[str, Any]] = STACK["Resources"]


class Metadata:
    """A metadata service that speaks version 2: a token first, and a notice when there is one."""

    def __init__(self) -> None:
        """It listens; nobody's time has come."""
        self.notice: bytes | None = None
        self.asked = 0
        metadata = self

        class Handler(BaseHTTPRequestHandler):
            def do_PUT(self) -> None:
                self.answer(200, b"a-token" if self.path == "/latest/api/token" else b"")

            def do_GET(self) -> None:
                metadata.asked += 1
                known = self.headers["X-aws-ec2-metadata-token"] == "a-token"
                there = self.path == "/latest/meta-data/spot/instance-action" and metadata.notice
                self.answer(401 if not known else 200 if there else 404, metadata.notice or b"")

            def answer(self, status: int, body: bytes) -> None:
                self.send_response(status)
                self.end_headers()
                self.wfile.write(body if status == 200 else b"")

            def log_message(self, *_: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.thread = threading.Thread(target=self.server.serve_forever)
        self.thread.start()

    def close(self) -> None:
        """Stop listening."""
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()


@pytest.fixture
def metadata() -> Iterator[Metadata]:
    """One for a test."""
    service = Metadata()
    yield service
    service.close()


def test_a_spot_notice_stops_the_machine_and_nothing_else_does(metadata: Metadata, tmp_path: Path) -> None:
    stopped = tmp_path / "stopped"
    environment = os.environ | {
        "METADATA_URL": f"http://127.0.0.1:{metadata.server.server_port}",
        "STOP_COMMAND": f"touch {stopped}",
        "WATCH_SECONDS": "0.1",
        "no_proxy": "127.0.0.1",
    }
    process = spawn(["sh", str(EC2 / "spot-watch")], env=environment, stdout=subprocess.PIPE)
    try:
        wait_until(lambda: metadata.asked > 3, seconds=30, what="the watcher to ask")
        assert not stopped.exists()
        assert process.poll() is None
        metadata.notice = b'{"action": "terminate", "time": "2026-01-01T00:00:00Z"}'
        output, _ = process.communicate(timeout=30)
    finally:
        process.kill()
        process.wait()
    assert process.returncode == 0
    assert stopped.exists()
    assert b'"terminate"' in output


def contents(**hosts: str) -> dict[str, str]:
    """What `deploy/ec2/secrets.py` writes."""
    spec = spec_from_file_location("ec2_secrets", EC2 / "secrets.py")
    assert spec
    assert spec.loader
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    made: dict[str, str] = module.contents(
        secret_key="k" * 64,
        database=("pw1", hosts["database"]),
        broker=("pw2", hosts["broker"]),
        mail="console:",
    )
    return made


def test_addresses_on_amazon_are_ones_that_the_settings_take() -> None:
    files = contents(database="db.x.rds.amazonaws.com", broker="master.x.cache.amazonaws.com")
    database = addresses.database(files["database_url"])
    assert database["PASSWORD"] == "pw1"
    assert database["OPTIONS"]["sslmode"] == "require"
    url, _ = addresses.redis(files["redis_url"])
    assert url.startswith("rediss://:pw2@master.x.cache.amazonaws.com:6379/0")
    assert "ssl_cert_reqs=required" in url
    assert addresses.email(files["email_url"])


def test_containers_beside_us_are_reached_without_tls() -> None:
    files = contents(database="postgres", broker="redis")
    assert "sslmode" not in files["database_url"]
    assert files["redis_url"] == "redis://:pw2@redis:6379/0"
    assert files["redis.conf"] == "requirepass pw2"


def test_a_machine_on_amazon_has_every_file_that_compose_mounts() -> None:
    compose: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
    assert set(contents(database="d", broker="b")) == set(compose["secrets"])


def test_every_service_of_amazons_machines_logs_there() -> None:
    compose: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
    over: dict[str, Any] = yaml.safe_load((EC2 / "compose.yml").read_text())
    local = {"seaweedfs", "bucket"}  # Amazon's own S3 stands for them
    assert set(over["services"]) == set(compose["services"]) - local
    assert {each["logging"]["driver"] for each in over["services"].values()} == {"awslogs"}


def test_an_update_of_the_stack_replaces_no_machine_with_data() -> None:
    """An AMI that is looked up at every update is another one after a while."""
    image = RESOURCES["WebInstance"]["Properties"]["ImageId"]
    assert STACK["Parameters"][image]["Type"] == "AWS::EC2::Image::Id"
    assert "Default" not in STACK["Parameters"][image]
    rules = json.loads((ROOT / "deploy" / "stack-policy.json").read_text())["Statement"]
    (denied,) = [rule for rule in rules if rule["Effect"] == "Deny"]
    kept = {name.removeprefix("LogicalResourceId/") for name in denied["Resource"]}
    assert kept <= set(RESOURCES)
    retained = {
        name for name, each in RESOURCES.items() if each.get("DeletionPolicy") in ("Retain", "Snapshot")
    }
    assert kept == retained | {"WebInstance"}


def test_no_machine_that_works_is_ended() -> None:
    """A group grows by one while something waits, and shrinks only when nothing waits and nothing runs."""
    more, none = (RESOURCES[name]["Properties"] for name in ("GpuMore", "GpuNone"))
    assert more["AdjustmentType"] == "ChangeInCapacity"
    assert all(step["ScalingAdjustment"] > 0 for step in more["StepAdjustments"])
    assert RESOURCES["TrainingWaits"]["Properties"]["MetricName"] == "Waiting"
    assert RESOURCES["TrainingWaits"]["Properties"]["AlarmActions"] == ["GpuMore"]
    assert [step["ScalingAdjustment"] for step in none["StepAdjustments"]] == [0]
    alarm = RESOURCES["NothingToTrain"]["Properties"]
    assert (alarm["MetricName"], alarm["Threshold"], alarm["AlarmActions"]) == ("Backlog", 0, ["GpuNone"])


def test_backups_can_be_fetched_and_are_missed() -> None:
    policy = RESOURCES["WebRole"]["Properties"]["Policies"][0]["PolicyDocument"]["Statement"]
    actions = {action for rule in policy for action in [*rule["Action"]] if isinstance(rule["Action"], list)}
    actions |= {rule["Action"] for rule in policy if isinstance(rule["Action"], str)}
    assert {"s3:GetObject", "s3:PutObject", "s3:ListBucket"} <= actions
    alarm = RESOURCES["BackupsStopped"]["Properties"]
    assert alarm["TreatMissingData"] == "breaching", "silence is what is wrong"
    assert f"'MetricName': '{alarm['MetricName']}'" in (EC2 / "backup").read_text()


@pytest.mark.parametrize(("found", "status"), [({"web": 1, "worker": 0}, 0), ({"web": 0, "worker": 3}, 1)])
def test_a_deployment_that_found_no_site_failed(found: dict[str, int], status: int, tmp_path: Path) -> None:
    """The workflow's own script, with an `aws` that finds so many machines of each role."""
    workflow = yaml.safe_load((ROOT / ".github" / "workflows" / "deploy.yml").read_text())
    script = workflow["jobs"]["deploy"]["steps"][-1]["run"]
    aws = tmp_path / "aws"
    aws.write_text(
        f"""#!/bin/sh
echo "$@" >>{tmp_path}/asked
case "$*" in
*send-command*mapgan-role,Values=web*) echo web ;;
*send-command*) echo worker ;;
*"--command-id web"*) echo "Success {found["web"]}" ;;
*) echo "Success {found["worker"]}" ;;
esac
"""
    )
    aws.chmod(0o755)
    variables = {"STACK": "mapgan", "TAG": "v1.2.3", "GITHUB_STEP_SUMMARY": str(tmp_path / "summary")}
    path = f"{tmp_path}:{os.environ['PATH']}"
    quick = script.replace("sleep 10", "sleep 0")
    ran = subprocess.run(
        ["bash", "-e", "-c", quick], env=variables | {"PATH": path}, capture_output=True, text=True
    )
    assert ran.returncode == status, ran.stdout + ran.stderr
    assert "/opt/mapgan/deploy/ec2/update v1.2.3" in (tmp_path / "asked").read_text()


def test_a_candidate_reaches_no_machine_by_itself() -> None:
    workflow = yaml.safe_load((ROOT / ".github" / "workflows" / "release.yml").read_text())
    deploy = workflow["jobs"]["deploy"]
    assert deploy["if"] == "${{ !contains(github.ref_name, '-') }}"
    assert deploy["secrets"] == "inherit", "production's RELEASE_TOKEN"


def test_machines_are_told_what_their_scripts_read() -> None:
    told = {
        name: set(
            re.findall(r"^\s*([A-Z][A-Z0-9_]+)=", str(properties["UserData"]).replace("\\n", "\n"), re.M)
        )
        for name, properties in (
            ("web", RESOURCES["WebInstance"]["Properties"]),
            ("worker", RESOURCES["GpuTemplate"]["Properties"]["LaunchTemplateData"]),
        )
    }
    read = {
        path.name: set(re.findall(r"\$\{?([A-Z][A-Z0-9_]+)(?!:-)\b", path.read_text())) for path in scripts()
    }
    read["secrets.py"] = set(re.findall(r'"([A-Z][A-Z_]+)"', (EC2 / "secrets.py").read_text()))
    only_web = {"backup", "restore"}
    for name, variables in read.items():
        for machine in ("web",) if name in only_web else ("web", "worker"):
            assert variables <= told[machine], f"{name} on {machine}"


def scripts() -> list[Path]:
    """For a shell, without those whose variables all have defaults."""
    files = (path for path in EC2.iterdir() if path.is_file() and path.suffix == "")
    return [path for path in files if path.name not in ("spot-watch", "tag")]
