"""Where Python is told to write no bytecode, all processes of the tests share a folder for it.

Each of them would compile torch, pandas and MLflow again: more than half of what its start costs.
"""

import atexit
import os
import shutil
import sys
import tempfile

if sys.dont_write_bytecode and "PYTHONPYCACHEPREFIX" not in os.environ:
    sys.pycache_prefix = tempfile.mkdtemp(prefix="began-bench-bytecode-")
    sys.dont_write_bytecode = False
    os.environ["PYTHONPYCACHEPREFIX"] = sys.pycache_prefix
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    atexit.register(shutil.rmtree, sys.pycache_prefix, ignore_errors=True)
