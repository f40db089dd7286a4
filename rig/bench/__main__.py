"""`python -m rig.bench`."""

from rig.bench.main import main

main()
