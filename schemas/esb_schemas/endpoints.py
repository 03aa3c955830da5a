"""What the bus itself has to tell about the systems it is connected to."""

from pydantic import AwareDatetime, Field

from esb_schemas.envelope import Event


class EndpointPaused(Event):
    """An endpoint does not answer; its queue waits and burns no attempts."""

    type = "endpoint.paused"

    endpoint: str
    code: str
    reason: str
    since: AwareDatetime


class EndpointResumed(Event):
    """An endpoint answers again and its queue goes on."""

    type = "endpoint.resumed"

    endpoint: str
    paused_seconds: int = Field(ge=0)


class EndpointDrifted(Event):
    """An endpoint is no longer what the landscape says: a field, object or right is missing."""

    type = "endpoint.drifted"

    endpoint: str
    findings: tuple[str, ...] = Field(min_length=1)
