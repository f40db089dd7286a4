"""Run by the peers' Python, not by the rig's: boots a guest by labgrid's QEMUDriver, runs probes by its SSHDriver.

Takes a JSON file: `config` (labgrid's), `bundle` and `place` (the probes, here and in the guest), `first` and
`commands` (lines for the guest's shell), `output` (a directory). Prints one JSON line for each thing done.
"""

import json
import sys
from pathlib import Path


def main() -> None:
    """Says what is done as it is done; the reader keeps the time."""
    from labgrid import Environment  # type: ignore[import-not-found, unused-ignore]

    job = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    target = Environment(job["config"]).get_target("main")
    machine = target.get_driver("QEMUDriver")
    machine.on()
    tell("on")
    try:
        machine.expect("login:", timeout=job["seconds"])
        tell("login")
        ssh = target.get_driver("SSHDriver")
        tell("ssh")
        ssh.put(job["bundle"], job["place"])
        tell("pushed")
        ssh.run(job["first"], timeout=job["seconds"])
        tell("first")
        for name, command in job["commands"].items():
            out, _, status = ssh.run(command, timeout=job["seconds"])
            (Path(job["output"]) / f"{name}.jsonl").write_text("\n".join(out) + "\n", encoding="utf-8")
            tell("probe", name=name, status=status)
        target.deactivate(ssh)
    finally:
        machine.off()
    tell("off")


def tell(what: str, **more: object) -> None:
    """One line, at once."""
    print(json.dumps({"what": what, **more}), flush=True)  # noqa: T201


if __name__ == "__main__":
    main()
