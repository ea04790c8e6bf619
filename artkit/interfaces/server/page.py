"""The page at /docs: the description of the API as plain HTML.

FastAPI's own page loads scripts from the internet, and nothing leaves this machine.
"""

from __future__ import annotations

import html
import json
import re
import textwrap
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

EXAMPLES = {
    "stylize": """\
curl -F photo=@photo.jpg -F style=starry ADDRESS/api/stylize -o starry.png
curl -F photo=@photo.jpg -F style=@painting.jpg -F 'options={"fast": true, "size": 512}' ADDRESS/api/stylize -o fast.png
curl -N -H 'Accept: text/event-stream' -F photo=@photo.jpg -F style=@painting.jpg ADDRESS/api/stylize""",
    "generate": """\
curl -H 'Content-Type: application/json' -d '{"size": "640x480", "seed": 7}' ADDRESS/api/generate/noise -o noise.png""",
}


def page(openapi: Mapping[str, Any], address: str) -> str:
    """The description as a page: plain HTML with its few rules of style in it. address: of the server."""
    parts = [f"<h1>artkit {_text(openapi['info']['version'])}</h1>"]
    about, *sections = openapi["info"]["description"].split("\n## ")
    parts.append(_prose(about))
    for path, methods in openapi["paths"].items():
        for method, about in methods.items():
            parts.extend(_operation(path, method, about, address))
    for section in sections:
        title, _, text = section.partition("\n")
        parts.append(f"<section><h2>{_text(title)}</h2>{_prose(text)}</section>")
    parts.append(
        '<p>The same, for programs: <a href="openapi.json">openapi.json</a>. '
        'The page for people: <a href="./">the studio</a>.</p>'
    )
    return _PAGE.replace("CONTENT", "\n".join(parts))


def _operation(path: str, method: str, about: Mapping[str, Any], address: str) -> Iterator[str]:
    yield f"<section><h2><b>{method.upper()}</b> <code>{_text(path)}</code></h2>{_prose(about.get('description', ''))}"
    for kind, body in about.get("requestBody", {}).get("content", {}).items():
        yield f"<h3>{_text(kind)}</h3>"
        yield from _fields(body["schema"])
    if example := EXAMPLES.get(path.split("/")[2] if method == "post" else ""):
        yield f"<pre>{_text(example.replace('ADDRESS', address))}</pre>"
    rows = [(status, answer["description"]) for status, answer in about.get("responses", {}).items()]
    yield f"<h3>Answers</h3>{_table(rows)}</section>"


def _fields(schema: Mapping[str, Any]) -> Iterator[str]:
    """A table of the properties, and one for each kind of object among them."""
    properties = schema.get("properties", {})
    if not properties:
        yield _prose(schema.get("description", ""))
        return
    yield _table([(name, _about(field)) for name, field in properties.items()])
    for name, field in properties.items():
        for choice in (field, *field.get("anyOf", ())):
            if choice.get("properties"):
                yield f"<details><summary>{_text(name)} {_text(choice.get('title', ''))}</summary>"
                yield from _fields(choice)
                yield "</details>"


def _about(field: Mapping[str, Any]) -> str:
    """The description of a field, its choices, range and default."""
    kinds = [field, *field.get("anyOf", ())]
    facts = [", ".join(map(str, kind["enum"])) for kind in kinds if "enum" in kind]
    for low, high in (("minimum", "maximum"), ("exclusiveMinimum", "exclusiveMaximum")):
        facts += [f"{kind.get(low, '')} to {kind[high]}" for kind in kinds if high in kind]
    if field.get("default") not in (None, "", [], {}):
        facts.append(f"{json.dumps(field['default'])} if not given")
    return field.get("description", "") + (f" ({'; '.join(facts)})" if facts else "")


def _table(rows: Iterable[tuple[str, str]]) -> str:
    cells = "".join(f"<tr><th><code>{_text(name)}</code></th><td>{_coded(about)}</td></tr>" for name, about in rows)
    return f"<table>{cells}</table>"


def _prose(text: str) -> str:
    """Paragraphs with `code` in them, or indented as code."""
    return "".join(map(_paragraph, re.split(r"\n\s*\n", text.strip("\n"))))


def _paragraph(text: str) -> str:
    if text.startswith("    "):
        return f"<pre>{_text(textwrap.dedent(text))}</pre>"
    return f"<p>{_coded(text)}</p>"


def _coded(text: str) -> str:
    parts = _text(text).split("`")
    return "".join(f"<code>{part}</code>" if i % 2 else part for i, part in enumerate(parts))


def _text(text: str) -> str:
    return html.escape(str(text))


_PAGE = """\
<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>artkit: HTTP API</title>
<link rel="icon" href="data:,">
<style>
:root { color-scheme: light dark; --line: light-dark(#ddd8ce, #3a3a40); --soft: light-dark(#f6f3ec, #1f1f24); }
body { max-width: 54rem; margin: 2rem auto; padding: 0 1.2rem 4rem; font: 16px/1.55 system-ui, sans-serif;
       background: light-dark(#fffdf9, #17171a); color: light-dark(#1d1b18, #e8e5de); }
h1 { font-weight: 600; }
h2 { font-size: 1.15rem; font-weight: 500; margin: 0 0 .4rem; }
h2 b { color: light-dark(#a4431f, #f0a97f); font-weight: 600; margin-right: .3rem; }
h3 { font-size: .95rem; margin: 1.1rem 0 .3rem; }
section { border-top: 1px solid var(--line); padding: 1.4rem 0 .6rem; }
code, pre { font: .88em/1.5 ui-monospace, monospace; }
pre { background: var(--soft); padding: .8rem; border-radius: 6px; white-space: pre-wrap; overflow-wrap: anywhere; }
table { border-collapse: collapse; width: 100%; }
tr { border-bottom: 1px solid var(--line); }
th { text-align: left; font-weight: 500; padding: .25rem 1rem .25rem 0; vertical-align: top; width: 11rem; }
td { padding: .25rem 0; }
summary { cursor: pointer; margin: .6rem 0; }
a { color: inherit; }
@media (max-width: 34rem) { th, td { display: block; width: auto; padding: .15rem 0; } }
</style>
</head>
<body>
CONTENT
</body>
</html>
"""
