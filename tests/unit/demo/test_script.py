"""What the demo sends: the same every time, and with everything in it that it is to show."""

from collections import Counter

from esb_cli.demo.script import MISTYPED, script


def test_the_script_is_the_same_every_time():
    assert script(100) == script(100)


def test_every_order_is_placed_once_by_shop_or_portal():
    steps = script(300)

    placed = Counter(step.order for step in steps if step.kind in {"order", "deal"})

    assert placed == Counter(range(300))


def test_orders_change_after_they_were_placed():
    placed = {step.order: step.at for step in script(300) if step.kind in {"order", "deal"}}

    later = [step for step in script(300) if step.kind not in {"order", "deal"}]

    assert {step.kind for step in later} == {"change_order", "change_deal", "cancel_order", "lose_deal"}
    assert all(step.at > placed[step.order] + 1 for step in later)


def test_one_order_wants_the_mistyped_product():
    wanting = [step for step in script(300) if MISTYPED in str(step.body)]

    assert len(wanting) == 1


def test_a_single_order_is_an_ordinary_one():
    (step,) = script(1)

    assert (step.kind, MISTYPED in str(step.body)) == ("order", False)


def test_nobody_pays_an_order_that_changes():
    steps = script(300)

    changing = {step.order for step in steps if step.kind not in {"order", "deal"}}

    assert not changing & {step.order for step in steps if step.is_paid}
    assert any(step.is_paid for step in steps)
