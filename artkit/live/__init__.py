"""Moving pictures in a style while they are seen: a camera, a stream, a video."""
