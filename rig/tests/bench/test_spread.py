"""Medians with their spread, and targets."""

import pytest

from rig.bench.spread import at_most, spread
from rig.errors import InputError


def test_a_target_says_by_how_much_it_is_missed():
    met = at_most("boot", 0.5, spread([0.4, 0.5, 9.0]), "s", "the disk is slow")
    assert met.met and met.why == "" and met.measured == "0.50 s (0.40 - 9.00)" and met.limit == "at most 0.5 s"
    missed = at_most("boot", 0.5, spread([0.75]), "s", "the disk is slow")
    assert not missed.met and missed.why == "0.25 s over it (50%). the disk is slow"
    with pytest.raises(InputError, match="nothing was measured"):
        spread([])
