#!/usr/bin/env python3
"""Unpacks the servers that only tests talk to below build/peers/NAME; nothing is installed.

usage: tools/peers.py NAME...      NAME: a package of the section [peers] of tools/packages.txt, or `all`
       tools/peers.py --run NAME PROGRAM [WORD...]      runs a program of one, for people: --run nghttp2-client h2load --version

Libraries that this machine lacks are unpacked beside the program. What is there already is left as it is. Quiet where all goes well;
one line on stderr and status 1 where a package cannot be had. Stories of tests/e2e call peer(): it answers what to start and how.
"""
import fcntl
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PEERS = ROOT / "build/peers"
FOLDERS = ("usr/sbin", "usr/bin", "sbin", "bin")


class Missing(Exception):
    """A package cannot be had here; the text says why."""


def names():
    section = re.search(r"^\[peers\]\n(.*?)(?:^\[|\Z)", (ROOT / "tools/packages.txt").read_text(), re.M | re.S)
    return [line for line in section.group(1).splitlines() if line and not line.startswith("#")]


def run(*command, **more):
    return subprocess.run(command, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL, **more)


def own_lists(at):
    """apt's settings for package lists of our own: they need no root, and change nothing of the system's."""
    for folder in ("lists/partial", "cache/archives/partial"):
        (at / folder).mkdir(parents=True, exist_ok=True)
    return ["-o", f"Dir::State::lists={at}/lists", "-o", f"Dir::Cache={at}/cache"]


def download(package, into):
    if not shutil.which("apt-get") or not shutil.which("dpkg-deb"):
        raise Missing(f"{package}: this system has no apt-get and dpkg-deb")
    # As root, apt would download as a user of its own, who may not write here.
    command = ["apt-get", "-qq", "-o", "APT::Sandbox::User=root"]
    if run(*command, "download", package, cwd=into).returncode != 0:
        command += own_lists(PEERS / ".apt")
        run(*command, "update")
        tried = run(*command, "download", package, cwd=into)
        if tried.returncode != 0:
            said = [line for line in tried.stderr.splitlines() if line.startswith("E:")] or ["E: no answer"]
            raise Missing(f"{package}: cannot be downloaded (no network?): {said[0]}")


def unpack(package, into):
    with tempfile.TemporaryDirectory(dir=PEERS) as packed:
        download(package, packed)
        for file in Path(packed).glob("*.deb"):
            done = run("dpkg-deb", "-x", str(file), str(into))
            if done.returncode != 0:
                raise Missing(f"{package}: cannot be unpacked: {done.stderr.strip()}")


def libraries(folder):
    return ":".join(sorted({str(p.parent) for p in folder.rglob("*.so*") if "modules" not in p.parts}))


def environment(folder):
    found = ":".join(p for p in (libraries(folder), os.environ.get("LD_LIBRARY_PATH", "")) if p)
    return dict(os.environ, LD_LIBRARY_PATH=found) if found else dict(os.environ)


def programs(folder):
    return [p for f in FOLDERS for p in sorted((folder / f).glob("*")) if os.access(p, os.X_OK) and not p.is_dir()]


def lacks_libraries(folder):
    return any("not found" in run("ldd", str(p), env=environment(folder)).stdout for p in programs(folder))


def library_packages(package):
    """The libraries that a package depends on and that are not installed."""
    said = run("apt-cache", "depends", "--recurse", "--no-recommends", "--no-suggests", "--no-conflicts", "--no-breaks", "--no-replaces",
               "--no-enhances", package).stdout
    wanted = sorted({line for line in said.splitlines() if re.fullmatch(r"lib[a-z0-9.+-]+", line)})
    return [w for w in wanted if "installed" not in run("dpkg-query", "-W", "-f=${db:Status-Status}", w).stdout.split()]


def unpacked(name):
    """The folder of a peer, unpacked now if it is not there. One process at a time unpacks; a broken attempt leaves nothing behind."""
    if name not in names():
        raise Missing(f"{name}: is not in the section [peers] of tools/packages.txt")
    PEERS.mkdir(parents=True, exist_ok=True)
    with open(PEERS / f".{name}.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        folder = PEERS / name
        if folder.exists():
            return folder
        with tempfile.TemporaryDirectory(dir=PEERS) as begun:
            whole = Path(begun) / name
            whole.mkdir()
            unpack(name, whole)
            if lacks_libraries(whole):
                for library in library_packages(name):
                    unpack(library, whole)
                if lacks_libraries(whole):
                    raise Missing(f"{name}: a library that it needs is in none of its packages")
            whole.rename(folder)
        return folder


def peer(name, program):
    """(path, environment) of a program of a peer: both for subprocess. Raises Missing."""
    folder = unpacked(name)
    for path in programs(folder):
        if path.name == program:
            return str(path), environment(folder)
    raise Missing(f"{name}: has no program {program}")


def main():
    words = sys.argv[1:]
    if not words or words[0] in ("-h", "--help") or (words[0] == "--run" and len(words) < 3):
        print(__doc__.strip(), file=sys.stderr)
        return 2
    try:
        if words[0] == "--run":
            path, settings = peer(words[1], words[2])
            os.execve(path, [path, *words[3:]], settings)
        for name in names() if words == ["all"] else words:
            unpacked(name)
    except Missing as why:
        print(f"millrace: {why}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
