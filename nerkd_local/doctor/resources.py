"""What there is of memory, disk and limits, and what too little of each would stop."""

from __future__ import annotations

import os
import resource
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path

from nerkd_local.doctor.finding import Finding

GIB = 2**30
_MEMORY_FAIL, _MEMORY_WARN = 1 * GIB, 4 * GIB
_DISK_FAIL, _DISK_WARN = 1 * GIB, 10 * GIB
_INODES_WARN = 10_000
_SHM_WARN = 1 * GIB
_FILES_WARN = 4096
_CGROUP_LIMITS = ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes")


def memory(meminfo: str | None = None, limits: tuple[str, ...] | None = None) -> Finding:
    """Memory that can be had, the smaller of the machine's and of what a container may use.

    `meminfo` is the text of /proc/meminfo, `limits` what the control group's files say.
    """
    found = _memory(meminfo, limits)
    if found is None:
        return Finding("memory", "unknown", "/proc/meminfo does not tell", "mount -t proc proc /proc")
    free, total, limit = found
    capped = f", of which this container may use {_gib(limit)}" if limit < total else ""
    seen = f"{_gib(free)} free of {_gib(total)}{capped}"
    fix = "end other programs (ps aux --sort=-rss | head), or give the container more"
    if free < _MEMORY_FAIL:
        return Finding("memory", "fail", f"{seen}: not enough to load a student", fix)
    if free < _MEMORY_WARN:
        return Finding("memory", "warn", f"{seen}: little for training, none for an annotator", fix)
    return Finding("memory", "ok", seen)


def free_memory() -> int | None:
    """What can be had, in bytes; None where the machine does not tell."""
    found = _memory(None, None)
    return None if found is None else found[0]


def _memory(meminfo: str | None, limits: tuple[str, ...] | None) -> tuple[int, int, int] | None:
    """Bytes that are free, that there are, and that may be used."""
    kib = {}
    for line in (_read("/proc/meminfo") if meminfo is None else meminfo).splitlines():
        name, _, rest = line.partition(":")
        words = rest.split()
        if words[1:] == ["kB"] and words[0].isdigit():
            kib[name] = int(words[0])
    if "MemTotal" not in kib:
        return None
    total = kib["MemTotal"] * 1024
    told = map(_read, _CGROUP_LIMITS) if limits is None else limits
    limit = min((int(text) for text in map(str.strip, told) if text.isdigit()), default=total)
    return min(kib.get("MemAvailable", kib["MemTotal"]) * 1024, limit), total, limit


def disk(folder: Path, check: str = "disk") -> Finding:
    """Room, free file entries and the right to write where results go. `folder` need not exist yet."""
    there = _existing(folder)
    space, entries = shutil.disk_usage(there), os.statvfs(there)
    seen = f"{_gib(space.free)} free of {_gib(space.total)} at {there}"
    if not os.access(there, os.W_OK):
        return Finding(check, "fail", f"{there} cannot be written to by this user", f"chown {_user()} {there}")
    if os.access(there, os.X_OK) and not _can_write(there):
        return Finding(check, "fail", f"{there} takes no file (read-only, or full)", f"mount -o remount,rw {there}")
    fix = f"make room (du -xh {there} | sort -h | tail), nerkd-bundle gc, or name another folder"
    if space.free < _DISK_FAIL:
        return Finding(check, "fail", seen, fix)
    if space.free < _DISK_WARN:
        return Finding(check, "warn", f"{seen}: models and checkpoints take gigabytes", fix)
    if entries.f_files and entries.f_favail < _INODES_WARN:
        return Finding(check, "warn", f"{entries.f_favail:,} files more fit at {there} (inodes)", fix)
    return Finding(check, "ok", seen)


def temporary_folder(environment: Mapping[str, str] = os.environ) -> Finding:
    """Where engines' logs and sockets go."""
    try:
        folder = Path(tempfile.gettempdir())
    except FileNotFoundError:
        tried = environment.get("TMPDIR", "/tmp")
        return Finding("temporary files", "fail", f"no folder for them: {tried}", "mkdir -m 1777 -p /tmp")
    return disk(folder, "temporary files")


def shared_memory(folder: Path = Path("/dev/shm")) -> Finding:
    """/dev/shm: vLLM's processes and NCCL hand tensors to each other through it; Docker gives 64 MiB by itself."""
    if not folder.is_dir():
        fix = f"mkdir -p {folder} && mount -t tmpfs tmpfs {folder}"
        return Finding("shared memory", "fail", f"there is no {folder}, which vLLM's processes talk through", fix)
    space = shutil.disk_usage(folder)
    seen = f"{_gib(space.free)} free of {_gib(space.total)} at {folder}"
    if space.free < _SHM_WARN:
        fix = f"mount -o remount,size=8G {folder}, or docker run --shm-size=8g"
        return Finding("shared memory", "warn", f"{seen}: several GPUs or processes may need more", fix)
    return Finding("shared memory", "ok", seen)


def open_files(limit: int | None = None) -> Finding:
    """How many files a process may have open."""
    soft = resource.getrlimit(resource.RLIMIT_NOFILE)[0] if limit is None else limit
    if soft != resource.RLIM_INFINITY and soft < _FILES_WARN:
        return Finding(
            "open files", "warn", f"{soft} for a process: a server with many questions needs more", "ulimit -n 65536"
        )
    return Finding("open files", "ok", "no limit" if soft == resource.RLIM_INFINITY else f"{soft:,} for a process")


def core_dumps(limit: int | None = None, pattern: str | None = None) -> Finding:
    """Whether a crash would write the process's memory, source text and all, into a file."""
    soft = resource.getrlimit(resource.RLIMIT_CORE)[0] if limit is None else limit
    pattern = _read("/proc/sys/kernel/core_pattern").strip() if pattern is None else pattern
    if pattern.startswith("|"):  # the kernel hands the memory to a program, whatever the limit is
        return Finding(
            "core dumps",
            "warn",
            f"a crash hands the memory, source text included, to {pattern[1:].split()[0]}",
            "as root: sysctl -w kernel.core_pattern=/dev/null",
        )
    if soft != 0:
        return Finding(
            "core dumps", "warn", "a crash writes the memory, source text included, to a file", "ulimit -c 0"
        )
    return Finding("core dumps", "ok", "off")


def _existing(folder: Path) -> Path:
    """The folder, or the nearest one above it that exists."""
    folder = folder.absolute()
    while not folder.is_dir():
        folder = folder.parent
    return folder


def _can_write(folder: Path) -> bool:
    try:
        with tempfile.TemporaryFile(dir=folder) as stream:
            stream.write(b"nerkd")
            stream.flush()
    except OSError:
        return False
    return True


def _user() -> str:
    return str(os.getuid())


def _read(path: str) -> str:
    try:
        return Path(path).read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""


def _gib(size: float) -> str:
    return f"{size / GIB:.1f} GiB"
