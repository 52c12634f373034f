"""A network namespace with links to ours that can be pulled, as a cable can."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess

import pytest

# The first of three networks for documentation (RFC 5737): no machine has these addresses.
NETWORK = "192.0.2"
# What a system says that lets us have namespaces, but no links between them.
NO_LINKS = (
    "RTNETLINK answers: Operation not permitted\n",
    "RTNETLINK answers: Operation not supported\n",
    "Error: Unknown device type.\n",
)


def ip(*words):
    return subprocess.run(["ip", *words], check=True, capture_output=True, text=True, timeout=10)


class Namespace:
    """A network with some links to ours; a link has one address on each side."""

    def __init__(self, links):
        self.name = f"fastws-{os.getpid()}"
        self.prefix = ["ip", "netns", "exec", self.name]
        # Four addresses for each link, elsewhere for another process that tests at the same time.
        first = os.getpid() % (64 // links) * links * 4
        self._ours = [first + 4 * link + 1 for link in range(links)]
        self.hosts = [f"{NETWORK}.{number + 1}" for number in self._ours]

    def _device(self, link):
        return f"fw{os.getpid()}-{link}"

    def __enter__(self):
        if shutil.which("ip") is None:
            pytest.skip("ip is not installed")
        try:
            ip("netns", "add", self.name)
        except subprocess.CalledProcessError as error:
            pytest.skip(f"network namespaces are not permitted here: {error.stderr.strip()}")
        try:
            for link, (number, host) in enumerate(zip(self._ours, self.hosts, strict=True)):
                ours, theirs = self._device(link), f"link{link}"
                peer = ("peer", "name", theirs, "netns", self.name)
                ip("link", "add", ours, "type", "veth", *peer)
                ip("address", "add", f"{NETWORK}.{number}/30", "dev", ours)
                ip("-n", self.name, "address", "add", f"{host}/30", "dev", theirs)
                ip("link", "set", ours, "up")
                self.plug(link)
        except BaseException as error:
            self.__exit__()
            if getattr(error, "stderr", None) in NO_LINKS:
                pytest.skip(f"links between networks cannot be had here: {error.stderr.strip()}")
            raise
        return self

    def plug(self, link):
        ip("-n", self.name, "link", "set", f"link{link}", "up")

    def pull(self, link):
        """Lose all that is sent over a link, without telling anyone."""
        ip("-n", self.name, "link", "set", f"link{link}", "down")

    def __exit__(self, *exc_info):
        for link in range(len(self.hosts)):
            with contextlib.suppress(subprocess.CalledProcessError):  # it was not made
                # They would go with the namespace, but some time later: the next has their names.
                ip("link", "delete", self._device(link))
        ip("netns", "delete", self.name)
