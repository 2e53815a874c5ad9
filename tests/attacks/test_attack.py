"""The judgement of attacks."""

from __future__ import annotations

from attack import ATTACKS, LOG_PER_SECOND, Finding
from run_attacks import MODULES


def test_each_exceeded_bound_is_a_fault() -> None:
    finding = Finding(peak=65, kept=17, log=LOG_PER_SECOND + 1)
    finding.judge(64, 16)
    assert [fault.partition(" ")[0] for fault in finding.faults] == ["peak", "kept", "log"]


def test_what_is_within_its_bounds_or_was_not_measured_is_no_fault() -> None:
    finding = Finding(peak=64, pings=(1, 2, 30_000))
    finding.judge(64, 16)
    assert not finding.faults


def test_every_module_has_attacks() -> None:
    registered = {attack.run.__module__ for attack in ATTACKS.values()}
    assert registered == {module.__name__ for module in MODULES}
