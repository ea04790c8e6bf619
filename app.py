"""The studio in the browser; the same as `artkit serve --open`, and takes its flags."""

from artkit.interfaces.serve_cli import serve

serve(prog_name="app.py")
