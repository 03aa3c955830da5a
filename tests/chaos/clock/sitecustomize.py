"""A process whose clock is wrong: Python imports this by itself when the folder is in PYTHONPATH.

Only what a program reads as the time of day is moved; the monotonic clock of timers is the kernel's and stays.
"""

import datetime as dt
import os
import time

OFFSET_S = float(os.environ.get("ESB_CHAOS_CLOCK_S", "0"))

_Real = dt.datetime
_real_time = time.time


class _AnyDatetime(type):
    """Everybody else's datetimes count as ours."""

    def __instancecheck__(cls, instance: object) -> bool:
        return isinstance(instance, _Real)


class _Moved(_Real, metaclass=_AnyDatetime):
    @classmethod
    def now(cls, tz: dt.tzinfo | None = None) -> dt.datetime:
        return _Real.now(tz) + dt.timedelta(seconds=OFFSET_S)


if OFFSET_S:
    dt.datetime = _Moved  # type: ignore[misc]  # before anybody else has imported it
    time.time = lambda: _real_time() + OFFSET_S
