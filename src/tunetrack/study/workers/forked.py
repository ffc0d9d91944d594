"""Imported last by the process from which workers are forked, and by nothing else: keeps their common memory common.

Python's collector writes into every object that it looks at, and so gives each worker a copy of it. What is loaded when
this is imported stays for good, and need not be looked at. Nor is there anything to tidy up at the end.
"""

from __future__ import annotations

import atexit
import gc
import os
import sys

if sys.argv == ["-c"]:  # as multiprocessing starts that process; whoever else imports this is spared
    atexit.register(os._exit, 0)  # not in workers, which leave in another way
    gc.collect()
    gc.freeze()
