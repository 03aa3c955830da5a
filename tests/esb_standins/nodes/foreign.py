"""Programs of a newer release on an older machine: each is called through the loader of its own C library.

The loader is named by path and told where the libraries are, so neither a chroot nor any right is needed. Scripts take
the places of the programs, because Erlang starts its helpers by path as well.
"""

from collections.abc import Iterator
from pathlib import Path

_ELF = b"\x7fELF"
_MOVED = ".elf"
_PLACES = ("usr/lib/erlang/erts-*/bin/*", "usr/lib/erlang/lib/*/priv/bin/*")


def adapt(root: Path) -> None:
    """Make Erlang under `root` run on this machine. What has been done before stays; so an interruption does no harm.

    Raises:
        FileNotFoundError: no loader was unpacked there.
    """
    loader = next(iter(sorted(root.glob("usr/lib/*/ld-linux*.so.*"))), None)
    if loader is None:
        raise FileNotFoundError(f"{root}/usr/lib/*/ld-linux*.so.*")
    for program in _programs(root):
        program.rename(program.with_name(program.name + _MOVED))
    for moved in (file for place in _PLACES for file in root.glob(place + _MOVED)):
        script, text = moved.with_suffix(""), _script(loader, moved)
        if not script.exists() or script.read_text(encoding="utf-8") != text:  # also after the checkout was moved
            script.write_text(text, encoding="utf-8")
            script.chmod(0o755)


def _programs(root: Path) -> Iterator[Path]:
    for place in _PLACES:
        for file in sorted(root.glob(place)):
            if file.suffix != _MOVED and file.is_file() and not file.is_symlink() and _is_elf(file):
                yield file


def _is_elf(file: Path) -> bool:
    with file.open("rb") as stream:
        return stream.read(len(_ELF)) == _ELF


def _script(loader: Path, program: Path) -> str:
    return f"#!/bin/sh\nexec '{loader}' --library-path '{loader.parent}' '{program}' \"$@\"\n"
