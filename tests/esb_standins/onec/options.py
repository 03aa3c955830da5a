"""Settings of one base: where it is published, who may enter, and which unconfirmed behaviour it shows."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any
from zoneinfo import ZoneInfo

from esb_standins.company import BASES


@dataclass(frozen=True)
class BaseOptions:
    """The table `[standins."onec.<name>"]`.

    Attributes:
        profile: one of `profile.PROFILES`.
        publication: first path segment of the address; the part of the name after the dot unless given.
        user, password: the only account; an empty user lets everybody in.
        entities: codes of the company's legal entities that the base holds.
        base_prefix: second half of document number prefixes; the configuration's own unless given.
        number_uniqueness: whether a taken number or code is refused.
        substring_of_unlimited: whether `substringof` and `like` work on text of unlimited length.
        inlinecount_ignores_paging: whether `$inlinecount` makes `$top` and `$skip` void, as documented.
        post_answers_entity: whether `/Post` answers with the document instead of nothing.
        if_match: whether a stale `If-Match` is refused with 412.
        navigation_links: whether non-empty references carry `@navigationLinkUrl`.
        prohibition_date: documents dated up to this day (2025-12-31) cannot be written or posted; empty for none.
        timezone: the server's wall clock.
    """

    profile: str
    publication: str
    user: str = ""
    password: str = ""
    entities: tuple[str, ...] = ()
    base_prefix: str = ""
    number_uniqueness: bool = True
    substring_of_unlimited: bool = False
    inlinecount_ignores_paging: bool = False
    post_answers_entity: bool = False
    if_match: bool = False
    navigation_links: bool = False
    prohibition_date: str = ""
    timezone: str = "Europe/Moscow"

    @classmethod
    def parse(cls, name: str, raw: Mapping[str, Any]) -> "BaseOptions":
        """Read the options of the stand-in called `name`. Raises ValueError for names it does not know."""
        unknown = set(raw) - {item.name for item in fields(cls)}
        if unknown:
            raise ValueError(f"{name}: unknown options {sorted(unknown)}")
        defaults = {"publication": name.partition(".")[2] or name, "entities": BASES.get(name, ())}
        given = {**defaults, **raw}
        return cls(**{**given, "entities": tuple(given["entities"])})

    @property
    def zone(self) -> ZoneInfo:
        return ZoneInfo(self.timezone)
