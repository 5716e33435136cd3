"""Find moments in your own videos by describing them.

Importing any part of the package keeps the current folder, which may be somebody's folder of videos, out of the places
from which Python children import. Children are started by `python -c`, which would look there first of all.
"""

import os  # nothing else: `python -m cret_desktop` still looks for modules in the current folder at this point

# Given back to programs that are not ours (`environment`).
GIVEN_SAFE_PATH = os.environ.get("PYTHONSAFEPATH")
os.environ["PYTHONSAFEPATH"] = "1"
