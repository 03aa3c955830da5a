"""The fate of messages of a thread, as a table and against a simple model."""

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from esb_bus.threads import Fate, Marks, Threads, marks_of


def mark(message_id: str = "m", *, about: str | None = "o", version: int | None = 1, **more) -> Marks:
    return Marks("t", message_id, about, version, **more)


def clear(_: Threads) -> None:
    return


def parked(threads: Threads) -> None:
    threads.moved_aside(mark("p"))


def dead(threads: Threads) -> None:
    threads.buried(mark("d", version=5, sequence=5))


def dead_replaying(threads: Threads) -> None:
    dead(threads)
    threads.taken_out(mark("d", version=5, sequence=5))


@pytest.mark.parametrize(
    ("state", "arriving", "fate"),
    [
        pytest.param(clear, mark(), Fate.RUN, id="clear"),
        pytest.param(clear, mark(letter="d"), Fate.RUN, id="clear, letter by hand"),
        pytest.param(parked, mark(), Fate.PARK, id="parked"),
        pytest.param(parked, mark(letter="d"), Fate.RUN, id="parked, letter"),
        pytest.param(dead, mark(about="other", version=9), Fate.PARK, id="dead, another object"),
        pytest.param(dead, mark(version=6), Fate.RUN, id="dead, newer"),
        pytest.param(dead, mark(version=5), Fate.PARK, id="dead, same version"),
        pytest.param(dead, mark(version=4), Fate.PARK, id="dead, older"),
        pytest.param(dead, mark(version=None), Fate.PARK, id="dead, no version"),
        pytest.param(dead, mark("d", version=5), Fate.DROP, id="dead, a copy"),
        pytest.param(dead_replaying, mark("d", version=5), Fate.PARK, id="replaying, a copy"),
        pytest.param(dead, mark(letter="d", sequence=5), Fate.RUN, id="dead, the letter"),
        pytest.param(dead, mark(letter="e", sequence=6), Fate.RETURN, id="dead, a later letter"),
        pytest.param(dead, mark(letter="c", sequence=4), Fate.RUN, id="dead, an earlier letter"),
    ],
)
def test_fate(state, arriving, fate):
    threads = Threads()
    state(threads)

    assert threads.fate(arriving) is fate


def test_a_parked_letter_goes_ahead_of_what_was_parked_behind_it():
    threads = Threads()
    threads.buried(mark("d", sequence=1))
    threads.moved_aside(mark("behind"))
    threads.taken_out(mark("d", letter="d", sequence=1))
    threads.moved_aside(mark("d/replay/1", letter="d", sequence=1))

    assert threads.eligible() == ["t"]
    assert threads.may_try(mark("d/replay/1", letter="d", sequence=1))
    assert not threads.may_try(mark("behind"))

    threads.taken_back("t")
    threads.letter_closed("t", "d")

    assert threads.may_try(mark("behind"))


def test_a_parked_letter_waits_for_an_earlier_one_in_dead():
    threads = Threads()
    threads.buried(mark("d", sequence=1))
    threads.moved_aside(mark("e/replay/1", letter="e", sequence=2))

    assert threads.eligible() == []


def test_a_take_over_forgets_letters_another_process_may_have_done():
    threads = Threads()
    threads.buried(mark("d", sequence=1))
    threads.taken_out(mark("d", letter="d", sequence=1))

    threads.restore([], [])
    assert threads.is_blocked("t")

    threads.restore([], [], is_takeover=True)
    assert threads.is_clear("t")


def test_sequences_go_on_after_the_greatest_known():
    threads = Threads()

    threads.restore([mark("d", sequence=7)], [mark("p", sequence=9)])

    assert threads.next_sequence() == 10


def test_a_message_without_a_thread_is_one_of_its_own():
    assert marks_of("m1", {}).thread == "message/m1"
    assert marks_of("m1", {"x-esb-version": "5", "x-esb-sequence": None}).version is None


class ThreadsModel(RuleBasedStateMachine):
    """One thread against two plain lists: what rests in `.dead` and what rests in `.parked`."""

    def __init__(self) -> None:
        super().__init__()
        self.threads = Threads()
        self.dead: dict[str, Marks] = {}
        self.under_way: dict[str, Marks] = {}
        self.parked: list[Marks] = []
        self.count = 0

    @rule(version=st.integers(1, 5), outcome=st.sampled_from(["done", "dead", "parked"]))
    def message(self, version, outcome):
        self.count += 1
        arriving = mark(f"m{self.count}", version=version)
        fate = self.threads.fate(arriving)
        letters = {**self.dead, **self.under_way}
        newest = all(known.version < version for known in letters.values())
        assert fate is (Fate.RUN if newest and (letters or not self.parked) else Fate.PARK)
        if fate is Fate.PARK or outcome == "parked":
            self.park(arriving)
        elif outcome == "dead":
            self.bury(arriving, self.threads.next_sequence())
        else:
            for letter in self.threads.superseded_by(arriving):
                self.close(letter)

    @precondition(lambda self: self.dead)
    @rule(data=st.data())
    def replay(self, data):
        key = data.draw(st.sampled_from(sorted(self.dead)))
        letter = self.dead.pop(key)
        self.threads.taken_out(letter)
        self.under_way[key] = letter

    @precondition(lambda self: set(self.under_way) - self.parked_keys())
    @rule(data=st.data(), outcome=st.sampled_from(["done", "dead", "parked"]))
    def letter_arrives(self, data, outcome):
        key = data.draw(st.sampled_from(sorted(set(self.under_way) - self.parked_keys())))
        letter = self.under_way[key]
        earlier = [k for k, v in {**self.dead, **self.under_way}.items() if k != key and v.sequence < letter.sequence]
        assert self.threads.fate(letter) is (Fate.RETURN if earlier else Fate.RUN)
        if earlier or outcome == "dead":
            del self.under_way[key]
            self.bury(letter, letter.sequence)
        elif outcome == "parked":
            self.park(letter)
        else:
            self.close(key)

    @precondition(lambda self: self.parked)
    @rule(outcome=st.sampled_from(["done", "dead"]))
    def pass_over_parked(self, outcome):
        allowed = [one for one in self.parked if self.threads.may_try(one)]
        assert allowed or not self.threads.eligible()
        assert self.threads.eligible() or self.dead or self.under_way
        if not allowed:
            return
        chosen = allowed[0]
        self.parked.remove(chosen)
        self.threads.taken_back("t")
        if chosen.letter is not None:
            self.under_way.pop(chosen.letter, None)
            self.threads.letter_closed("t", chosen.letter)
        if outcome == "dead":
            self.bury(chosen, chosen.sequence or self.threads.next_sequence())

    @rule()
    def process_restarts(self):
        lost = {key: one for key, one in self.under_way.items() if key not in self.parked_keys()}
        for key, letter in lost.items():
            del self.under_way[key]
            self.dead[key] = letter
        for one in self.parked:
            if one.letter and one.letter not in self.dead:
                self.under_way[one.letter] = one
        self.threads = Threads()
        self.threads.restore(self.dead.values(), self.parked, is_takeover=True)

    @invariant()
    def counts_agree(self):
        held = self.threads.letters.get("t", {})
        assert set(held) == {*self.dead, *self.under_way}
        assert {key for key in held if self.threads.rests_in_dead("t", key)} == set(self.dead)
        assert self.threads.parked["t"] == len(self.parked)
        assert self.threads.is_clear("t") == (not held and not self.parked)

    def parked_keys(self):
        return {one.letter for one in self.parked if one.letter}

    def park(self, arriving):
        self.threads.moved_aside(arriving)
        self.parked.append(arriving)

    def bury(self, arriving, sequence):
        key = arriving.letter or arriving.message_id
        letter = Marks("t", f"{key}/dead", arriving.object, arriving.version, key, sequence)
        self.dead[key] = letter
        self.threads.buried(letter)

    def close(self, key):
        self.dead.pop(key, None)
        self.under_way.pop(key, None)
        self.threads.letter_closed("t", key)


ThreadsModel.TestCase.settings = settings(max_examples=150, stateful_step_count=30, deadline=None)
TestThreads = ThreadsModel.TestCase
