"""Find RabbitMQ and Redis on this machine, or unpack the distribution's packages beside the project.

Nothing is installed and no system service is touched: what is missing is downloaded with apt into
`<cache>/packages` and unpacked with dpkg into `<cache>/system`. Neither needs root.
"""

import fcntl
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from esb_standins.nodes.errors import NodesUnavailable

_WANTED = ("rabbitmq-server", "redis-server")
# The C library belongs to the machine: a second one beside it in the library path breaks every program.
_NEVER_UNPACKED = re.compile(r"^(libc6|libc-bin)_")
_OLDEST_RABBITMQ = (3, 10)
_OLDEST_REDIS = (7, 0)


@dataclass(frozen=True, slots=True)
class Binaries:
    """Where the servers are.

    Args:
        root: folder under which the packages are unpacked, or `/` when the system has them installed.
        rabbitmq_home: folder with `sbin` and `plugins`.
        erlang_root: Erlang's ROOTDIR.
        redis_server: the program.
    """

    root: Path
    rabbitmq_home: Path
    erlang_root: Path
    redis_server: Path

    @property
    def erlexec(self) -> Path:
        return _newest(self.erlang_root, "erts-*/bin/erlexec")

    def library_path(self) -> str:
        """Return the value of LD_LIBRARY_PATH; empty for installed servers, which need none."""
        if self.root == Path("/"):
            return ""
        found = sorted({str(library.parent) for library in self.root.glob("**/*.so*")})
        return os.pathsep.join(folder for folder in found if "/erlang/" not in folder)


def binaries(cache: Path) -> Binaries:
    """Return usable servers, fetching the packages when the machine has none installed.

    Args:
        cache: folder that keeps what was fetched; shared by all run directories of a checkout.

    Raises:
        NodesUnavailable: neither installed nor to be had, or too old.
    """
    installed = _search(Path("/"))
    if installed is not None:
        return _checked(installed)
    unpacked = cache / "system"
    with _alone(cache):
        if not (unpacked / ".complete").exists():
            fetch(cache)
    found = _search(unpacked)
    if found is None:
        raise NodesUnavailable(f"{unpacked}: the fetched packages hold no RabbitMQ or no Redis; delete the folder")
    return _checked(found)


@contextmanager
def _alone(cache: Path) -> Iterator[None]:
    """Let one process at a time fetch; the others wait and find the work done."""
    cache.mkdir(parents=True, exist_ok=True)
    with (cache / "packages.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _search(root: Path) -> Binaries | None:
    try:
        return Binaries(
            root=root,
            rabbitmq_home=_newest(root, "usr/lib/rabbitmq/lib/rabbitmq_server-*/sbin").parent,
            erlang_root=_newest(root, "usr/lib/erlang/erts-*/bin/erlexec").parents[2],
            redis_server=_newest(root, "usr/bin/redis-server"),
        )
    except FileNotFoundError:
        return None


def _newest(root: Path, pattern: str) -> Path:
    found = sorted(root.glob(pattern), key=lambda path: _numbers(str(path)))
    if not found:
        raise FileNotFoundError(f"{root}/{pattern}")
    return found[-1]


def _checked(found: Binaries) -> Binaries:
    rabbitmq = _numbers(found.rabbitmq_home.name)
    if rabbitmq < _OLDEST_RABBITMQ:
        raise NodesUnavailable(_too_old("RabbitMQ", rabbitmq, _OLDEST_RABBITMQ))
    redis = redis_version(found)
    if redis < _OLDEST_REDIS:
        raise NodesUnavailable(_too_old("Redis", redis, _OLDEST_REDIS))
    return found


def redis_version(found: Binaries) -> tuple[int, ...]:
    environment = {"LD_LIBRARY_PATH": found.library_path()}
    answer = _run([str(found.redis_server), "--version"], environment)
    match = re.search(r"v=([0-9.]+)", answer)
    return _numbers(match[1]) if match else ()


def rabbitmq_version(found: Binaries) -> tuple[int, ...]:
    return _numbers(found.rabbitmq_home.name)


def _numbers(text: str) -> tuple[int, ...]:
    return tuple(int(number) for number in re.findall(r"\d+", text))


def _too_old(name: str, version: Sequence[int], oldest: Sequence[int]) -> str:
    has, needs = ".".join(map(str, version)), ".".join(map(str, oldest))
    return (
        f"{name} {has} of this system is too old, {needs} is needed: use a newer release of the distribution, "
        "or name running servers in ESB_AMQP_URL and ESB_REDIS_URL"
    )


def fetch(cache: Path) -> None:
    """Download the packages that are missing, with all they need, and unpack them into `<cache>/system`."""
    missing = [tool for tool in ("apt-get", "dpkg-deb") if shutil.which(tool) is None]
    if missing:
        raise NodesUnavailable(
            f"this system has no {missing[0]}, and RabbitMQ and Redis are not installed: "
            "name running servers in ESB_AMQP_URL and ESB_REDIS_URL"
        )
    sys.stderr.write(f"fetching RabbitMQ and Redis into {cache} (nothing is installed)\n")
    archives = _download(cache / "packages")
    _unpack(archives, cache / "system")
    shutil.rmtree(cache / "packages")


def _download(folder: Path) -> list[Path]:
    """Try with the package lists of the system; they may be absent or too old, then with lists of our own."""
    try:
        return _download_with(folder, lists=None)
    except subprocess.CalledProcessError:
        lists = folder / "lists"
        _apt_attempt(["update"], folder, lists)
        try:
            return _download_with(folder, lists)
        except subprocess.CalledProcessError as error:
            raise NodesUnavailable(_apt_words(error)) from error


def _apt_attempt(arguments: Sequence[str], folder: Path, lists: Path | None) -> None:
    try:
        _apt(arguments, folder, lists)
    except subprocess.CalledProcessError as error:
        raise NodesUnavailable(_apt_words(error)) from error


def _download_with(folder: Path, lists: Path | None) -> list[Path]:
    archives = folder / "archives"
    shutil.rmtree(archives, ignore_errors=True)
    (archives / "partial").mkdir(parents=True)
    arguments = ["install", "--yes", "--download-only", "--no-install-recommends", *_WANTED]
    _apt(arguments, folder, lists)
    return sorted(archives.glob("*.deb"))


def _apt(arguments: Sequence[str], folder: Path, lists: Path | None) -> None:
    options = {
        "Dir::Cache": str(folder),
        "Dir::Cache::archives": str(folder / "archives"),
        "Debug::NoLocking": "1",  # we write nothing that the system's own apt reads
        "APT::Sandbox::User": "",  # the user _apt cannot reach a folder inside a home directory
    }
    if lists is not None:
        (lists / "partial").mkdir(parents=True, exist_ok=True)
        options["Dir::State::lists"] = str(lists)
    flags = [flag for name, value in options.items() for flag in ("-o", f"{name}={value}")]
    _run(["apt-get", "-qq", *flags, *arguments], {"LC_ALL": "C", "DEBIAN_FRONTEND": "noninteractive"})


def _apt_words(error: subprocess.CalledProcessError) -> str:
    lines = [line for line in str(error.stderr).splitlines() if line.startswith("E:")]
    return f"apt cannot fetch RabbitMQ and Redis: {lines[0] if lines else error}"


def _unpack(archives: Sequence[Path], target: Path) -> None:
    """Unpack beside the target and rename, so that a crash leaves nothing half done in its place."""
    half_done = target.with_name(f"{target.name}.partial")
    shutil.rmtree(half_done, ignore_errors=True)
    for archive in archives:
        if not _NEVER_UNPACKED.match(archive.name):
            _run(["dpkg-deb", "--extract", str(archive), str(half_done)], {})
    names = "\n".join(archive.name for archive in archives)
    (half_done / ".complete").write_text(f"{names}\n", encoding="utf-8")
    shutil.rmtree(target, ignore_errors=True)
    half_done.rename(target)


def _run(command: Sequence[str], environment: Mapping[str, str]) -> str:
    done = subprocess.run(  # noqa: S603 - the command is built in this module
        command, env={**os.environ, **environment}, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=True
    )
    return done.stdout
