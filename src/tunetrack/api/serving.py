"""Starts the tracking server on a place and says which link opens which study."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from tunetrack.errors import TrackingError
from tunetrack.server import ServerSpec, StudyLink, running_server, study_links
from tunetrack.study.place import Place
from tunetrack.tracking import connect

__all__ = ["serve"]


def serve(
    place: Place,
    address: tuple[str, int],
    environment: Mapping[str, str],
    announce: Callable[[str, Sequence[StudyLink]], None],
) -> None:
    """Serves until SIGINT or SIGTERM comes.

    Args:
        place: its tracking database is served, with the artifacts of its home.
        address: host and port to listen on; port 0 takes a free one.
        environment: of the server's process.
        announce: called once with the server's address and the links to its studies.

    Raises:
        TrackingError: the port is taken, the database cannot be read, or the server ended by itself.
    """
    if place.tracking.startswith(("http://", "https://")):
        raise TrackingError(f"{place.tracking} is a server already; open it in a browser")
    place.make()
    with connect(place.tracking) as store:  # says what is wrong with the database before a server is started on it
        spec = ServerSpec(
            place.home,
            host=address[0],
            port=address[1],
            backend_store_uri=place.tracking,
            artifacts=str(place.artifacts),
            environment=environment,
        )
        with running_server(spec) as server:
            announce(server.base_url, study_links(store, server.base_url))
            server.wait()
