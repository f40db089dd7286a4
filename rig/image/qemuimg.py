"""qemu-img, as calls: argv lists, its own words in errors. Formats are always named, never probed."""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rig.errors import HostError, ImageError, RigError
from rig.image import space
from rig.spec import ImageFormat

_SHOWN = 5
_CHECK_LEAKS = 3
_CHECK_NONE = 63
_DEFAULTS = "compat=1.1,lazy_refcounts=off"


@dataclass(frozen=True)
class DiskInfo:
    """What qemu-img says of a disk. Sizes in bytes; `backing` is the file below it, as written in it."""

    format: str
    virtual_size: int
    actual_size: int
    backing: str | None


def info(path: Path, fmt: ImageFormat | str = ImageFormat.QCOW2) -> DiskInfo:
    """Facts of one disk, without those below it. Raises ImageError, HostError."""
    data = _json(["info", "-U", "--output=json", "-f", str(fmt), "--", _absolute(path)], f"look at {path}")
    return DiskInfo(
        str(data["format"]), int(data["virtual-size"]), int(data.get("actual-size", 0)), data.get("backing-filename")
    )


def check(path: Path, fmt: ImageFormat | str, name: str) -> None:
    """Hold a disk's index against its data, as far as its format has one: finds what was cut short or overwritten.

    (qemu-img convert does not: it takes zeros for what lies past the end.) Raises ImageError, HostError.
    """
    done = _run(["check", "-U", "-f", str(fmt), "--", _absolute(path)])
    if done.returncode not in (0, _CHECK_LEAKS, _CHECK_NONE):
        raise ImageError(
            f"{name}: the disk image is damaged or cut short: {_words(done)}",
            hint="Get the file again and compare its size and sha256 with the original's.",
        )


def measure(path: Path, fmt: ImageFormat | str) -> int:
    """Bytes that a qcow2 copy of the disk needs on the host. Raises ImageError, HostError."""
    data = _json(["measure", "--output=json", "-O", "qcow2", "-f", str(fmt), "--", _absolute(path)], f"measure {path}")
    return int(data["required"])


def convert(src: Path, fmt: ImageFormat | str, dst: Path) -> None:
    """Write the disk `src` as the qcow2 file `dst`, sparse, not compressed; on failure `dst` is gone.

    Raises ImageError, HostError (disk full, before or while it is written).
    """
    what = f"convert {src} to qcow2"
    needed = measure(src, fmt)
    space.require(dst, needed, what)
    done = _run(["convert", "-f", str(fmt), "-O", "qcow2", "-o", _DEFAULTS, "--", _absolute(src), _absolute(dst)])
    if done.returncode:
        dst.unlink(missing_ok=True)
        raise _failed(done, what, dst, needed)


def differences(src: Path, dst: Path, base: Path, base_format: str = "qcow2") -> None:
    """Write the qcow2 `src` as one that holds only its differences to `base`, however many stood between them.

    (`convert` with a backing file would not do: it copies what `src` itself holds, and leaves out those between.)
    Raises ImageError, HostError (disk full).
    """
    create(dst, base=src)
    done = _run(["rebase", "-q", "-f", "qcow2", "-F", base_format, "-b", _absolute(base), "--", _absolute(dst)])
    if done.returncode:
        dst.unlink(missing_ok=True)
        raise _failed(done, f"keep the differences of {src}", dst)


def create(at: Path, size: int | None = None, *, base: Path | None = None, base_format: str = "qcow2") -> None:
    """Make an empty qcow2 of `size` bytes, or one above `base`, by default as large. Raises ImageError, HostError."""
    argv = ["create", "-q", "-f", "qcow2", "-o", _DEFAULTS]
    if base is not None:
        argv += ["-F", base_format, "-b", _absolute(base)]
    argv += ["--", _absolute(at), *([] if size is None else [str(size)])]
    done = _run(argv)
    if done.returncode:
        at.unlink(missing_ok=True)
        raise _failed(done, f"create {at}", at)


def read_start(path: Path, count: int, fmt: ImageFormat | str = ImageFormat.QCOW2) -> bytes:
    """The first `count` bytes (a multiple of 512) that a guest would read, fewer from a smaller disk.

    Raises ImageError, HostError.
    """
    with tempfile.TemporaryDirectory(prefix="rig-head-") as scratch:
        out = Path(scratch, "head")
        argv = ["dd", "-U", "-f", str(fmt), "-O", "raw", "bs=512", f"count={count // 512}"]
        done = _run([*argv, f"if={_absolute(path)}", f"of={out}"])
        if done.returncode:
            raise _failed(done, f"read {path}", path)
        return out.read_bytes()


def extract(path: Path, fmt: ImageFormat | str, at: int, count: int, out: Path) -> None:
    """Write `count` bytes of what a guest would read from byte `at` (multiples of 512) to the sparse raw file `out`.

    Raises ImageError, HostError.
    """
    file = _absolute(path).replace(",", ",,")
    # The raw driver's own window over the format: `dd skip=` with `count=` means different things to different QEMUs.
    source = f"driver=raw,offset={at},size={count},file.driver={fmt},file.file.driver=file,file.file.filename={file}"
    done = _run(["convert", "-U", "--image-opts", "-O", "raw", "--", source, _absolute(out)])
    if done.returncode:
        out.unlink(missing_ok=True)
        raise _failed(done, f"read {path}", out)


def implant(source: Path, start: int, count: int, path: Path, at: int) -> None:
    """Write `count` bytes of the raw file `source` from `start` on into the qcow2 `path`, at what a guest calls `at`.

    All multiples of 512. Raises ImageError, HostError.
    """
    files = [_absolute(one).replace(",", ",,") for one in (source, path)]
    window = f"driver=raw,offset={start},size={count},file.driver=file,file.filename={files[0]}"
    target = (
        f"driver=raw,offset={at},size={count},file.driver=qcow2,file.file.driver=file,file.file.filename={files[1]}"
    )
    done = _run(["convert", "-n", "--image-opts", "--target-image-opts", "--", window, target])
    if done.returncode:
        raise _failed(done, f"write to {path}", path)


def _absolute(path: Path) -> str:
    # QEMU takes a name with a colon before the first slash for a protocol; an absolute path has none.
    return str(path.absolute())


def _run(args: list[str]) -> subprocess.CompletedProcess[str]:
    try:
        return subprocess.run(
            ["qemu-img", *args],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            env={**os.environ, "LC_ALL": "C"},
            check=False,
        )
    except FileNotFoundError as fault:
        raise HostError("qemu-img is not installed", hint="apt-get install qemu-utils") from fault
    except OSError as fault:
        raise HostError(f"qemu-img cannot be run: {fault.strerror or fault}") from fault


def _json(args: list[str], what: str) -> dict[str, Any]:
    done = _run(args)
    if done.returncode:
        raise ImageError(f"cannot {what}: {_words(done)}", hint="Check that it is a disk image of the format named.")
    try:
        found = json.loads(done.stdout)
    except ValueError as fault:
        raise ImageError(f"cannot {what}: qemu-img's answer is no JSON: {done.stdout[:200]!r}") from fault
    return dict(found)


def _failed(done: subprocess.CompletedProcess[str], what: str, at: Path, needed: int | None = None) -> RigError:
    words = _words(done)
    if "No space left" in words or "Disk quota exceeded" in words:
        return space.full(at, what, needed)
    return ImageError(f"cannot {what}: {words}")


def _words(done: subprocess.CompletedProcess[str]) -> str:
    """qemu-img's own words, shortened, without its name in front."""
    lines = [line.removeprefix("qemu-img: ").strip() for line in (done.stderr or done.stdout).splitlines()]
    told = [line for line in lines if line]
    more = f" (and {len(told) - _SHOWN} more lines)" if len(told) > _SHOWN else ""
    return "; ".join(told[:_SHOWN]) + more if told else f"qemu-img ended with {done.returncode}, saying nothing"
