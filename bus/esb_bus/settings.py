"""Where things are and their secrets: read once in `main`, passed on as values."""

from pathlib import Path
from typing import Literal
from urllib.parse import parse_qs, urlsplit

from pydantic import Field, SecretStr, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from esb_bus.addresses import addresses_of
from esb_bus.errors import EsbError


class SecretMissing(EsbError):
    """A secret the landscape names is neither a file nor a variable."""

    code = "secret_missing"


class Settings(BaseSettings):
    """Environment variables with the prefix `ESB_`."""

    model_config = SettingsConfigDict(env_prefix="ESB_", frozen=True)

    amqp_url: SecretStr
    """One address, or those of all nodes of a cluster, separated by commas."""
    redis_url: SecretStr | None = None
    """Without it there is no cache: slower, never wrong."""
    redis_prefix: str = "esb:"
    management_url: SecretStr | None = Field(default=None, validation_alias="ESB_AMQP_MANAGEMENT_URL")
    admin_url: SecretStr | None = Field(default=None, validation_alias="ESB_AMQP_ADMIN_URL")
    """Management address with an administrator's account: for `esb topology users` only."""
    landscape: Path = Path("landscape.toml")
    secrets_dir: Path | None = None
    ca_file: Path | None = None
    """The company's own authority (PEM), besides the system's: see `tls`."""
    http_host: str = "127.0.0.1"
    http_port: int = Field(default=8080, ge=0, le=65535)
    heartbeat_s: int = Field(default=4, ge=1, le=4)
    publish_deadline_s: float = Field(default=10, gt=0)
    door_deadline_s: float = Field(default=2.5, gt=0, le=3)
    prefetch: int = Field(default=128, ge=2, le=2000)
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"
    log_format: str = Field(default="json", pattern="^(json|console)$")

    @field_validator("amqp_url", "redis_url")
    @classmethod
    def _is_verified(cls, url: SecretStr | None) -> SecretStr | None:
        """Libraries take a switch that turns verification off from the address; we do not."""
        urls = addresses_of(url.get_secret_value()) if url is not None else []
        if forbidden := UNVERIFIED.intersection(name for one in urls for name in parse_qs(urlsplit(one).query)):
            raise ValueError(f"{', '.join(sorted(forbidden))} is not accepted: name your authority in ESB_CA_FILE")
        return url


UNVERIFIED = {"no_verify_ssl", "verify", "ssl_cert_reqs", "ssl_check_hostname"}


class Secrets:
    """Secrets by name: the file `<secrets_dir>/<name>`, else the variable `ESB_SECRET_<NAME>`.

    A class and not a dict so that it never shows its values when printed.
    """

    def __init__(self, directory: Path | None, environ: dict[str, str]) -> None:
        self._directory = directory
        self._environ = environ

    def get(self, name: str) -> SecretStr:
        """Return one secret without surrounding blanks.

        Raises:
            SecretMissing: neither the file nor the variable exists, or it is empty.
        """
        value = self._from_file(name) or self._environ.get(f"ESB_SECRET_{name.upper()}", "").strip()
        if not value:
            where = f"{self._directory}/{name}" if self._directory else "ESB_SECRETS_DIR (not set)"
            raise SecretMissing(f"the secret {name!r} is neither in {where} nor in ESB_SECRET_{name.upper()}")
        return SecretStr(value)

    def _from_file(self, name: str) -> str:
        if self._directory is None or not (self._directory / name).is_file():
            return ""
        return (self._directory / name).read_text(encoding="utf-8").strip()
