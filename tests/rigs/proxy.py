"""A TCP proxy on loopback that can turn connections into half-open ones: the one side believes in them, the other left.

with Proxy(broker.port) as proxy:
    connect(proxy.port)
    proxy.half_open()
"""

import contextlib
import selectors
import socket
import threading
import time
from types import TracebackType
from typing import Self

CHUNK = 65536


class Proxy:
    """Forwards connections to a port of the loopback interface, from construction to `close`.

    Args:
        target: The port.

    Attributes:
        host, port: Where it listens.
        answered_at: Monotonic seconds at which the other side last answered somebody who can still hear it.
    """

    host = "127.0.0.1"

    def __init__(self, target: int) -> None:
        """Listen, and forward in a thread."""
        self._target = target
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=16)
        self.port: int = self._listener.getsockname()[1]
        self.answered_at = 0.0
        self._lock = threading.Lock()
        self._peers: dict[socket.socket, socket.socket | None] = {}
        self._clients: set[socket.socket] = set()
        self._selector = selectors.DefaultSelector()
        self._selector.register(self._listener, selectors.EVENT_READ)
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def half_open(self) -> int:
        """Close every present connection on the far side only: whatever the near side still sends is swallowed.

        Returns:
            How many connections there were. New ones are not touched.
        """
        with self._lock:
            clients = [client for client in self._clients if self._peers.get(client) is not None]
            for client in clients:
                peer = self._peers[client]
                self._peers[client] = None
                if peer is not None:
                    self._forget(peer)
        return len(clients)

    def close(self) -> None:
        """End all connections and the thread."""
        self._closing.set()
        self._thread.join()
        for each in (self._listener, *self._peers):
            each.close()
        self._selector.close()

    def __enter__(self) -> Self:
        """It listens already."""
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        """End it."""
        self.close()

    def _run(self) -> None:
        while not self._closing.is_set():
            for key, _ in self._selector.select(0.1):
                with self._lock:
                    if key.fileobj is self._listener:
                        self._accept()
                    elif isinstance(key.fileobj, socket.socket):
                        self._forward(key.fileobj)

    def _accept(self) -> None:
        client, _ = self._listener.accept()
        try:
            peer = socket.create_connection(("127.0.0.1", self._target), timeout=1)
        except OSError:
            client.close()
            return
        self._clients.add(client)
        for one, other in ((client, peer), (peer, client)):
            one.settimeout(5)
            self._peers[one] = other
            self._selector.register(one, selectors.EVENT_READ)

    def _forward(self, sock: socket.socket) -> None:
        if sock not in self._peers:
            return  # closed while its turn came
        peer = self._peers[sock]
        try:
            data = sock.recv(CHUNK)
            if data and peer is not None:
                peer.sendall(data)
        except OSError:
            data = b""
        if not data:
            self._forget(sock)
            if peer is not None:
                self._forget(peer)
        elif peer is not None and sock not in self._clients:
            self.answered_at = time.monotonic()

    def _forget(self, sock: socket.socket) -> None:
        self._peers.pop(sock, None)
        self._clients.discard(sock)
        with contextlib.suppress(KeyError, ValueError):
            self._selector.unregister(sock)
        sock.close()
