"""Find moments in your own videos by describing them.

Importing any part of the package sets PYTHONSAFEPATH, so that Python children do not import modules from the current
folder, which may be a user's folder of videos. Children are started by `python -c`, which would search that folder
first.
"""

import os  # only this import: `python -m cret_desktop` still searches the current folder at this point

# Restored for programs that are not part of the app (`environment`).
GIVEN_SAFE_PATH = os.environ.get("PYTHONSAFEPATH")
os.environ["PYTHONSAFEPATH"] = "1"
