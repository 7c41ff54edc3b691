"""One POST to an address that somebody typed: to no machine of our own network, and with an end.

The host's name is resolved here, the addresses are checked, and the connection goes to a checked address: a
name that means something else a moment later changes nothing. Redirects are not followed.
"""

from __future__ import annotations

import contextlib
import http.client
import ipaddress
import socket
import ssl
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from time import monotonic
from urllib.parse import SplitResult, urlsplit

CONNECT_SECONDS = 5.0
WHOLE_SECONDS = 10.0  # from the first byte to the last
ANSWER_BYTES = 2_000  # of the body; the rest is not read
PORTS = {"https": 443, "http": 80}
NAT64 = ipaddress.ip_network("64:ff9b::/96")

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network


class Refused(Exception):  # noqa: N818 - it names an outcome
    """This address is not to be reached; the message says why, for a person."""


@dataclass(frozen=True)
class Answer:
    """What came of it.

    Attributes:
        status: of HTTP; None when there was no answer.
        error: in words; empty when it was taken.
        body: the beginning of the answer's body.
    """

    status: int | None
    error: str
    body: str
    seconds: float

    @property
    def ok(self) -> bool:
        """The receiver took it."""
        return self.status is not None and 200 <= self.status < 300


def parse(url: str) -> SplitResult:
    """The parts of an address.

    Raises:
        Refused: it is none that a webhook can go to.
    """
    try:
        parts = urlsplit(url)
        port = parts.port
        host = (parts.hostname or "").encode("idna").decode()
    except (ValueError, UnicodeError):
        raise Refused("This is not a web address.") from None
    if parts.scheme not in PORTS or not host or port == 0:
        raise Refused("Write an address that begins with https://.")
    if parts.username or parts.password:
        raise Refused("Leave the name and password out: webhooks are signed.")
    if parts.fragment or any(ord(each) <= 32 or ord(each) > 126 for each in url):
        raise Refused("This address has characters that do not belong there.")
    return parts


def is_public(address: Address) -> bool:
    """Whether the whole internet may reach it; an IPv4 address inside an IPv6 one counts as what it is."""
    if isinstance(address, ipaddress.IPv6Address):
        inner = address.ipv4_mapped or address.sixtofour or (address.teredo or (None, None))[1]
        if inner is None and address in NAT64:
            inner = ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
        if inner is not None:
            return is_public(inner)
    return address.is_global and not (address.is_multicast or address.is_reserved or address.is_loopback)


def reachable(url: str, networks: Sequence[Network]) -> list[Address]:
    """Addresses of the url's host that may be connected to.

    Args:
        networks: private ones that are allowed all the same; plain HTTP is allowed to these alone.

    Raises:
        Refused: there is none.
    """
    parts = parse(url)
    try:
        found = socket.getaddrinfo(parts.hostname, parts.port or PORTS[parts.scheme], type=socket.SOCK_STREAM)
    except OSError:
        raise Refused("The host's name cannot be resolved.") from None
    addresses = [ipaddress.ip_address(str(each[4][0]).partition("%")[0]) for each in found]
    own = [each for each in addresses if any(each in network for network in networks)]
    if parts.scheme == "http":
        if own:
            return own
        raise Refused("Only https:// is allowed, except to networks in MAPGAN_WEBHOOK_NETWORKS.")
    allowed = [each for each in addresses if each in own or is_public(each)]
    if not allowed:
        raise Refused(
            "This host is in a private network, which webhooks may not reach. "
            "The operator can allow it with MAPGAN_WEBHOOK_NETWORKS."
        )
    return allowed


def post(url: str, body: bytes, headers: Mapping[str, str], *, networks: Sequence[Network]) -> Answer:
    """Send it. Whatever happens is an answer, after `WHOLE_SECONDS` and the name's resolution at most."""
    began = monotonic()
    status, text, error = None, "", ""
    try:
        addresses = reachable(url, networks)
        status, text = _exchange(parse(url), addresses, body, headers)
        if not 200 <= status < 300:
            moved = ". Redirects are not followed: give the new address" if 300 <= status < 400 else ""
            error = f"Answered {status}{moved}."
    except Refused as refusal:
        error = str(refusal)
    except ssl.SSLError as problem:
        error = f"No secure connection: {problem.reason or 'refused'}."
        if isinstance(problem, ssl.SSLCertVerificationError):
            error = f"The certificate is not accepted: {problem.verify_message}."
    except TimeoutError:
        error = "No answer in time."
    except (OSError, http.client.HTTPException) as problem:
        error = f"No answer: {getattr(problem, 'strerror', None) or type(problem).__name__}."
    return Answer(status, error, text, monotonic() - began)


def _exchange(
    parts: SplitResult, addresses: Sequence[Address], body: bytes, headers: Mapping[str, str]
) -> tuple[int, str]:
    host, port = str(parts.hostname), parts.port or PORTS[parts.scheme]
    stream = _connected(addresses, port)
    if parts.scheme == "https":
        context = ssl.create_default_context()
        stream = context.wrap_socket(stream, server_hostname=host, do_handshake_on_connect=False)
    # A server that sends a byte now and then keeps every read alive: only a clock of ours ends it.
    late = threading.Event()
    deadline = threading.Timer(WHOLE_SECONDS, _hang_up, (stream, late))
    deadline.daemon = True
    deadline.start()
    try:
        if isinstance(stream, ssl.SSLSocket):
            stream.do_handshake()
        connection = http.client.HTTPConnection(host, parts.port)
        connection.default_port = PORTS[parts.scheme]
        connection.sock = stream
        path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        connection.request("POST", path, body=body, headers={**headers, "Connection": "close"})
        response = connection.getresponse()
        text = response.read(ANSWER_BYTES).decode("utf-8", "replace")
    except (OSError, http.client.HTTPException):
        if late.is_set():
            raise TimeoutError from None
        raise
    finally:
        deadline.cancel()
        stream.close()
    if late.is_set():
        raise TimeoutError
    return response.status, text


def _connected(addresses: Sequence[Address], port: int) -> socket.socket:
    problem: OSError = OSError("no address")
    for address in addresses[:2]:
        try:
            return socket.create_connection((str(address), port), timeout=CONNECT_SECONDS)
        except OSError as error:
            problem = error
    raise problem


def _hang_up(stream: socket.socket, late: threading.Event) -> None:
    late.set()
    with contextlib.suppress(OSError):  # it has ended by itself
        socket.socket.shutdown(stream, socket.SHUT_RDWR)  # beneath TLS, so that a waiting read ends
