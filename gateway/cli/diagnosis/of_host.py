"""Judgements on the machine the gateway runs on: disk, files, processes. Asks nobody."""

import stat
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from gateway.cli.diagnosis.finding import Finding, fault, ok, unknown, warning

GIB = 1024**3
# The spool alone may take a quarter of this for each worker.
FREE_WARNING_BYTES = GIB
FREE_FAULT_BYTES = 64 * 1024 * 1024
# Beside a call's two connections: the store's, the listeners', files.
FILES_SPARE = 256
FILES_WARNING = 4096
# Locks and fsync are not to be trusted there.
NETWORK_FILESYSTEMS = (
    "nfs",
    "nfs4",
    "cifs",
    "smb3",
    "smbfs",
    "9p",
    "afs",
    "ceph",
    "fuse.sshfs",
    "fuse.s3fs",
    "fuse.gcsfuse",
    "fuse.glusterfs",
)
VOLATILE_FILESYSTEMS = ("tmpfs", "ramfs")


@dataclass(frozen=True, slots=True, kw_only=True)
class HostFacts:
    """`filesystem`: the type of the one `data_dir` is on, empty if nobody knows. `secret_modes`:
    the permission bits of files that hold secrets. `spool_bytes`: None if it cannot be read."""

    cores: int
    workers: int
    open_files: int
    connections: int
    data_dir: Path
    filesystem: str
    free_bytes: int | None
    spool_bytes: int | None
    secret_modes: Mapping[Path, int]


def of_host(facts: HostFacts) -> Iterator[Finding]:
    yield workers(facts)
    yield open_files(facts)
    yield data_directory(facts)
    yield disk_space(facts)
    yield spool(facts)
    yield secret_files(facts)


def workers(facts: HostFacts) -> Finding:
    found = f"{facts.workers} on {facts.cores} cores"
    if facts.workers > facts.cores:
        return warning("workers", found, "Set `listen.workers` to the number of cores, or fewer.")
    if facts.cores > 1 and facts.workers == 1:
        return warning("workers", found, "One worker uses one core: set `listen.workers`.")
    return ok("workers", found)


def open_files(facts: HostFacts) -> Finding:
    """Of this process: a service manager may give the gateway another limit."""
    found = f"{facts.open_files} for a process started here"
    todo = "Set `LimitNOFILE=65536` (systemd), or `ulimit -n 65536`."
    if facts.open_files < facts.connections + FILES_SPARE:
        wanted = f"{found}; providers alone may take {facts.connections}"
        return fault("open files", wanted, todo)
    return (
        warning("open files", found, todo)
        if facts.open_files < FILES_WARNING
        else ok("open files", found)
    )


def data_directory(facts: HostFacts) -> Finding:
    check, where = "data directory", str(facts.data_dir)
    if not facts.filesystem:
        return unknown(check, f"the file system of {where} is not to be found")
    found = f"{where} on {facts.filesystem}"
    if facts.filesystem in NETWORK_FILESYSTEMS:
        return fault(
            check,
            found,
            "Put `store.data_dir` on a disk of this machine: the spool and "
            "the history rely on locks and fsync.",
        )
    if facts.filesystem in VOLATILE_FILESYSTEMS:
        return fault(
            check,
            f"{found}, which a restart empties",
            "Put `store.data_dir` on a disk: settlements wait there while the store is away.",
        )
    return ok(check, found)


def disk_space(facts: HostFacts) -> Finding:
    if facts.free_bytes is None:
        return unknown("disk space", f"{facts.data_dir} does not exist yet")
    found = f"{facts.free_bytes / GIB:.1f} GiB free"
    todo = f"Make room on the disk of {facts.data_dir}."
    if facts.free_bytes < FREE_FAULT_BYTES:
        return fault("disk space", found, todo)
    return (
        warning("disk space", found, todo)
        if facts.free_bytes < FREE_WARNING_BYTES
        else ok("disk space", found)
    )


def spool(facts: HostFacts) -> Finding:
    if facts.spool_bytes is None:
        return unknown("spool", "its files may not be read by this user", "Run as the gateway's.")
    if facts.spool_bytes:
        return warning(
            "spool",
            f"{facts.spool_bytes} bytes of settlements wait for the store",
            "They are safe. See why the store did not take them; a running gateway replays them.",
        )
    return ok("spool", "nothing waits")


def secret_files(facts: HostFacts) -> Finding:
    open_to_all = sorted(
        str(path) for path, mode in facts.secret_modes.items() if mode & stat.S_IRWXO
    )
    if open_to_all:
        return fault(
            "secret files",
            f"every user of this machine can read {', '.join(open_to_all)}",
            f"chmod 600 {' '.join(open_to_all)}",
        )
    count = len(facts.secret_modes)
    return ok("secret files", f"{count}, none open to every user" if count else "none")
