"""artkit: neural style transfer and generative art on your own machine, with MLX."""

from artkit._version import __version__

__all__ = ["__version__"]
