"""`python -m ftcli`, which is also what torchrun starts: `torchrun -m ftcli train RECIPE`."""

from __future__ import annotations

import sys


def main() -> None:
    """Run the command line and exit with its code."""
    from ftcli.cli.app import run

    sys.exit(run(sys.argv[1:]))


if __name__ == "__main__":
    main()
