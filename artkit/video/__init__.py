"""Moving pictures: frames and sound in and out of files."""
