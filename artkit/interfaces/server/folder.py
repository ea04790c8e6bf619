"""The server's own folder: nobody else can read it, nothing stays there for longer than an hour."""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import tempfile
import time
from collections.abc import AsyncIterator
from pathlib import Path

KEPT = 3600.0  # seconds
PAUSE = 600.0  # seconds between two looks


def private_folder() -> Path:
    """A new folder that only this user can enter."""
    return Path(tempfile.mkdtemp(prefix="artkit-"))


def clean(folder: Path, now: float) -> int:
    """Remove files that were last written more than an hour before `now`, and folders left empty; how many files."""
    removed = 0
    for path in sorted(folder.rglob("*"), key=lambda path: len(path.parts), reverse=True):
        with contextlib.suppress(OSError):  # another one was quicker, or the folder is not empty
            if path.is_dir() and not path.is_symlink():
                path.rmdir() if now - path.stat().st_mtime > KEPT else None
            elif now - path.lstat().st_mtime > KEPT:
                path.unlink()
                removed += 1
    return removed


@contextlib.asynccontextmanager
async def kept_clean(folder: Path) -> AsyncIterator[None]:
    """Clean the folder every ten minutes, and remove it in the end."""

    async def look() -> None:
        while True:
            await asyncio.sleep(PAUSE)
            await asyncio.to_thread(clean, folder, time.time())

    task = asyncio.create_task(look())
    try:
        yield
    finally:
        task.cancel()
        shutil.rmtree(folder, ignore_errors=True)
