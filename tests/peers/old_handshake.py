"""A handshake of an old version, by tlslite-ng, which still speaks them all: HOST PORT VERSION. Prints what came of it."""

import socket
import sys

from tlslite.api import HandshakeSettings, TLSConnection
from tlslite.errors import TLSError

VERSIONS = {"3.0": (3, 0), "1.0": (3, 1), "1.1": (3, 2), "1.2": (3, 3)}


def main() -> None:
    host, port, name = sys.argv[1], int(sys.argv[2]), sys.argv[3]
    settings = HandshakeSettings()
    settings.minVersion = settings.maxVersion = VERSIONS[name]
    if name == "3.0":
        settings.useExtendedMasterSecret = False
    connection = TLSConnection(socket.create_connection((host, port), timeout=15))
    try:
        connection.handshakeClientCert(settings=settings)
    except (TLSError, OSError) as error:
        print(f"refused: {error!r}")
        return
    connection.send(b"GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")
    print(bytes(connection.recv(max=4096)))


main()
