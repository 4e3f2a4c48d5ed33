"""What a process that a test starts has in its environment, so that it finds the project and stays on this machine."""

from __future__ import annotations

import os
from pathlib import Path

ROOT = Path(__file__).parents[2]
PYTHONPATH = os.pathsep.join([str(ROOT), str(Path(__file__).parent / "loopback")])
