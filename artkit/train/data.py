"""Pictures for training: folders decoded once into memory, random crops out of them."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

import artkit.device  # noqa: F401  (fast BLAS before MLX)

import mlx.core as mx
import numpy as np

from artkit.contract import PictureError

SUFFIXES = {".jpg", ".jpeg", ".png", ".webp"}
TRIES = 20  # crops that are looked at for one that shows something
FLAT = 0.03  # from the darkest to the brightest of a channel, 0..1, to show something


class Crop(NamedTuple):
    """A square out of a picture, and the light it is to be seen in: what training needs of it, in a quarter of the
    memory of the numbers themselves, which the device works out (`lit`).

    pixels: (size, size, 3), 8-bit. light: (2, 3), what each channel (0..1) is multiplied by, and what is added to it.
    """

    pixels: np.ndarray
    light: np.ndarray

    def picture(self) -> np.ndarray:
        """As it is to be seen, (size, size, 3), float32, 0..1."""
        gain, lift = self.light
        return np.clip(self.pixels * (gain / 255) + lift, 0, 1)


def lit(pixels: mx.array, light: mx.array) -> mx.array:
    """Crops stacked, (B, S, S, 3) and (B, 2, 3), as pictures, (B, S, S, 3), float32, 0..1."""
    gain, lift = light[:, 0, None, None], light[:, 1, None, None]
    return mx.clip(pixels.astype(mx.float32) * (gain / 255) + lift, 0, 1)


def _decode(path: Path, least: int, most: int) -> np.ndarray | None:
    """(H, W, 3) 8-bit, its shorter edge within these; None when it cannot be read."""
    import cv2

    try:
        data = np.fromfile(path, np.uint8)
        bgr = cv2.imdecode(data, cv2.IMREAD_COLOR) if data.size else None
    except (OSError, cv2.error):  # may not be read; more pixels than OpenCV takes
        return None
    if bgr is None:
        return None
    shorter = min(bgr.shape[:2])
    if scale := max(least, min(most, shorter)) / shorter if least > shorter or shorter > most else 0:
        width, height = (max(1, round(edge * scale)) for edge in bgr.shape[1::-1])
        bgr = cv2.resize(bgr, (width, height), interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC)
    return np.ascontiguousarray(bgr[..., ::-1])


class Crops:
    """Random square crops of the pictures in some folders, as 8-bit arrays in memory.

    Files are read once, in the order of their names, so that a seed gives the same crops everywhere.
    """

    def __init__(self, *folders: Path, limit: int | None = None, shorter: tuple[int, int] = (1, 1 << 30)) -> None:
        """limit: only the first so many files. shorter: what their shorter edges are brought into, pixels.

        Broken ones are left out and counted in `broken`; PictureError: all are.
        """
        for folder in folders:
            if not folder.is_dir():
                raise PictureError(f'there is no folder "{folder}"; give one with JPEG, PNG or WebP files')
        inside = (path for folder in folders for path in sorted(folder.iterdir()))
        files = [path for path in inside if path.suffix.lower() in SUFFIXES and not path.is_dir()]
        with ThreadPoolExecutor(16) as readers:
            found = list(readers.map(lambda path: _decode(path, *shorter), files[:limit]))
        self.names = [path.stem for path, picture in zip(files, found, strict=False) if picture is not None]
        self.pictures = [picture for picture in found if picture is not None]
        self.broken = len(found) - len(self.pictures)
        if not self.pictures:
            raise PictureError(
                f"no pictures in {', '.join(map(str, folders))}; give folders of JPEG, PNG or WebP files"
            )

    def __len__(self) -> int:
        return len(self.pictures)

    def hold_out(self, most: int, share: int) -> list[tuple[str, np.ndarray]]:
        """Take up to `most` pictures out, one in `share` at most, evenly over the folders: names and (H, W, 3), 8-bit.

        No crop comes from them any more. The same ones every time.
        """
        count = min(most, len(self.pictures) // share)
        places = {(2 * n + 1) * len(self.pictures) // (2 * count) for n in range(count)}
        taken = [(self.names[place], self.pictures[place]) for place in sorted(places)]
        kept = [place for place in range(len(self.pictures)) if place not in places]
        self.names, self.pictures = [self.names[n] for n in kept], [self.pictures[n] for n in kept]
        return taken

    def draw(self, rng: np.random.Generator, count: int, size: int) -> np.ndarray:
        """(count, size, size, 3), float32, 0..1, of `one`."""
        return np.stack([self.one(rng, size) for _ in range(count)])

    def one(self, rng: np.random.Generator, size: int) -> np.ndarray:
        """A crop as a picture, (size, size, 3), float32, 0..1."""
        return self.crop(rng, size).picture()

    def crop(self, rng: np.random.Generator, size: int) -> Crop:
        """Random picture, place, scale (up to 1.6), mirror, contrast and color balance.

        Not a crop of a single color, if there are others: instance norms divide its features by next to nothing, and
        through 14 of them gradients grow beyond all numbers.
        """
        import cv2

        contrast = np.exp(rng.normal(0, 0.12)) * np.exp(rng.normal(0, 0.05, 3))
        light = np.stack([contrast, 0.5 - 0.5 * contrast + rng.normal(0, 0.04)]).astype(np.float32)
        crop = self._window(rng, size)
        for _ in range(TRIES):
            if np.ptp(Crop(crop[::4, ::4], light).picture(), axis=(0, 1)).max() > FLAT:
                break
            crop = self._window(rng, size)
        if (window := len(crop)) != size:
            crop = cv2.resize(crop, (size, size), interpolation=cv2.INTER_CUBIC if window < size else cv2.INTER_AREA)
        if rng.random() < 0.5:
            crop = crop[:, ::-1]
        return Crop(crop, light)

    def _window(self, rng: np.random.Generator, size: int) -> np.ndarray:
        """A square of a picture, as large or up to 1.6 times smaller, (edge, edge, 3), 8-bit."""
        picture = self.pictures[rng.integers(len(self.pictures))]
        window = min(*picture.shape[:2], max(8, round(size / rng.uniform(0.9, 1.6))))
        y = rng.integers(picture.shape[0] - window + 1)
        x = rng.integers(picture.shape[1] - window + 1)
        return picture[y : y + window, x : x + window]


class DeadLeaves:
    """Pictures for those who have no photos: discs of all sizes that hide each other, shaded and a little rough.

    Sizes follow a power law, which gives them the statistics of photographs: edges and even areas at every scale
    (Ruderman 1997, "Origins of scaling in natural images").
    """

    def one(self, rng: np.random.Generator, size: int) -> np.ndarray:
        """One of them, (size, size, 3), float32, 0..1."""
        return self.crop(rng, size).picture()

    def crop(self, rng: np.random.Generator, size: int) -> Crop:
        """One of them, in plain light."""
        import cv2

        palette = rng.beta(1, 1, (5, 1)) * 0.7 + rng.beta(1, 1, (5, 3)) * 0.3
        picture = (self._shade(rng, size) * 255).clip(0, 255).astype(np.uint8)
        # The density of radii falls with their cube: one over their square is uniform.
        radii = rng.uniform((2 / size) ** 2, (1 / 3) ** 2, 400) ** -0.5
        radii[:20] = rng.uniform(size / 16, size / 2.5, 20)
        for radius in radii:
            color = 255 * (palette[rng.integers(5)] + rng.normal(0, 0.05, 3)).clip(0, 1)
            center = rng.integers(0, size, 2).tolist()
            axes = (max(1, round(radius)), max(1, round(radius * rng.uniform(0.3, 1))))
            cv2.ellipse(picture, center, axes, float(rng.uniform(0, 180)), 0, 360, color.tolist(), -1, cv2.LINE_AA)
        shading = self._shade(rng, size).mean(axis=2, keepdims=True) - 0.5
        rough = cv2.GaussianBlur(rng.normal(0, 0.1, (size, size)).astype(np.float32), (0, 0), 0.8)[..., None]
        picture = picture + 255 * (0.5 * shading + rough * rng.random())
        return Crop(picture.clip(0, 255).astype(np.uint8), np.array([[1] * 3, [0] * 3], np.float32))

    @staticmethod
    def _shade(rng: np.random.Generator, size: int) -> np.ndarray:
        """A smooth wash of colors."""
        import cv2

        return cv2.resize(rng.uniform(0, 1, (3, 3, 3)).astype(np.float32), (size, size), interpolation=cv2.INTER_CUBIC)
