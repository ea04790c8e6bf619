"""Picture files: finding, reading and writing them. `artkit.image` is the way in."""
