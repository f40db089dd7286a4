"""What the models of image, machine and suite accept, fill in and refuse."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from rig.errors import SpecError
from rig.paths import images_dir
from rig.spec import (
    Dialect,
    ImageSpec,
    MachineSpec,
    SuiteSpec,
    load_spec,
    parse_spec,
)

MINIMAL: dict[str, Any] = {
    "name": "tiny",
    "summary": "a tiny disk",
    "os": "linux",
    "source": {"kind": "import"},
    "boot": {"stages": [{"name": "kernel", "pattern": "Linux", "deadline": 1}]},
}


def image(**changes: Any) -> ImageSpec:
    return parse_spec(ImageSpec, yaml.safe_dump(MINIMAL | changes), "a.yaml")


def fault(**changes: Any) -> str:
    with pytest.raises(SpecError) as caught:
        image(**changes)
    return str(caught.value)


@pytest.mark.parametrize("path", sorted(images_dir().glob("*.yaml")), ids=lambda path: path.stem)
def test_every_entry_of_the_catalogue_is_well_formed(path: Path):
    spec = load_spec(ImageSpec, path)
    assert spec.name == path.stem
    assert spec.dialect == str(spec.os)


def test_what_is_not_said_has_a_default():
    spec = image()
    assert spec.dialect is Dialect.LINUX
    assert spec.machine == MachineSpec()
    assert spec.transports == ("ssh",)
    assert image(dialect="darwin").dialect is Dialect.DARWIN


def test_a_spec_does_not_change():
    with pytest.raises(ValueError, match="frozen"):
        image().name = "other"  # type: ignore[misc]


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"name": "Tiny"}, "a.yaml:6: name: found 'Tiny'; string should match pattern"),
        ({"os": "plan9"}, "found 'plan9'; should be 'darwin' or 'linux'"),
        ({"os": ["linux"]}, "os: found ['linux']; should be 'darwin' or 'linux'"),
        ({"source": {"kind": "download"}}, "source: a source of kind download needs `url`"),
        ({"source": {"kind": "build"}}, "source: a source of kind build needs `builder`"),
        ({"source": {"kind": "import", "sha256": "12"}}, "source.sha256: found '12'"),
        ({"source": {"kind": "download", "url": "ftp://x"}}, "source.url: found 'ftp://x'"),
        ({"boot": {"stages": []}}, "at least one stage is needed"),
        ({"boot": {"stages": [{"name": "a", "deadline": 1}, {"name": "a", "deadline": 1}]}}, "stage names must differ"),
        ({"boot": {"stages": [{"name": "a", "deadline": 0}]}}, "boot.stages.0.deadline: found 0; should be greater"),
        ({"boot": {"stages": [{"name": "a", "deadline": float("nan")}]}}, "boot.stages.0.deadline: found nan"),
        ({"transports": []}, "transports: "),
        ({"machine": {"nic": "none"}}, "transports names ssh, but machine.nic is none"),
        ({"workdir": "tmp"}, "workdir: found 'tmp'"),
        ({"workdir": "/tmp/a b"}, "workdir: found '/tmp/a b'"),
        ({"ssh": {"authorized_keys": "/root/$(reboot)"}}, "ssh.authorized_keys: found '/root/$(reboot)'"),
        ({"ssh": {"user": "root; reboot"}}, "ssh.user: found 'root; reboot'"),
        ({"login": {"user": "root\n"}}, "login.user: found 'root\\n'"),
        ({"has": {"sftp": "perhaps"}}, "has.sftp: found 'perhaps'; should be a valid boolean"),
    ],
)
def test_refused(changes, said):
    assert said in fault(**changes)


BAD_PATTERNS = {
    "(": "not a regular expression: missing )",
    "a{99999999999999999999}": "not a regular expression: ",
    5000 * "(": "not a regular expression: ",
    "": "matches nothing at all",
    " *$": "matches nothing at all",
}


@pytest.mark.parametrize("pattern", BAD_PATTERNS, ids=["open", "overflow", "deep", "empty", "blank"])
@pytest.mark.parametrize("place", ["stage", "stuck", "login_prompt", "shell_prompt"])
def test_every_pattern_is_tried_when_the_file_is_read(pattern, place):
    stages = MINIMAL["boot"]["stages"]
    changes: dict[str, dict[str, Any]] = {
        "stage": {"boot": {"stages": [{"name": "kernel", "pattern": pattern, "deadline": 1}]}},
        "stuck": {"boot": {"stages": stages, "stuck": {pattern: "why"}}},
        "login_prompt": {"console": {"login_prompt": pattern}},
        "shell_prompt": {"console": {"shell_prompt": pattern}},
    }
    assert BAD_PATTERNS[pattern] in fault(**changes[place])


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("board: pc\nfirmware: uefi", "firmware uefi goes with board q35, found board pc"),
        ("disk: ide", "disk ide goes with board pc, found board q35"),
        ("cpus: 0", "a.yaml:1: cpus: found 0; should be greater than or equal to 1"),
        ("memory: 1G", "memory: found '1G'; should be a valid integer"),
        ("mac: 52-54-00-12-34-56", "mac: found '52-54-00-12-34-56'"),
        ("nic: virtio-net", "found 'virtio-net'; should be 'e1000-82545em', 'e1000', 'rtl8139', 'pcnet' or 'none'"),
        ("ram: 1", "ram: unknown key"),
    ],
)
def test_a_machine_that_cannot_be(text, said):
    with pytest.raises(SpecError) as caught:
        parse_spec(MachineSpec, text, "a.yaml")
    assert said in str(caught.value)


def test_a_suite():
    suite = parse_spec(SuiteSpec, "name: nightly\nprobes: [pipe, fifos]\nclock: exact\nbatches: 50\n", "a.yaml")
    assert (suite.probes, suite.clock, suite.batches, suite.accel) == (("pipe", "fifos"), "exact", 50, "auto")
    with pytest.raises(SpecError, match="time_factor: found nan"):
        parse_spec(SuiteSpec, "name: a\ntime_factor: .nan\n", "a.yaml")


def test_the_schema_asks_for_no_more_than_the_model_does():
    schema = ImageSpec.model_json_schema()
    assert set(schema["required"]) == set(MINIMAL)
    assert "description" in schema["$defs"]["BootStage"]["properties"]["pattern"]
