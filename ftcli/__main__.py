"""`python -m ftcli`, which is also what torchrun starts: `torchrun -m ftcli train RECIPE`."""

from __future__ import annotations

import os
import sys
from typing import NoReturn


def main() -> NoReturn:
    """Run the command line and exit with its code."""
    # Idle OpenMP threads sleep instead of spinning: beside one other busy process, spinning made training on two
    # cores 2 to 5 times slower. OpenMP reads this when torch loads it, so it is set before anything imports torch.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    from ftcli.cli.main import run
    from ftcli.runtime.launch import leave
    from ftcli.runtime.tether import heed_tether

    heed_tether()
    leave(run(sys.argv[1:]))


if __name__ == "__main__":
    main()
