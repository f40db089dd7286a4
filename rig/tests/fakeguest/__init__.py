"""A guest that misbehaves, on demand: a tiny disk of our own that QEMU boots, and that does what a script says.

A script is a YAML file (`fixtures/boots/*.yaml`; every key is described in `script.py`, what a boot by it must come to
in `scenario.py`). In a test marked `qemu`:

    from rig.tests.fakeguest.disk import Bench

    def test_something(tmp_path):
        bench = Bench(tmp_path)
        stored = bench.stored(bench.script("good-17.4"))    # of fixtures/boots, or parse_spec(Script, "...", "here")
        with boot_guest(stored, bench.options(console_only=True)) as guest:
            guest.shell().log_in(guest.deadline(10))

`bench.stored` makes the disk (the program in `guest/` is compiled once, by zig cc, into the rig's cache) and an image
entry that is the catalogue's `like` with the script's own changes: the real profile's stages, patterns and habits, on a
machine of 64 MB. `bench.launch(script, directory)` is for who starts a `rig.machine.Machine` alone, as for a loader
that speaks on the screen and waits for keys. `bench.entry(script)` is a catalogue entry's YAML file for the `rig`
command. A script may play the rig's agent on the console, too: then commands, probes and `rig test` work by the serial
transport (fixtures/boots/panic-in-a-probe.yaml).
"""
