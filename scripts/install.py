"""Makes `.venv` and installs one of the locks into it: ``python3 scripts/install.py translate|train|dev``.

Needs Python 3.11, 3.12 or 3.13 with venv, and nothing else: for newer ones TensorFlow has no wheels yet.
What is installed already is known by the hash of its lock, so a second call returns at once. An old Python
can still read this file and say what is wrong.
"""

import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
PYTHON = VENV / "bin" / "python"
LOCKS = {  # each holds all of the ones before it, at the same versions
    "translate": "the site and its workers",
    "train": "TensorFlow for training",
    "dev": "everything the tests and linters need",
}
FITTING = ("python3.13", "python3.12", "python3.11")
OLDEST, NEWEST = (3, 11), (3, 13)
FITS = f"import sys; sys.exit(not {OLDEST} <= sys.version_info[:2] <= {NEWEST})"


def say(words: str) -> None:
    """One line, at once."""
    print("  " + words, flush=True)


def right_python() -> None:
    """Go on under a Python that the locks have packages for, or explain."""
    found = sys.version.split()[0]
    if OLDEST <= tuple(int(part) for part in found.split(".")[:2]) <= NEWEST:
        return
    for name in FITTING:
        path = shutil.which(name)
        if path:
            os.execv(path, [path, *sys.argv])  # noqa: S606 - the same script, another Python
    sys.exit(
        f"MapGAN needs Python 3.11, 3.12 or 3.13, and this is {found}. "
        "Try: make PYTHON=/path/to/python3.13 run"
    )


def make_venv() -> None:
    """Make `.venv`, or make it anew when its Python is gone or does not fit."""
    if PYTHON.exists() and subprocess.call([str(PYTHON), "-c", FITS], stderr=subprocess.DEVNULL) == 0:
        return
    say("Making .venv …")
    command = [sys.executable, "-m", "venv", "--clear", str(VENV)]
    result = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
    if result.returncode:
        shutil.rmtree(VENV, ignore_errors=True)
        sys.stdout.write(result.stdout.decode(errors="replace"))
        sys.exit("Python's venv does not work here. On Debian and Ubuntu: apt-get install python3-venv")


def stamp(name: str) -> Path:
    """The file that says which lock is installed."""
    return VENV / f".installed-{name}"


def fingerprint(name: str) -> str:
    """Changes with the lock, the installer, the project's metadata and the clone's place."""
    digest = hashlib.sha256(str(ROOT).encode())
    for file in (f"requirements/{name}.lock", "requirements/uv.lock", "scripts/install.py", "pyproject.toml"):
        digest.update((ROOT / file).read_bytes())
    return digest.hexdigest()


def installed(name: str) -> bool:
    """Whether this lock, or one that holds it, is installed as it is written now."""
    names = list(LOCKS)[list(LOCKS).index(name) :]
    return PYTHON.exists() and any(
        stamp(each).exists() and stamp(each).read_text() == fingerprint(each) for each in names
    )


def run_shown(command: "list[str]", environment: "dict[str, str]") -> None:
    """Run uv with its lines of progress, less the long list of what is installed now."""
    with subprocess.Popen(
        command, env=environment, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as process:
        for line in process.stdout or ():
            if not line.startswith((" + ", " - ", " ~ ")):
                say("  " + line.strip())
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, command)


def install(name: str) -> None:
    """uv by pip, the lock by uv, both by hash; then the project itself, editable, for its command."""
    environment = {**os.environ, "VIRTUAL_ENV": str(VENV), "PIP_DISABLE_PIP_VERSION_CHECK": "1"}
    if environment.get("PIP_INDEX_URL"):  # uv has names of its own for a mirror
        environment.setdefault("UV_DEFAULT_INDEX", environment["PIP_INDEX_URL"])
    say("Installing uv …")
    pip = [str(PYTHON), "-m", "pip", "install", "--quiet", "--require-hashes", "-r", "requirements/uv.lock"]
    subprocess.run(pip, env=environment, check=True, cwd=ROOT)
    uv = [str(VENV / "bin" / "uv"), "pip", "install"]
    say(f"Installing {LOCKS[name]} from requirements/{name}.lock (the first time takes minutes) …")
    locked = ["--require-hashes", "-r", f"requirements/{name}.lock"]
    # bytecode now and on every core, instead of by five processes that start at once
    compiled = ["--compile-bytecode"] if name == "translate" else []
    run_shown([*uv, *locked, *compiled], environment)
    own = ["--quiet", "--offline", "--no-deps", "--editable", "."]  # uv has the build backend inside
    subprocess.run([*uv, *own], env=environment, check=True, cwd=ROOT)
    stamp(name).write_text(fingerprint(name))


def main() -> None:
    """Bring `.venv` to the state that the lock describes."""
    if len(sys.argv) != 2 or sys.argv[1] not in LOCKS:
        sys.exit(f"usage: install.py {'|'.join(LOCKS)}")
    right_python()
    import fcntl

    with (ROOT / ".venv.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # two makes in one clone wait for each other
        if not installed(sys.argv[1]):
            make_venv()
            try:
                install(sys.argv[1])
            except subprocess.CalledProcessError as error:
                sys.exit(f"Installing failed (status {error.returncode}); the reason is above.")


if __name__ == "__main__":
    main()
