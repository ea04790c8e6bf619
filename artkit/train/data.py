"""Pictures for training: folders decoded once into memory, random crops out of them."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

from artkit.contract import PictureError

SUFFIXES = {".jpg", ".jpeg", ".png", ".webp"}


def _decode(path: Path) -> np.ndarray | None:
    import cv2

    data = np.fromfile(path, np.uint8)
    bgr = cv2.imdecode(data, cv2.IMREAD_COLOR) if data.size else None
    return None if bgr is None else np.ascontiguousarray(bgr[..., ::-1])


class Crops:
    """Random square crops of the pictures in some folders, as 8-bit arrays in memory.

    The folders are read whole, in the order of their names, so that a seed gives the same crops everywhere.
    """

    def __init__(self, *folders: Path, limit: int | None = None) -> None:
        """limit: at most so many pictures. PictureError when there are none."""
        files = [path for folder in folders for path in sorted(folder.iterdir()) if path.suffix.lower() in SUFFIXES]
        with ThreadPoolExecutor(16) as readers:
            decoded = readers.map(_decode, files[:limit])
            self.pictures = [picture for picture in decoded if picture is not None]
        if not self.pictures:
            raise PictureError(
                f"no pictures in {', '.join(map(str, folders))}; give folders of JPEG, PNG or WebP files"
            )

    def __len__(self) -> int:
        return len(self.pictures)

    def draw(self, rng: np.random.Generator, count: int, size: int) -> np.ndarray:
        """(count, size, size, 3), float32, 0..1: random place, scale (up to 1.6), mirror, contrast, color balance."""
        return np.stack([self._one(rng, size) for _ in range(count)])

    def _one(self, rng: np.random.Generator, size: int) -> np.ndarray:
        import cv2

        picture = self.pictures[rng.integers(len(self.pictures))]
        shorter = min(picture.shape[:2])
        window = min(shorter, max(8, round(size / rng.uniform(0.9, 1.6))))
        y = rng.integers(picture.shape[0] - window + 1)
        x = rng.integers(picture.shape[1] - window + 1)
        crop = picture[y : y + window, x : x + window]
        if window != size:
            crop = cv2.resize(crop, (size, size), interpolation=cv2.INTER_CUBIC if window < size else cv2.INTER_AREA)
        crop = crop.astype(np.float32) / 255
        if rng.random() < 0.5:
            crop = crop[:, ::-1]
        contrast = np.exp(rng.normal(0, 0.12)) * np.exp(rng.normal(0, 0.05, 3))
        crop = (crop - 0.5) * contrast + 0.5 + rng.normal(0, 0.04)
        return np.clip(crop, 0, 1).astype(np.float32)
