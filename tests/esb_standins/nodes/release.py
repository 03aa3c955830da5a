"""Package lists of another Debian release than the machine's, derived from the machine's own settings.

The mirror and its keys stay those the machine trusts; only the name of the release changes.
"""

import re
from collections.abc import Iterator
from pathlib import Path

from esb_standins.nodes.errors import NodesUnavailable

_ETC = Path("/etc")


def options(release: str, folder: Path, etc: Path = _ETC) -> dict[str, str]:
    """Write package lists for `release` into `folder` and return the options that make apt use them alone.

    Raises:
        NodesUnavailable: the machine is no Debian, or names no mirror.
    """
    own = codename((etc / "os-release").read_text(encoding="utf-8"))
    sources = folder / "sources"
    sources.mkdir(parents=True, exist_ok=True)
    written = sum(_write(sources / file.name, text) for file, text in _renamed(etc, own, release))
    if not written:
        raise NodesUnavailable(f"no mirror of Debian {own} is named in {etc / 'apt'}")
    installed = folder / "nothing-installed"
    installed.touch()
    return {
        "Dir::Etc::sourcelist": "/dev/null",
        "Dir::Etc::sourceparts": str(sources),
        # Of the other release everything is missing, the C library included.
        "Dir::State::status": str(installed),
    }


def codename(os_release: str) -> str:
    facts = dict(line.split("=", 1) for line in os_release.splitlines() if "=" in line)
    if facts.get("ID", "").strip('"') != "debian":
        raise NodesUnavailable("this machine is no Debian")
    return facts.get("VERSION_CODENAME", "").strip('"')


def _renamed(etc: Path, own: str, wanted: str) -> Iterator[tuple[Path, str]]:
    for file in sorted((etc / "apt").glob("sources.list.d/*.sources")):
        yield file, in_stanzas(file.read_text(encoding="utf-8"), own, wanted)
    for file in sorted([*(etc / "apt").glob("sources.list"), *(etc / "apt").glob("sources.list.d/*.list")]):
        yield file.with_suffix(".list"), in_lines(file.read_text(encoding="utf-8"), own, wanted)


def _write(file: Path, text: str) -> int:
    if text:
        file.write_text(text, encoding="utf-8")
    return int(bool(text))


def in_stanzas(text: str, own: str, wanted: str) -> str:
    """Keep the stanzas of release `own`, naming `wanted` instead."""
    plain = "\n".join(line for line in text.splitlines() if not line.startswith("#"))
    kept = []
    for stanza in re.split(r"\n\s*\n", plain):
        named = re.search(r"^Suites:(.*)$", stanza, re.MULTILINE)
        if named and (suites := _suites(named[1], own, wanted)):
            kept.append(stanza.replace(named[0], f"Suites: {suites}").strip())
    return "".join(f"{stanza}\n\n" for stanza in kept)


def in_lines(text: str, own: str, wanted: str) -> str:
    """Do the same with the one-line form: `deb [options] address suite components`."""
    kept = []
    for line in text.splitlines():
        match = re.match(r"(deb\s+(?:\[.*?\]\s+)?\S+\s+)(\S+)(.*)", line)
        if match and (suite := _suites(match[2], own, wanted)):
            kept.append(f"{match[1]}{suite}{match[3]}\n")
    return "".join(kept)


def _suites(names: str, own: str, wanted: str) -> str:
    """`bookworm bookworm-updates` become `trixie trixie-updates`; suites of other archives are left out."""
    return " ".join(wanted + name[len(own) :] for name in names.split() if name.split("-")[0] == own)
