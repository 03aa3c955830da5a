"""Whom the process trusts: the system's authorities, and the company's own when ESB_CA_FILE names it.

Verification of certificate and host name is on everywhere and has no switch: what has a certificate of its own gets
its authority into ESB_CA_FILE. The file is given to OpenSSL itself (its variable SSL_CERT_FILE), so that AMQP, Redis
and HTTP trust the same, whichever library opens the connection. The folder of the system's authorities stays in force.
"""

import os
import ssl
from pathlib import Path

from esb_bus.errors import EsbError


class AuthorityUnusable(EsbError):
    """ESB_CA_FILE is not a file of certificates."""

    code = "authority_unusable"


def trust(ca_file: Path | None) -> None:
    """Trust an authority for the life of this process. Call before the first connection; None changes nothing.

    Raises:
        AuthorityUnusable: no such file, or no certificate in it.
    """
    if ca_file is None:
        return
    try:
        ssl.create_default_context(cafile=str(ca_file))
    except (OSError, ssl.SSLError) as error:
        raise AuthorityUnusable(f"ESB_CA_FILE {ca_file}: {error.strerror or 'no certificate in it'}") from error
    os.environ["SSL_CERT_FILE"] = str(ca_file)


def client_context() -> ssl.SSLContext:
    """Verification of certificate and host name, TLS 1.2 or newer."""
    context = ssl.create_default_context()
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context
