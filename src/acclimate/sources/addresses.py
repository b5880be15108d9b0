"""Which network addresses a source may be reached at.

A name is resolved once, every address that it has is checked, and the connection is made to one of
those: what the name means a moment later changes nothing. Addresses inside addresses (IPv4 in
IPv6, NAT64, 6to4, Teredo) are checked as what they lead to.

Standards: RFC 6890 (special-purpose addresses), RFC 6052 (NAT64), RFC 3056 (6to4), RFC 4380
(Teredo).
"""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from acclimate.errors import SourceError

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Resolve = Callable[[str, int], Sequence[str]]
"""The addresses of a host, for a port."""

_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")
_UNICAST = ipaddress.IPv6Network("2000::/3")  # all that is given out to networks so far
_EXAMPLES = ipaddress.IPv6Network("3fff::/20")  # RFC 9637, which older Pythons do not know
_COMPATIBLE = ipaddress.IPv6Network("::/96")
# Where clouds answer any machine inside with its secrets; no setting opens these.
_NEVER = (
    ipaddress.ip_network("169.254.0.0/16"),
    ipaddress.ip_network("fe80::/10"),
    ipaddress.ip_network("fd00:ec2::/32"),
    ipaddress.ip_network("100.100.100.200/32"),
    ipaddress.ip_network("168.63.129.16/32"),
    ipaddress.ip_network("192.0.0.192/32"),
)


def resolve(host: str, port: int) -> list[str]:
    """The addresses of a host by this machine's resolver. Raises OSError."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(address[0]) for *_, address in found))


@dataclass(frozen=True, slots=True)
class AddressGuard:
    """Checks where a host is before anything connects to it."""

    allow_private: bool = False
    resolve: Resolve = resolve

    def addresses(self, host: str, port: int) -> list[str]:
        """The addresses to connect to. Raises SourceError where the host has none, or one that may
        not be reached."""
        name = host.strip("[]")
        try:
            found = self.resolve(name, port)
        except (OSError, UnicodeError) as error:
            raise SourceError(
                f"the host {host} is not known: {getattr(error, 'strerror', None) or error}.",
                hint="Check the address in [sources].",
                retryable=True,
            ) from error
        for text in found:
            self._check(host, text)
        if not found:
            raise SourceError(f"the host {host} has no address.", retryable=True)
        return list(found)

    def check_before_proxy(self, host: str, port: int) -> None:
        """What can be checked where a proxy resolves the host: an address that is written out, and a
        name that is known here too. Raises as `addresses` does."""
        try:
            self.resolve(host.strip("[]"), port)
        except (OSError, UnicodeError):
            return  # only the proxy knows it
        self.addresses(host, port)

    def _check(self, host: str, text: str) -> None:
        shown = host if host == text else f"{host} is {text}, which"
        for address in _meanings(text):
            if _never(address):
                raise SourceError(f"{shown} is an address that no source may have.")
            if not self.allow_private and not _is_public(address):
                raise SourceError(
                    f"{shown} is no public address.",
                    hint="If it is meant: allow_private = true in the source's section.",
                )


def _meanings(text: str) -> Iterator[Address]:
    """An address, and those that it stands for. Raises SourceError for what is none."""
    try:
        address = ipaddress.ip_address(text)
    except ValueError as error:
        raise SourceError(f"'{text}' is not an address.") from error
    yield address
    if isinstance(address, ipaddress.IPv4Address):
        return
    if address.scope_id is not None:
        raise SourceError(f"'{text}' is an address of this link only.")
    if address.ipv4_mapped is not None:
        yield address.ipv4_mapped
    if address.sixtofour is not None:
        yield address.sixtofour
    if address.teredo is not None:
        yield from address.teredo
    if address in _NAT64 or (address in _COMPATIBLE and int(address) > 1):
        yield ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)


def _never(address: Address) -> bool:
    return (
        address.is_multicast
        or address.is_unspecified
        or any(address in network for network in _NEVER if network.version == address.version)
    )


def _is_public(address: Address) -> bool:
    if isinstance(address, ipaddress.IPv4Address):
        return address.is_global
    if address.ipv4_mapped is not None or address in _NAT64:
        return True  # judged by the IPv4 address that it stands for
    return address in _UNICAST and address not in _EXAMPLES and address.is_global
