"""The project as a whole: layers, the README's promises, what is in the wheel."""

import ast
import re
import shlex
import subprocess
import sys
import tomllib
import zipfile
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

import artkit
from artkit.interfaces import commands
from artkit.interfaces.stylize_cli import stylize
from artkit.stylize import gallery

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "artkit"
README = (ROOT / "README.md").read_text(encoding="utf-8")

# Each layer imports only from itself and those above it; what is not named here is in the second one, beside image.py.
LAYERS = [
    {"_version", "contract"},
    set(),
    {"nets"},
    {"stylize"},
    {"train"},
    {"generate", "catalog"},  # the pieces, and their names
    {"video"},
    {"live"},
    {"exchange"},
    {"interfaces"},
]


def layer(module: str) -> int:
    """artkit.nets.layers -> 2."""
    part = module.split(".")[1]
    return next((rank for rank, names in enumerate(LAYERS) if part in names), 1)


def modules() -> Iterator[tuple[str, ast.Module]]:
    for path in sorted(PACKAGE.rglob("*.py")):
        parts = path.relative_to(ROOT).with_suffix("").parts
        name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
        if name != "artkit":  # the public API, above and below everything
            yield name, ast.parse(path.read_text(encoding="utf-8"))


def imported(tree: ast.Module) -> Iterator[str]:
    """The artkit modules that a module imports, anywhere in it."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are absolute"
            names = [f"artkit.{alias.name}" for alias in node.names] if node.module == "artkit" else [node.module or ""]
        else:
            continue
        yield from (name for name in names if name.startswith("artkit."))


def test_layers_import_only_from_those_above() -> None:
    seen = 0
    for name, tree in modules():
        for other in imported(tree):
            seen += 1
            assert layer(other) <= layer(name), f"{name} imports {other}, which is a layer below it"
    assert seen > 20


def test_only_interfaces_print_or_exit() -> None:
    for name, tree in modules():
        if layer(name) < layer("artkit.interfaces"):
            assert not any("interfaces" in other for other in imported(tree))
            for node in ast.walk(tree):
                if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
                    assert node.func.id not in ("print", "exit", "quit"), f"{name}, line {node.lineno}"
                if isinstance(node, ast.Attribute):
                    assert node.attr != "exit" or not isinstance(node.value, ast.Name) or node.value.id != "sys", name


# --- the README ---------------------------------------------------------------------------------------------------


def readme_command(name: str) -> str:
    found = re.search(rf"^<!-- command: {name} -->\n```sh\n(.+?)\n```$", README, re.MULTILINE | re.DOTALL)
    assert found, f"README.md has no command {name}"
    return found[1]


def test_the_readme_opens_with_the_two_commands_that_ci_runs() -> None:
    script = (ROOT / ".ci" / "run").read_text(encoding="utf-8")
    assert re.findall(r"^run (\w+)$", script, re.MULTILINE) == ["paint", "test"]
    for name in ("paint", "test"):
        command = readme_command(name)
        assert "\n" not in command
        assert command.startswith("python3 -m venv .venv && .venv/bin/pip install ")
        assert README.index(command) < 1500
    samples = re.findall(r"samples/\S+", readme_command("paint"))
    assert samples
    assert all((ROOT / sample).is_file() for sample in samples)


def artkit_calls(page: str) -> list[list[str]]:
    """The words of every `artkit …` line in a page's code blocks."""
    blocks = re.findall(r"^```sh\n(.+?)^```$", page, re.MULTILINE | re.DOTALL)
    lines = [line for block in blocks for line in block.splitlines() if line.startswith("artkit ")]
    return [shlex.split(re.sub(r"[<>].*", "", line), comments=True)[1:] for line in lines]


@pytest.mark.parametrize("page", ["README.md", "docs/gallery.md"])
def test_every_call_in_the_pages_can_be_parsed(page: str) -> None:
    calls = artkit_calls((ROOT / page).read_text(encoding="utf-8"))
    assert len(calls) > 12
    for words in calls:
        command: click.Command | None = commands.artkit
        with click.Context(commands.artkit) as context:
            while isinstance(command, click.Group) and not (
                words[0].startswith("-") if words else command.invoke_without_command
            ):
                command, words = command.get_command(context, words[0]), words[1:]
            assert command is not None, words
            arguments = [word for word in words if word != "vgg.pth"] + (["README.md"] if "vgg.pth" in words else [])
            command.make_context("artkit", arguments)


def test_every_option_in_the_readme_exists() -> None:
    known = {name for option in stylize.params for name in (*option.opts, *option.secondary_opts)}
    section = README[README.index("## What the options do") : README.index("## From Python")]
    named = set(re.findall(r"--[a-z][a-z-]+", section)) - {"--help"}
    assert len(named) > 12
    assert named <= known


def test_links_in_the_pages_lead_somewhere() -> None:
    for page in (*ROOT.glob("*.md"), *ROOT.glob("docs/*.md"), ROOT / "samples" / "README.md"):
        for link in re.findall(r"\]\(([^)#]+)\)", page.read_text(encoding="utf-8")):
            assert link.startswith("https://") or (page.parent / link).exists(), f"{page.name}: {link}"


# --- the package --------------------------------------------------------------------------------------------------


def test_samples_are_described() -> None:
    about = (ROOT / "samples" / "README.md").read_text(encoding="utf-8")
    pictures = [path.name for path in (ROOT / "samples").iterdir() if path.suffix != ".md"]
    assert len(pictures) >= 4
    assert all(f"`{name}`" in about for name in pictures)


def test_the_gallery_is_found_from_the_checkout() -> None:
    assert (gallery.folder() / "README.md").is_file()


def test_mlx_is_asked_for_where_it_runs() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    needs = [need for need in project["dependencies"] if need.startswith("mlx")]
    assert {need.split("; ")[1] for need in needs} == {"sys_platform == 'darwin'", "sys_platform == 'linux'"}
    assert project["scripts"] == {"artkit": "artkit.interfaces.cli:main"}


def test_the_wheel_has_styles_and_data(tmp_path: Path) -> None:
    build = f"import hatchling.build; hatchling.build.build_wheel({str(tmp_path)!r})"
    subprocess.run([sys.executable, "-c", build], check=True, cwd=ROOT, capture_output=True)
    (wheel,) = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(tmp_path / "installed")
    inside = {str(path.relative_to(tmp_path / "installed")) for path in (tmp_path / "installed").rglob("*")}
    assert {"artkit/styles/README.md", "artkit/data/compact.safetensors", "artkit/interfaces/cli.py"} <= inside
    assert not [name for name in inside if "__pycache__" in name or name.startswith(("tests", "samples"))]
    look = "from artkit.stylize import gallery; print(gallery.folder())"
    found = subprocess.run(
        [sys.executable, "-c", look], check=True, cwd=tmp_path / "installed", capture_output=True, text=True
    )
    assert found.stdout.strip() == str(tmp_path / "installed" / "artkit" / "styles")


def test_the_version_is_in_one_place() -> None:
    assert re.fullmatch(r"\d+\.\d+\.\d+", artkit.__version__)
    assert "## [Unreleased]" in (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
