"""Each side's way through the same work, and what is read from it: seconds to the first result and to the end."""

from __future__ import annotations

import json
import re
import shlex
import shutil
from dataclasses import dataclass, field
from pathlib import Path

import yaml

from rig.bench.frame import write
from rig.bench.peers_machine import PLACE, SUITE, devices, free_port, fresh_disk, machine_type
from rig.bench.peers_process import Spoken, follow
from rig.bench.plainloop import missing
from rig.bench.subject import CASE, PROBE
from rig.errors import HostError, RigError
from rig.guest.accel import FACTORS
from rig.image.status import StoredImage
from rig.paths import ensure
from rig.probe.manifest import CaseKind, ProbeManifest
from rig.run.probe_run import probe_command
from rig.spec import Accel, MachineSpec

BINARY = "qemu-system-x86_64"
LABGRID_PLACE = "/opt/labgrid"
"""Not there yet, so that its `put` of a directory makes it."""
_BATCHES = 2
_KVM_SECONDS = 30.0
"""A guest with a KVM that works has long logged in by then; kirk itself waits for ever."""
_REPORT = "report.json"
_KIRK_FIRST = re.compile(r"^Exit code: (\d+)")
_KIRK_TEST = re.compile(r"^([a-z0-9_]+): +(\w+) +\(")


@dataclass(frozen=True)
class Job:
    """The same for all sides."""

    stored: StoredImage
    python: Path
    """The peers'."""
    disk: Path
    bundle: Path
    manifests: tuple[ProbeManifest, ...]
    key: Path
    directory: Path
    seconds: float
    """After which a side is ended."""

    @property
    def probes(self) -> list[str]:
        """Their names."""
        return [one.probe for one in self.manifests]

    def first(self, place: str) -> str:
        """A command of one case, where the probes lie in `place`."""
        (manifest,) = (one for one in self.manifests if one.probe == PROBE)
        return probe_command(manifest, [CASE], place, FACTORS[Accel.TCG], _BATCHES)

    def commands(self, place: str) -> dict[str, str]:
        """A command of all that is run, by probe."""
        return {
            one.probe: probe_command(one, functional(one), place, FACTORS[Accel.TCG], _BATCHES)
            for one in self.manifests
        }


def functional(manifest: ProbeManifest) -> list[str]:
    """All cases but the timings."""
    return [name for name, spec in manifest.cases.items() if spec.kind is not CaseKind.TIMING]


@dataclass(frozen=True)
class Took:
    """Seconds after the start of a side's command."""

    first: float
    """Its first result."""
    probes: float
    """All probes, from the first result to the last one."""
    whole: float
    """Its end."""
    steps: dict[str, float] = field(default_factory=dict)


def by_labgrid(job: Job, number: int) -> Took:
    """QEMUDriver and SSHDriver. Raises `HostError`, `RigError` with what labgrid said."""
    where = ensure(job.directory / f"labgrid-{number}")
    output = ensure(where / "output")
    port = free_port()
    disk = fresh_disk(job.disk, where / "disk.qcow2")
    spec = job.stored.spec
    write(where / "labgrid.yaml", labgrid_config(spec.machine, disk, (port, spec.ssh.port), spec.ssh.user, job.key))
    task = {
        "config": str(where / "labgrid.yaml"),
        "bundle": str(job.bundle),
        "place": LABGRID_PLACE,
        "first": job.first(LABGRID_PLACE),
        "commands": job.commands(LABGRID_PLACE),
        "output": str(output),
        "seconds": job.seconds,
    }
    write(where / "job.json", json.dumps(task))
    script = Path(__file__).with_name("labgrid_side.py")
    said = follow(
        [str(job.python), str(script), str(where / "job.json")], seconds=job.seconds, log=where / "log", cwd=where
    )
    disk.unlink(missing_ok=True)
    took = read_labgrid(said)
    if lost := missing(output, job.probes):
        raise RigError(f"labgrid brought no whole stream of: {', '.join(lost)}")
    return took


def labgrid_config(machine: MachineSpec, disk: Path, forward: tuple[int, int], user: str, key: Path) -> str:
    """Its environment file. The disk goes in by extra arguments: labgrid's own `disk` is always virtio on a PC."""
    extra = ["-accel", "tcg,tb-size=256", "-smp", str(machine.cpus), *devices(machine, disk, forward)]
    drivers = {
        "QEMUDriver": {
            "qemu_bin": "qemu",
            "machine": machine_type(machine),
            "cpu": machine.cpu,
            "memory": f"{machine.memory}M",
            "extra_args": shlex.join(extra),
        },
        "SSHDriver": {"keyfile": str(key)},
    }
    service = {"address": "127.0.0.1", "port": forward[0], "username": user}
    main = {"resources": {"NetworkService": service}, "drivers": drivers}
    return yaml.safe_dump({"targets": {"main": main}, "tools": {"qemu": shutil.which(BINARY) or BINARY}})


def read_labgrid(said: Spoken) -> Took:
    """Raises `RigError` where it did not come to its end."""
    steps: dict[str, float] = {}
    for at, line in said.lines:
        try:
            told = json.loads(line)
            what = str(told["what"])
        except (ValueError, TypeError, KeyError):
            continue
        steps["last probe" if what == "probe" else what] = at
    if said.status != 0 or not {"first", "last probe"} <= set(steps):
        raise RigError(f"labgrid {_ended(said)}: {said.tail()}")
    return Took(steps["first"], steps["last probe"] - steps["first"], said.seconds, steps)


def by_kirk(job: Job, number: int) -> Took:
    """Its QEMU channel with KVM overridden by its own `options`. Raises `HostError`, `RigError` with what it said."""
    spec = job.stored.spec.machine
    where = ensure(job.directory / f"kirk-{number}")
    disk = fresh_disk(job.disk, where / "disk.qcow2")
    options = ["-machine", f"{machine_type(spec)},accel=tcg", "-cpu", spec.cpu, *devices(spec, disk)]
    said = _kirk(job, where, f"options={' '.join(options)}", job.seconds)
    disk.unlink(missing_ok=True)
    took = read_kirk(said, job.probes)
    if lost := cut_short(where / _REPORT, job.probes):
        raise RigError(f"kirk brought no whole stream of: {', '.join(lost)}")
    return took


def cut_short(report: Path, probes: list[str]) -> list[str]:
    """Probes whose stream is not whole in kirk's own report. Raises `RigError` where that cannot be read."""
    try:
        results = json.loads(report.read_text(encoding="utf-8"))["results"]
        whole = {one["test_fqn"] for one in results if '"t":"goodbye"' in one["test"]["log"]}
    except (OSError, ValueError, KeyError, TypeError) as fault:
        raise RigError(f"kirk's report cannot be read: {fault}") from fault
    return [name for name in probes if name not in whole]


def kirk_as_it_is(job: Job) -> str:
    """What becomes of kirk with the KVM that it insists on: in words, with its own."""
    spec = job.stored.spec.machine
    where = ensure(job.directory / "kirk-kvm")
    disk = fresh_disk(job.disk, where / "disk.qcow2")
    options = ["-machine", machine_type(spec), "-cpu", spec.cpu, *devices(spec, disk)]
    said = _kirk(job, where, f"options={' '.join(options)}", min(_KVM_SECONDS, job.seconds))
    disk.unlink(missing_ok=True)
    try:
        took = read_kirk(said, job.probes)
    except RigError as fault:
        return fault.message
    return f"kirk ran with KVM: first result after {took.first:.1f} s, all after {took.whole:.1f} s"


def _kirk(job: Job, where: Path, options: str, seconds: float) -> Spoken:
    spec = job.stored.spec
    channel = f"qemu:user={spec.login.user}:ram={spec.machine.memory}M:smp={spec.machine.cpus}:{options}"
    program = job.python.with_name("kirk")
    if not program.is_file():
        raise HostError("kirk's own command is not in the peers' venv")
    scratch = ensure(where / "tmp")
    argv = [str(program), "--no-colors", "--tmp-dir", str(scratch), "--com", channel, "--sut", "default:com=qemu"]
    argv += ["--json-report", str(where / _REPORT), "--run-command", job.first(PLACE), "--run-suite", SUITE]
    (where / _REPORT).unlink(missing_ok=True)
    # LTP's place and the terminal's words are not to come from the user's own environment.
    environment = {"LTPROOT": str(Path(PLACE).parent.parent)}
    return follow(argv, seconds=seconds, log=where / "log", cwd=where, environment=environment)


def read_kirk(said: Spoken, probes: list[str]) -> Took:
    """Raises `RigError` where it did not come to its end, or a probe is missing in what it said."""
    first: float | None = None
    ended: dict[str, float] = {}
    for at, line in said.lines:
        if first is None and (match := _KIRK_FIRST.match(line)):
            if match[1] != "0":
                raise RigError(f"kirk's first command ended with status {match[1]}")
            first = at
        elif (match := _KIRK_TEST.match(line)) and match[1] in probes:
            if match[2] != "pass":
                raise RigError(f"kirk calls {match[1]}: {match[2]}")
            ended[match[1]] = at
    if said.status != 0 or first is None:
        raise RigError(f"kirk {_ended(said)}: {said.tail()}")
    if lost := [name for name in probes if name not in ended]:
        raise RigError(f"kirk told nothing of: {', '.join(lost)}; {said.tail()}")
    return Took(first, max(ended.values()) - first, said.seconds)


def _ended(said: Spoken) -> str:
    if said.status is None:
        return f"had to be ended after {said.seconds:.0f} s, having come no farther than"
    return f"ended with status {said.status}"
