"""A photo as what lines are drawn after: its brightness and colors at any place, and how its edges run."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import artkit.device  # noqa: F401 - the fast BLAS, before OpenCV

import cv2
import numpy as np

from artkit.generate.palettes import to_oklab
from artkit.image import Picture, resize

DETAIL = 1200  # pixels of the longer edge that is looked at; finer than any line


@dataclass(frozen=True, eq=False)
class Tones:
    """A photo laid on a rectangle of the sheet.

    pixels: (H, W, 3) sRGB 0..1. corner: where it begins, pixels of the sheet. scale: pixels of the sheet in one of its.
    """

    pixels: np.ndarray
    corner: np.ndarray
    scale: float

    @classmethod
    def covering(cls, source: Picture, frame: tuple[float, float, float, float]) -> Self:
        """The photo, cut at its longer edges to fill the frame: left, top, right, bottom."""
        width, height = frame[2] - frame[0], frame[3] - frame[1]
        scale = max(width / source.width, height / source.height)
        keep = max(1, round(width / scale)), max(1, round(height / scale))
        left, top = (source.width - keep[0]) // 2, (source.height - keep[1]) // 2
        return cls._of(source.pixels[top : top + keep[1], left : left + keep[0]], frame)

    @classmethod
    def within(cls, source: Picture, frame: tuple[float, float, float, float]) -> Self:
        """The whole photo, as large as the frame allows and centered in it."""
        left, top, right, bottom = frame
        scale = min((right - left) / source.width, (bottom - top) / source.height)
        x, y = (left + right - scale * source.width) / 2, (top + bottom - scale * source.height) / 2
        return cls._of(source.pixels, (x, y, x + scale * source.width, y + scale * source.height))

    @classmethod
    def _of(cls, pixels: np.ndarray, frame: tuple[float, float, float, float]) -> Self:
        height, width = pixels.shape[:2]
        factor = min(1.0, DETAIL / max(height, width), max(frame[2] - frame[0], 1) / width)
        small = np.clip(resize(pixels, max(2, round(factor * height)), max(2, round(factor * width))), 0, 1)
        return cls(small, np.array(frame[:2], np.float64), (frame[2] - frame[0]) / small.shape[1])

    @property
    def frame(self) -> tuple[float, float, float, float]:
        """Left, top, right and bottom on the sheet, pixels."""
        height, width = self.pixels.shape[:2]
        x, y = self.corner
        return float(x), float(y), float(x + self.scale * width), float(y + self.scale * height)

    def lightness(self, blur: float = 0.0) -> np.ndarray:
        """Oklab's, (H, W), stretched so that all but the darkest and lightest hundredth span 0..1.

        blur: deviation of a Gaussian, pixels of the sheet.
        """
        plane = to_oklab(self.pixels)[..., 0].astype(np.float32)
        low, high = map(float, np.percentile(plane, [1, 99]))
        plane = np.clip((plane - low) / max(high - low, 0.05), 0, 1)
        return smooth(plane, blur / self.scale)

    def at(self, plane: np.ndarray, points: np.ndarray) -> np.ndarray:
        """A plane (H, W) or (H, W, C) of the photo at places of the sheet, (..., 2) -> (...) or (..., C), bilinear."""
        place = ((points.reshape(-1, 2) - self.corner) / self.scale - 0.5).astype(np.float32)
        rows = []  # OpenCV's lines are at most 32,767 long
        for begin in range(0, len(place), 32_000):
            part = place[begin : begin + 32_000]
            rows.append(
                cv2.remap(
                    plane.astype(np.float32, copy=False),
                    np.ascontiguousarray(part[None, :, 0]),
                    np.ascontiguousarray(part[None, :, 1]),
                    cv2.INTER_LINEAR,
                    borderMode=cv2.BORDER_REPLICATE,
                )[0]
            )
        channels = plane.shape[2:]
        return (np.concatenate(rows) if rows else np.zeros((0, *channels), np.float32)).reshape(
            *points.shape[:-1], *channels
        )

    def edges(self, blur: float) -> np.ndarray:
        """How edges run, (H, W, 2) unit vectors along them, either way.

        The lesser eigenvector of the structure tensor, which is smoothed by `blur` pixels of the sheet; where the photo
        is even, edges further away have their say (Kyprianidis and Kang 2011).
        """
        plane = self.lightness(1.5 * self.scale)
        gx = cv2.Scharr(plane, cv2.CV_32F, 1, 0) / 32
        gy = cv2.Scharr(plane, cv2.CV_32F, 0, 1) / 32
        sigma = blur / self.scale
        xx, xy, yy = (
            smooth(product, sigma) + 0.05 * smooth(product, 4 * sigma) for product in (gx * gx, gx * gy, gy * gy)
        )
        angle = 0.5 * np.arctan2(2 * xy, xx - yy) + np.pi / 2
        return np.stack([np.cos(angle), np.sin(angle)], axis=-1)


def smooth(plane: np.ndarray, deviation: float) -> np.ndarray:
    """A Gaussian of `deviation` pixels over a plane (H, W)."""
    return cv2.GaussianBlur(plane, (0, 0), deviation, borderType=cv2.BORDER_REFLECT) if deviation > 0.2 else plane
