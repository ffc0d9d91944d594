"""`python -m tunetrack`: the same as the command `tunetrack`."""

from __future__ import annotations

from tunetrack.cli import main

if __name__ == "__main__":
    main()
