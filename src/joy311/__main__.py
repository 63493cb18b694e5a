"""``python -m joy311`` and the console script ``joy311``."""

from __future__ import annotations


def main() -> None:
    """Run the command line."""
    from joy311.cli import app

    app()


if __name__ == "__main__":
    main()
