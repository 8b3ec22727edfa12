"""`python -m bridge` is `eai`, for a team whose own command has that name already."""

from __future__ import annotations

from bridge.cli import main

if __name__ == "__main__":
    main()
