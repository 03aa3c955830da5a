"""Packages of the distribution, unpacked beside the project: nothing is installed, and no rights are needed."""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from esb_standins.nodes.errors import NodesUnavailable
from esb_standins.nodes.release import options

# The C library belongs to the machine: a second one beside it in the library path breaks every program.
_C_LIBRARY = re.compile(r"^(libc6|libc-bin)_")


def fetch(names: Sequence[str], target: Path, release: str | None = None) -> None:
    """Download packages with everything they need that is not installed, and unpack them into `target`.

    Args:
        release: another Debian release than the machine's; its packages come with all they need, C library included.

    Raises:
        NodesUnavailable: no apt, no network, or no such package.
    """
    missing = [tool for tool in ("apt-get", "dpkg-deb") if shutil.which(tool) is None]
    if missing:
        raise NodesUnavailable(f"this system has no {missing[0]}")
    sys.stderr.write(f"fetching {' and '.join(names)} into {target} (nothing is installed)\n")
    folder = target.with_name(f"{target.name}.packages")
    try:
        if release is None:
            _unpack([file for file in _download(names, folder) if not _C_LIBRARY.match(file.name)], target)
        else:
            _unpack(_download_of(release, names, folder), target)
    except subprocess.CalledProcessError as error:
        raise NodesUnavailable(f"{' and '.join(names)} cannot be fetched: {_words(error)}") from error
    shutil.rmtree(folder)


def is_complete(target: Path) -> bool:
    return (target / ".complete").exists()


def _download(names: Sequence[str], folder: Path) -> list[Path]:
    """Try with the package lists of the system; they may be absent or too old, then with lists of our own."""
    try:
        return _download_with(names, folder, {})
    except subprocess.CalledProcessError:
        return _download_with(names, folder, _fresh_lists(folder, {}))


def _download_of(release: str, names: Sequence[str], folder: Path) -> list[Path]:
    return _download_with(names, folder, _fresh_lists(folder, options(release, folder)))


def _fresh_lists(folder: Path, settings: Mapping[str, str]) -> dict[str, str]:
    """Fetch package lists of our own; return the options that make apt use them."""
    lists = folder / "lists"
    (lists / "partial").mkdir(parents=True, exist_ok=True)
    own = {**settings, "Dir::State::lists": str(lists)}
    _apt(["update"], folder, own)
    return own


def _download_with(names: Sequence[str], folder: Path, lists: Mapping[str, str]) -> list[Path]:
    archives = folder / "archives"
    shutil.rmtree(archives, ignore_errors=True)
    (archives / "partial").mkdir(parents=True)
    _apt(["install", "--yes", "--download-only", "--no-install-recommends", *names], folder, lists)
    return sorted(archives.glob("*.deb"))


def _apt(arguments: Sequence[str], folder: Path, settings: Mapping[str, str]) -> None:
    own = {
        "Dir::Cache": str(folder),
        "Dir::Cache::archives": str(folder / "archives"),
        "Debug::NoLocking": "1",  # we write nothing that the system's own apt reads
        "APT::Sandbox::User": "",  # the user _apt cannot reach a folder inside a home directory
    }
    flags = [flag for name, value in {**own, **settings}.items() for flag in ("-o", f"{name}={value}")]
    run(["apt-get", "-qq", *flags, *arguments], {"LC_ALL": "C", "DEBIAN_FRONTEND": "noninteractive"})


def _words(error: subprocess.CalledProcessError) -> str:
    lines = [line for line in str(error.stderr).splitlines() if line.startswith(("E:", "dpkg-deb: error"))]
    return lines[0] if lines else str(error)


def _unpack(archives: Sequence[Path], target: Path) -> None:
    """Unpack beside the target and rename, so that a crash leaves nothing half done in its place."""
    half_done = target.with_name(f"{target.name}.partial")
    shutil.rmtree(half_done, ignore_errors=True)
    half_done.mkdir()
    for archive in archives:
        run(["dpkg-deb", "--extract", str(archive), str(half_done)], {})
    names = "\n".join(archive.name for archive in archives)
    (half_done / ".complete").write_text(f"{names}\n", encoding="utf-8")
    shutil.rmtree(target, ignore_errors=True)
    half_done.rename(target)


def run(command: Sequence[str], environment: Mapping[str, str]) -> str:
    """Run a short command and return what it says. Raises CalledProcessError."""
    done = subprocess.run(  # noqa: S603 - the commands are built in this package
        command, env={**os.environ, **environment}, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=True
    )
    return done.stdout
