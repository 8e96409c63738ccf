"""By which network interface the machines of a run reach each other.

gloo listens where a machine's own name leads to. On many that is the machine itself (127.0.1.1), where no other can
reach it, and whoever starts processes on two machines for the first time would have to know GLOO_SOCKET_IFNAME.
"""

from __future__ import annotations

import fcntl
import ipaddress
import os
import socket
import struct

from ftcli.runtime.meeting import KeyValueStore

_VARIABLE = "GLOO_SOCKET_IFNAME"
_SIOCGIFADDR = 0x8915
_DISCARD = 9  # a port; nothing is sent to it


def choose_interface(store: KeyValueStore, *, rank: int, size: int) -> None:
    """Have gloo listen where the other machines can reach this one, unless the user has said where.

    Each rank tells the address from which it reaches the rendezvous. On that machine itself this may be the loopback's;
    it then takes the one from which it reaches another machine.
    """
    if _VARIABLE in os.environ:
        return
    store.set(f"ftcli/address/{rank}", _address_towards(os.environ["MASTER_ADDR"]))
    addresses = [store.get(f"ftcli/address/{each}").decode() for each in range(size)]
    outside = [address for address in addresses if not _is_loopback(address)]
    if outside and _is_loopback(addresses[rank]):
        addresses[rank] = _address_towards(outside[0])
    if name := _interface_of(addresses[rank]):
        os.environ[_VARIABLE] = name


def _address_towards(host: str) -> str:
    """The IPv4 address from which this machine would send to another; the loopback's where it knows no way."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect((host, _DISCARD))
        except OSError:
            return "127.0.0.1"
        return probe.getsockname()[0]


def _is_loopback(address: str) -> bool:
    return ipaddress.ip_address(address).is_loopback


def _interface_of(address: str) -> str | None:
    """The interface that has an address; None for the loopback's, which is no way to another machine."""
    if _is_loopback(address):
        return None
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asked:
        for _, name in socket.if_nameindex():
            try:
                found = fcntl.ioctl(asked.fileno(), _SIOCGIFADDR, struct.pack("256s", name.encode()))
            except OSError:  # it has no address
                continue
            if socket.inet_ntoa(found[20:24]) == address:
                return name
    return None
