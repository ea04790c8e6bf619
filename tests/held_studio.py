"""The studio whose downloads are written when a test says so: FOLDER/NAME.begun, and once FOLDER/NAME.go is there.

python -m tests.held_studio FOLDER [flags of app.py]
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

from artkit.interfaces.serve_cli import serve
from artkit.interfaces.studio.work import Finished

if __name__ == "__main__":
    held, written = Path(sys.argv.pop(1)), Finished.write

    def write(self: Finished, kind: str, folder: Path) -> Path:
        """The same, a test's leave later."""
        (held / f"{self.name}.begun").touch()
        while not (held / f"{self.name}.go").exists():
            time.sleep(0.01)
        return written(self, kind, folder)

    Finished.write = write
    serve(prog_name="app.py")
