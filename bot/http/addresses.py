"""Tells addresses of the internet from all others: `is_public`.

The networks stand here and not in `ipaddress`, whose `is_global` differs from one Python to the next: 3.11.7 calls
192.0.0.192, 64:ff9b:1::1, ::ffff:0:7f00:1 and fec0::1 global. They are those of IANA's registries of special-purpose
addresses (RFC 6890), and of clouds that answer machines of their own under a public address.
"""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address

IPAddress = IPv4Address | IPv6Address

REFUSED_IPV4 = (
    IPv4Network("0.0.0.0/8"),  # this network
    IPv4Network("10.0.0.0/8"),  # private
    IPv4Network("100.64.0.0/10"),  # the NAT of providers, and Alibaba's metadata
    IPv4Network("127.0.0.0/8"),  # this machine
    IPv4Network("168.63.129.16/32"),  # what Azure tells its machines
    IPv4Network("169.254.0.0/16"),  # this link, and most clouds' metadata
    IPv4Network("172.16.0.0/12"),  # private
    IPv4Network("192.0.0.0/24"),  # of protocols, and Oracle's metadata
    IPv4Network("192.0.2.0/24"),  # documentation
    IPv4Network("192.88.99.0/24"),  # relays of 6to4
    IPv4Network("192.168.0.0/16"),  # private
    IPv4Network("198.18.0.0/15"),  # benchmarks
    IPv4Network("198.51.100.0/24"),  # documentation
    IPv4Network("203.0.113.0/24"),  # documentation
    IPv4Network("224.0.0.0/3"),  # multicast, class E, broadcast
)
GLOBAL_UNICAST = IPv6Network("2000::/3")
REFUSED_IPV6 = (  # of global unicast
    IPv6Network("2001::/23"),  # of protocols: Teredo, benchmarks, ORCHID
    IPv6Network("2001:db8::/32"),  # documentation
    IPv6Network("2002::/16"),  # 6to4
    IPv6Network("3ffe::/16"),  # the network of experiments, given back
    IPv6Network("3fff::/20"),  # documentation
)
MAPPED, NAT64 = IPv6Network("::ffff:0:0/96"), IPv6Network("64:ff9b::/96")  # an IPv4 address in its last four bytes
ISATAP = (0x00005EFE, 0x02005EFE)  # the bytes before such an address, in any network


def is_public(text: str) -> bool:
    """Whether a text is an address of one machine on the internet, and stands for no address that is none.

    Addresses with a zone ("fe80::1%eth0") and texts that are no address are not public.
    """
    try:
        address = ip_address(text)
    except ValueError:
        return False
    if isinstance(address, IPv4Address):
        return not any(address in network for network in REFUSED_IPV4)
    if address.scope_id is not None:
        return False
    embedded = str(IPv4Address(int(address) & 0xFFFFFFFF))
    if address in MAPPED or address in NAT64:
        return is_public(embedded)
    if address not in GLOBAL_UNICAST or any(address in network for network in REFUSED_IPV6):
        return False
    return int(address) >> 32 & 0xFFFFFFFF not in ISATAP or is_public(embedded)
