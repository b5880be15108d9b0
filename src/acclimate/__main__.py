"""`python -m acclimate`, and the command `acclimate`."""

import signal

if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
    signal.signal(
        signal.SIGINT, signal.SIG_DFL
    )  # until the command line handles it: no traceback of an import

from acclimate.cli.main import main

if __name__ == "__main__":
    main()
