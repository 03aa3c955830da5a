"""Entry of `python -m esb_standins.nodes`."""

import sys

from esb_standins.nodes.main import main

sys.exit(main(sys.argv[1:]))
