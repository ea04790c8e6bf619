"""Networks as pure functions and modules: layers, features, statistics, losses, optimizers. No files, no printing."""

from artkit.device import check_backends

check_backends()  # a one-line error here rather than an ImportError from whichever module needs MLX first
