"""How often pages look again when many are open."""

from __future__ import annotations

from pages.components.crowd import GONE, SHARE, Crowd


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def crowd(tabs: int, cost: float, usual: float = 1.0) -> tuple[Crowd, Clock]:
    clock = Clock()
    made = Crowd(clock)
    for tab in range(tabs):
        made.looked(str(tab), cost, usual)
    return made, clock


def test_a_few_tabs_look_at_their_own_pace():
    assert crowd(0, 0.05)[0].step() == 1
    assert crowd(9, 0.05)[0].step() == 1


def test_many_tabs_wait_until_all_together_take_their_share():
    for tabs, step in ((11, 2), (19, 2), (21, 4), (50, 8), (100, 16)):
        made, _ = crowd(tabs, 0.05)
        assert made.step() == step
        assert tabs * 0.05 / step <= SHARE or step == 16
    assert crowd(50, 0.05, usual=2.0)[0].step() == 4, "who looks half as often counts half"


def test_closed_tabs_count_no_more():
    made, clock = crowd(50, 0.05)
    assert made.step() == 8
    clock.now = 8 * GONE - 1
    made.looked("stays", 0.05, 1.0)
    assert made.step() == 8
    clock.now = 8 * GONE + 1
    assert made.step() == 1


def test_a_cheaper_look_changes_nothing_unless_it_is_much_cheaper():
    made, _ = crowd(21, 0.05)
    assert made.step() == 4
    for _ in range(30):
        for tab in range(21):
            made.looked(str(tab), 0.045, 1.0)
    assert made.step() == 4, "0.95 cores in 2 steps would be just within the share"
    for _ in range(30):
        for tab in range(21):
            made.looked(str(tab), 0.03, 1.0)
    assert made.step() == 2
