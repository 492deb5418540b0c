"""`python -m tl_steer`: the command line."""

import sys

from tl_steer.cli import main

if __name__ == "__main__":
    sys.exit(main())
