"""Is an address this machine's own? What listens nowhere else needs no token."""

import ipaddress


def is_loopback(host: str) -> bool:
    """Whether an address, or ``localhost``, is this machine's own.

    >>> is_loopback("127.0.0.1"), is_loopback("::1"), is_loopback("10.0.0.1"), is_loopback("example.org")
    (True, True, False, False)
    """
    if host.lower().rstrip(".") == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.partition("%")[0]).is_loopback
    except ValueError:
        return False
