"""`.env.example`, the settings, the documents and the deployment files speak of the same variables."""

from __future__ import annotations

import ast
import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import yaml

from tests.support.live import ROOT, clean_environment

OUTSIDE_SETTINGS = {
    "MAPGAN_ENV_FILE",
    "COMPOSE_PROFILES",
}  # where settings are read from; read by docker compose
# Variables of others that we read. Whatever else a process reads is ours and belongs into .env.example.
OF_OTHERS = {
    "DJANGO_SETTINGS_MODULE",
    "KERAS_BACKEND",
    "LD_PRELOAD",
    "OMP_NUM_THREADS",
    "PIP_INDEX_URL",
    "TF_ENABLE_ONEDNN_OPTS",
    "XDG_CACHE_HOME",
    "XLA_FLAGS",
    "XLA_PYTHON_CLIENT_PREALLOCATE",
}
PRODUCT = {path.parent.name for path in ROOT.glob("*/__init__.py")} - {"benchmarks", "tests"} | {"scripts"}
# An example that is not the default: there is none, or it depends on the machine.
EXAMPLES = {"MAPGAN_ALLOWED_HOSTS"}
ASSIGNMENT = re.compile(r"^#?(?P<name>[A-Z][A-Z0-9_]*)=(?P<value>.*)$")
NAME = re.compile(r"(?<![A-Za-z0-9_])MAPGAN_[A-Z0-9_]*[A-Z0-9_]")


def written() -> list[tuple[str, str]]:
    """Every ``NAME=value`` line of .env.example."""
    lines = (ROOT / ".env.example").read_text().splitlines()
    return [(match["name"], match["value"]) for match in map(ASSIGNMENT.match, lines) if match]


def interpolated() -> set[str]:
    """What ``docker compose`` itself takes from .env: ``${NAME}`` in its files."""
    files = ("docker-compose.yml", "deploy/ec2/compose.yml")
    text = "".join((ROOT / name).read_text() for name in files)
    return set(re.findall(r"(?<!\$)\$\{([A-Z][A-Z0-9_]*)", text))


def tracked(*suffixes: str) -> Iterator[Path]:
    """Files under version control, and new ones, that end so."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, capture_output=True, text=True, check=True, cwd=ROOT).stdout
    for name in listed.splitlines():
        if name.endswith(suffixes) and (ROOT / name).is_file():
            yield ROOT / name


def test_each_variable_is_written_once() -> None:
    names = [name for name, _ in written()]
    assert sorted(names) == sorted(set(names))


def test_every_variable_that_is_read_is_written_and_none_is_stale() -> None:
    from mapgan_site import settings

    names = {name for name, _ in written()}
    known = settings.env.names | OUTSIDE_SETTINGS | interpolated()
    assert settings.env.names - names == set(), "read, but not in .env.example"
    assert interpolated() - names == set(), "used by docker-compose.yml, but not in .env.example"
    assert names - known == set(), "in .env.example, but read by nobody"


def test_the_defaults_that_are_written_are_the_defaults(tmp_path: Path) -> None:
    """A process with every default of .env.example set sees the settings of one with none set."""
    code = (
        "import json\nfrom mapgan_site import settings\n"
        "print(json.dumps({n: repr(v) for n, v in vars(settings).items() if n.isupper()}))"
    )
    defaults = {n: v for n, v in written() if v and n not in EXAMPLES | OUTSIDE_SETTINGS | interpolated()}
    seen = []
    for variables in (defaults, {}):
        environment = clean_environment(**variables) | {
            "MAPGAN_VAR_DIR": str(tmp_path / "var"),
            "PYTHONHASHSEED": "0",  # sets are shown in one order
        }
        for name in ("MAPGAN_WORK_DIR", "MAPGAN_TENSORBOARD_DIR"):
            if name in variables:
                environment[name] = str(tmp_path / variables[name])
        result = subprocess.run(
            [sys.executable, "-c", code],
            env=environment,
            capture_output=True,
            text=True,
            cwd=ROOT,
            timeout=60,
        )
        assert result.returncode == 0, result.stderr
        seen.append(json.loads(result.stdout))
    different = {
        name: (seen[0].get(name), value) for name, value in seen[1].items() if seen[0].get(name) != value
    }
    assert different == {}


def names_read(tree: ast.AST) -> Iterator[str]:
    """Names that a module takes from ``os.environ`` itself."""
    for node in ast.walk(tree):
        key: ast.expr | None = None
        if isinstance(node, ast.Subscript) and ast.unparse(node.value) == "os.environ":
            key = node.slice if isinstance(node.ctx, ast.Load) else None
        elif isinstance(node, ast.Call) and node.args:
            called = ast.unparse(node.func)
            if called in ("os.environ.get", "os.environ.pop", "os.environ.setdefault", "os.getenv"):
                key = node.args[0]
        if isinstance(key, ast.Constant) and isinstance(key.value, str):
            yield key.value


def test_nothing_reads_a_variable_behind_the_settings() -> None:
    names = {name for name, _ in written()}
    for path in tracked(".py"):
        if path.relative_to(ROOT).parts[0] in PRODUCT:
            found = set(names_read(ast.parse(path.read_text())))
            assert found <= names | OF_OTHERS, path


def test_the_proxy_is_told_every_variable_that_its_file_names() -> None:
    named = set(re.findall(r"\{\$([A-Z_]+)", (ROOT / "deploy" / "Caddyfile").read_text()))
    compose = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
    assert named == set(compose["services"]["caddy"]["environment"])


def test_whoever_names_a_variable_names_one_that_exists() -> None:
    """A document or a script that tells people to set ``MAPGAN_SOMETHING`` must not outlive it."""
    names = {name for name, _ in written()}
    looked = []
    for path in tracked(""):
        if path.relative_to(ROOT).parts[0] == "tests":
            continue
        content = path.read_bytes()
        if b"\0" in content:
            continue
        looked.append(path.name)
        for name in set(NAME.findall(content.decode())):
            # "the MAPGAN_S3_ variables" speaks of all that begin so
            exists = name in names or (name.endswith("_") and any(each.startswith(name) for each in names))
            assert exists, f"{path.relative_to(ROOT)} names {name}, which nobody reads"
    assert {"make-secrets", "start", "Caddyfile", "settings.py", "cloudformation.yml"} <= set(looked)
