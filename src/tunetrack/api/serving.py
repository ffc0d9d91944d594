"""Starts the tracking server on a place and says which link opens which study."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from tunetrack.errors import TrackingError, masked
from tunetrack.server import ServerSpec, StudyLink, is_loopback, running_server, studies_url, study_links
from tunetrack.study.place import Place
from tunetrack.tracking import connect

__all__ = ["Served", "Serving", "serve"]


@dataclass(frozen=True)
class Serving:
    """How to serve.

    Attributes:
        host, port: to listen on; port 0 takes a free one.
        artifacts: folder or address of the artifacts; None: those of the place.
        allowed_hosts: names by which browsers may call the server; none: localhost and private addresses.
    """

    host: str = "127.0.0.1"
    port: int = 5000
    artifacts: str | None = None
    allowed_hosts: tuple[str, ...] = ()


@dataclass(frozen=True)
class Served:
    """A server that runs.

    Attributes:
        base_url: where it answers.
        studies_url: our page of all studies.
        links: to each study, newest first.
        warning: what to know about who can reach it; empty where only this machine can.
    """

    base_url: str
    studies_url: str
    links: tuple[StudyLink, ...]
    warning: str = ""


def serve(place: Place, wanted: Serving, environment: Mapping[str, str], announce: Callable[[Served], None]) -> None:
    """Serves until SIGINT or SIGTERM comes.

    Args:
        place: its tracking database is served, with the artifacts of its home.
        wanted: how.
        environment: of the server's process.
        announce: called once, when the server answers.

    Raises:
        TrackingError: the port is taken, the database cannot be read, or the server ended by itself.
    """
    if place.tracking.startswith(("http://", "https://")):
        raise TrackingError(f"{masked(place.tracking)} is a server already; open it in a browser")
    place.make()
    with connect(place.tracking) as store:  # says what is wrong with the database before a server is started on it
        spec = ServerSpec(
            place.home,
            host=wanted.host,
            port=wanted.port,
            backend_store_uri=place.tracking,
            artifacts=wanted.artifacts or str(place.artifacts),
            allowed_hosts=wanted.allowed_hosts,
            environment=environment,
        )
        with running_server(spec) as server:
            base = server.base_url
            announce(Served(base, studies_url(base), study_links(store, base), _warning(wanted.host)))
            server.wait()


def _warning(host: str) -> str:
    if is_loopback(host):
        return ""
    return (
        f"The server listens on {host} and asks for no password: whoever reaches it can read, change and delete all "
        "runs."
    )
