"""Draw the pictures of docs/gallery.md, each by the command that stands under it.

    python scripts/draw_gallery.py               all of them, into docs/gallery/; and docs/gallery.jpg
    python scripts/draw_gallery.py flow maze     those that the commands call flow.png and maze.png

Takes some minutes on two CPU cores.
"""

from __future__ import annotations

import argparse
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from PIL import Image, ImageOps

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs/gallery.md"
EDGE = 720  # longest edge of a picture on the page, pixels
FRONT = (  # in the README
    ("flow", "tiles", "minibrot", "coral", "cppn", "clifford"),
    ("plants", "texture", "newton", "lenia", "florets", "dream"),
)
CELL = 240  # edge of a picture there, pixels
STILL = {".png": ".jpg"}  # what a command writes -> what is kept; animations are kept as they are


def commands(page: str) -> dict[str, list[str]]:
    """File name -> the words of the command that writes it, in the page's order."""
    found: dict[str, list[str]] = {}
    for block in re.findall(r"```sh\n(.*?)```", page, re.DOTALL):
        for line in block.replace("\\\n", " ").splitlines():
            words = shlex.split(line)
            if words[:2] == ["artkit", "generate"] and "-o" in words:
                name = words[words.index("-o") + 1]
                if name in found:
                    raise SystemExit(f"{PAGE.name} has two commands that write {name}")
                found[name] = words
    return found


def draw(name: str, words: list[str]) -> Path:
    """Run a command and keep what it makes; the file that the page shows."""
    kept = PAGE.with_suffix("") / Path(name).with_suffix(STILL.get(Path(name).suffix, Path(name).suffix))
    with tempfile.TemporaryDirectory() as folder:
        made = Path(folder) / name
        words = [str(made) if word == name else word for word in words]
        subprocess.run([sys.executable, "-m", "artkit.interfaces.cli", *words[1:], "--quiet"], cwd=ROOT, check=True)
        kept.parent.mkdir(exist_ok=True)
        if kept.suffix == made.suffix:
            shutil.copy(made, kept)
        else:
            with Image.open(made) as picture:
                small = picture.convert("RGB")
                small.thumbnail((EDGE, EDGE), Image.Resampling.LANCZOS)
                small.save(kept, quality=88, optimize=True, progressive=True)
    return kept


def front() -> Path:
    """The README's picture: a few of them side by side."""
    sheet = Image.new("RGB", (len(FRONT[0]) * CELL, len(FRONT) * CELL), "white")
    for y, names in enumerate(FRONT):
        for x, name in enumerate(names):
            with Image.open(PAGE.with_suffix("") / f"{name}.jpg") as picture:
                cell = ImageOps.fit(picture.convert("RGB"), (CELL - 6, CELL - 6), Image.Resampling.LANCZOS)
            sheet.paste(cell, (x * CELL + 3, y * CELL + 3))
    path = PAGE.with_suffix(".jpg")
    sheet.save(path, quality=88, optimize=True, progressive=True)
    return path


def main() -> None:
    parser = argparse.ArgumentParser(description="Draw the pictures of docs/gallery.md.")
    parser.add_argument("names", nargs="*", help="only these, as the commands call them")
    wanted = set(parser.parse_args().names)
    known = commands(PAGE.read_text())
    if unknown := wanted - {Path(name).stem for name in known}:
        parser.error(f"no command of {PAGE.name} writes {', '.join(sorted(unknown))}")
    for name, words in known.items():
        if not wanted or Path(name).stem in wanted:
            print(draw(name, words).relative_to(ROOT), flush=True)
    print(front().relative_to(ROOT))


if __name__ == "__main__":
    main()
