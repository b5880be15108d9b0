"""`python -m acclimate`, and the command `acclimate`."""

import signal

if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
    # Until the command line handles it: no traceback of an import.
    signal.signal(signal.SIGINT, signal.SIG_DFL)

from acclimate.cli.main import main

if __name__ == "__main__":
    main()
