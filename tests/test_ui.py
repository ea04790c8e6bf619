"""The studio in a real browser: from drop to download, by keyboard, on a phone, and nothing leaves the machine."""

from __future__ import annotations

import contextlib
import itertools
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import artkit.device  # noqa: F401  (fast BLAS before MLX)

import mlx.core as mx
import numpy as np
import pytest
from PIL import Image

from artkit.contract import PictureError, Recipe, Source, Step, WrongCall
from artkit.image import Picture, load, load_recipe
from artkit.interfaces.engine import Engine
from artkit.interfaces.studio import work as studio
from artkit.stylize import gallery
from artkit.stylize.options import OptimizeOptions, RestyleOptions
from artkit.stylize.sheet import GAP
from tests.picture_files import png_header

ROOT = Path(__file__).parents[1]
PHOTO = ROOT / "samples" / "chelsea.jpg"
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
FLAGS = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update"]
DESK, PHONE = (1280, 860), (390, 844)
# News reach the page later than answers do, each piece of them by so many milliseconds.
LATE_NEWS = """
const ask = window.fetch;
window.fetch = async (...asked) => {
  const answer = await ask(...asked);
  if (!String(asked[0]?.url ?? asked[0]).includes("/queue/data")) return answer;
  const late = new TransformStream({
    async transform(piece, out) { await new Promise(done => setTimeout(done, 150)); out.enqueue(piece); }
  });
  return new Response(answer.body.pipeThrough(late), {status: answer.status, headers: answer.headers});
};
"""


@pytest.fixture(scope="module")
def address(tmp_path_factory) -> Iterator[str]:
    """The studio as `python app.py` serves it, with a gallery of its own."""
    with served(tmp_path_factory.mktemp("data"), "app.py") as address:
        yield address


@pytest.fixture(scope="module")
def held(tmp_path_factory) -> Iterator[SimpleNamespace]:
    """The studio at `address`, whose downloads wait for files in `folder`: see held_studio.py."""
    folder = tmp_path_factory.mktemp("held")
    with served(tmp_path_factory.mktemp("data"), "-m", "tests.held_studio", str(folder)) as address:
        yield SimpleNamespace(address=address, folder=folder)
        for begun in folder.glob("*.begun"):  # nothing is to hold the server up when it ends
            begun.with_suffix(".go").touch()


@contextlib.contextmanager
def served(data: Path, *program: str) -> Iterator[str]:
    """Where a program serves the studio, with a gallery of its own in `data`."""
    env = os.environ | {"ARTKIT_DATA_DIR": str(data)}
    server = subprocess.Popen(
        [sys.executable, *program, "--port", "0"], cwd=ROOT, env=env, stdout=subprocess.PIPE, text=True
    )
    try:
        assert server.stdout is not None
        said = server.stdout.readline()
        found = re.search(r"http://127\.0\.0\.1:\d+", said)
        assert found, f"the server said {said!r}"
        yield found[0]
    finally:
        server.send_signal(signal.SIGINT)
        server.wait(20)
        if server.stdout:
            server.stdout.close()


@pytest.fixture(scope="module")
def browser():
    playwright = pytest.importorskip(
        "playwright.sync_api", reason="playwright is not installed: pip install playwright"
    )
    if CHROMIUM is None:
        pytest.skip("Chromium is not installed: apt-get install chromium")
    with playwright.sync_playwright() as running:
        chromium = running.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield chromium
        chromium.close()


@pytest.fixture
def visit(browser, address):
    """Opens the studio as a new visitor; in the end there was no error in the console and no request elsewhere."""
    contexts, wrong, places = [], [], []

    def watch(page) -> None:
        page.on("console", lambda said: wrong.append(said.text) if said.type == "error" else None)
        page.on("pageerror", lambda error: wrong.append(str(error)))
        page.on("request", lambda sent: None if is_here(sent.url) else wrong.append(sent.url))

    def is_here(url: str) -> bool:
        return url.startswith((*places, *(place.replace("http", "ws") for place in places), "data:", "blob:"))

    def open_page(size: tuple[int, int] = DESK, *, at: str = address, script: str = "", **settings):
        places.append(at)
        viewport = {"width": size[0], "height": size[1]}
        context = browser.new_context(viewport=viewport, accept_downloads=True, **settings)
        contexts.append(context)
        context.add_init_script(script)
        page = context.new_page()
        page.set_default_timeout(40_000)
        watch(page)
        page.goto(at)
        page.wait_for_selector("#styles .tile")
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert not wrong


def choose_clip(page, path: Path) -> None:
    """In the Video tab, as soon as it takes clips: choose one, as a person does."""
    page.get_by_role("tab", name="Video", exact=True).click()
    with page.expect_file_chooser() as chooser:
        page.locator("#clip button").first.click()
    chooser.value.set_files(path)


def small(page, size: int = 256) -> None:
    """Have pictures painted at a size that takes a moment."""
    page.click("#sizes > button")
    page.locator("#sizes input[type=number]").fill(str(size))
    page.keyboard.press("Enter")


def painted(page, says: str = "") -> str:
    """Wait for the line below the finished picture."""
    line = page.locator("#news .done", has_text=says)
    line.wait_for()
    return line.inner_text()


def appears(page, path: Path) -> None:
    """Wait for a file that the server makes, while the page goes on."""
    for _ in range(400):
        if path.exists():
            return
        page.wait_for_timeout(100)
    raise AssertionError(f"{path.name} is not there after 40 seconds")


def downloaded(page, folder: Path, button: str = "#download") -> Path:
    page.wait_for_selector(f"{button}:not([disabled])")
    with page.expect_download() as download:
        page.click(button)
    path = folder / download.value.suggested_filename
    download.value.save_as(path)
    return path


def test_from_drop_to_download_and_its_settings_back(visit, tmp_path):
    page = visit()
    small(page)
    page.set_input_files("#photo input[type=file]", PHOTO)
    assert painted(page) == f"The Starry Night · 256 × 170 · {painted(page).rpartition(' · ')[2]}"
    page.locator("#styles .cell[data-name=scream] .tile").click()
    painted(page, "The Scream")
    page.locator("#styles .cell[data-name=wave]").hover()
    page.locator("#styles .cell[data-name=wave] .add").click()
    painted(page, "The Scream + The Great Wave off Kanagawa")

    path = downloaded(page, tmp_path)
    assert path.name == "chelsea_scream+wave.png"
    with Image.open(path) as picture:
        assert picture.size == (256, 170)
    recipe = load_recipe(path)
    assert recipe is not None
    assert recipe.sources[0] == Source("photo", "chelsea.jpg", Source.of("photo", PHOTO).sha256)
    assert [source.path for source in recipe.sources[1:]] == ["scream", "wave"]
    assert recipe.options["size"] == 256

    other = visit()
    other.click("#recall > button")
    other.set_input_files("#recipe input[type=file]", path)
    other.wait_for_function("document.querySelectorAll('#styles .cell.on').length === 2")
    other.set_input_files("#photo input[type=file]", PHOTO)
    painted(other, "The Scream + The Great Wave off Kanagawa · 256 × 170")
    assert other.locator(".toast-message-text").count() == 0


def test_no_click_is_lost_while_the_news_of_the_one_before_come_in(visit, tmp_path):
    page = visit(script=LATE_NEWS)
    small(page, 96)
    page.locator("#samples .gallery-item").first.click()
    painted(page, "The Starry Night")
    names = ("scream", "wave", "mosaic", "kiss")
    for name in names:
        page.locator(f"#styles .cell[data-name={name}] .tile").click()
        painted(page, gallery.get(name).manifest.title)
    assert downloaded(page, tmp_path).stem.endswith(names[-1])


def test_the_file_that_is_offered_is_of_the_picture_that_is_shown(visit, held, tmp_path):
    page = visit(at=held.address)
    small(page, 96)
    page.set_input_files("#photo input[type=file]", PHOTO)
    painted(page, "The Starry Night")
    appears(page, held.folder / "chelsea_starry.begun")
    page.locator("#styles .cell[data-name=scream] .tile").click()
    painted(page, "The Scream")
    (held.folder / "chelsea_starry.go").touch()
    appears(page, held.folder / "chelsea_scream.begun")  # so that the page has heard of the other file
    assert page.locator("#download").is_disabled()
    (held.folder / "chelsea_scream.go").touch()
    assert downloaded(page, tmp_path).name == "chelsea_scream.png"


def test_the_file_that_create_offers_is_of_the_piece_that_is_shown(visit, held, tmp_path):
    page = visit(at=held.address)
    page.get_by_role("tab", name="Create", exact=True).click()
    page.locator("label", has_text="Width x height").locator("input, textarea").fill("64")
    for seed in (7, 8):
        page.locator("label", has_text="Seed of every random draw").locator("input").last.fill(str(seed))
        page.click("#draw")
        page.locator("#create-news .done", has_text=f"seed {seed}").wait_for()
        assert page.locator("#create-download").is_disabled()
        if seed == 7:
            appears(page, held.folder / "flow_7.begun")
    (held.folder / "flow_7.go").touch()
    appears(page, held.folder / "flow_8.begun")
    assert page.locator("#create-download").is_disabled()
    (held.folder / "flow_8.go").touch()
    assert downloaded(page, tmp_path, "#create-download").name == "flow_8.png"


def test_a_picture_and_a_style_take_each_others_place(visit):
    page = visit()
    small(page, 128)
    page.locator("#samples .gallery-item").first.click()
    painted(page, "The Starry Night")
    page.click("#any > button")
    page.set_input_files("#painting input[type=file]", ROOT / "samples" / "glass.jpg")
    painted(page, "glass")
    assert page.locator("#styles .cell.on").count() == 0
    page.locator("#styles .cell[data-name=mosaic] .tile").click()
    painted(page, "Mosaic")
    assert page.locator("#painting img").count() == 0


def test_refine_shows_its_way_and_stops(visit):
    page = visit()
    small(page)
    page.set_input_files("#photo input[type=file]", PHOTO)
    painted(page)
    page.click("#refine")
    page.wait_for_selector("#losses polyline")
    assert re.match(r"Refining, \d+%", page.inner_text("#news"))
    page.click("#stop")
    assert re.fullmatch(r"Stopped at \d+%: the picture so far", painted(page, "Stopped"))
    page.wait_for_selector("#refine:visible")


def test_errors_are_sentences(visit, tmp_path):
    broken = tmp_path / "holiday.jpg"
    broken.write_bytes(b"no picture at all")
    page = visit()
    small(page)
    page.locator("#samples .gallery-item").first.click()  # a place that the page itself has filled is no other
    painted(page)
    page.set_input_files("#photo input[type=file]", broken)
    said = page.locator(".toast-message-text").first.inner_text()
    assert said.startswith('"holiday.jpg": not a picture that artkit knows')
    assert "/" not in said


def test_files_of_another_kind_are_refused_before_they_are_sent(visit, tmp_path):
    (tmp_path / "notes.txt").write_text("no video at all")
    page = visit()
    choose_clip(page, tmp_path / "notes.txt")
    said = page.locator(".toast-message-text").first.inner_text()
    assert said == '"notes.txt" is not a video; MP4, MOV, MKV and WebM work'


def test_nothing_moves_any_more_after_an_error(visit, tmp_path):
    (tmp_path / "film.mp4").write_bytes(b"no video at all")
    page = visit()
    choose_clip(page, tmp_path / "film.mp4")
    page.click("#paint-clip")
    page.locator(".toast-message-text", has_text="is not a video").wait_for()
    page.wait_for_selector("#video-news .bar", state="detached")
    assert page.locator("#paint-clip").is_visible()


@pytest.mark.parametrize("size", [DESK, PHONE])
def test_what_draws_a_piece_stays_in_sight(visit, size):
    page = visit(size)
    page.locator("#samples .gallery-item").first.wait_for()
    page.get_by_role("tab", name="Create", exact=True).click()
    page.locator("label", has_text="Seed of every random draw").wait_for()
    page.evaluate("scrollTo(0, 900)")
    page.wait_for_function("scrollY > 500")
    top, height = page.locator("#draw").bounding_box()["y"], size[1]
    assert 0 < top < height - 30


def test_by_keyboard_alone(visit):
    page = visit()
    small(page)
    with page.expect_file_chooser() as chooser:
        page.locator("#photo button").first.focus()
        page.keyboard.press("Enter")
    chooser.value.set_files(PHOTO)
    painted(page)
    page.locator("#styles .tile[tabindex='0']").focus()
    first = page.evaluate("document.activeElement.closest('.cell').dataset.name")
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("Enter")
    picked = page.evaluate("document.querySelector('#styles .cell.on').dataset.name")
    assert picked != first
    title = page.locator("#styles .cell.on .name").inner_text()
    painted(page, title)
    page.wait_for_selector("#download:not([disabled])")
    page.locator("#download").focus()
    with page.expect_download():
        page.keyboard.press("Enter")


@pytest.mark.parametrize("size", [DESK, PHONE])
def test_every_tab_fits_its_window(visit, size):
    page = visit(size, color_scheme="dark")
    for tab in ("Stylize", "Video", "Create", "Train", "Gallery"):
        names = page.get_by_role("tab", name=tab, exact=True)
        if not names.first.is_visible():
            page.locator("#tabs .overflow-menu > button").click()
            names = page.locator("#tabs .overflow-dropdown button", has_text=tab)
        names.first.click()
        page.wait_for_timeout(400)
        wide = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
        if tab == "Video":
            assert page.locator("#video-styles .tile").count() == len(gallery.names())
        assert wide <= 0, f"{tab} is {wide} pixels wider than the window"


def test_create_draws_what_its_options_say(visit, tmp_path):
    page = visit()
    page.get_by_role("tab", name="Create", exact=True).click()
    page.locator("label", has_text="Width x height").locator("input, textarea").fill("64")
    page.locator("label", has_text="Seed of every random draw").locator("input").last.fill("7")
    page.click("#draw")
    page.locator("#create-news .done", has_text="seed 7 · 64 × 64").wait_for()
    page.wait_for_selector("#create-download:not([disabled])")
    with page.expect_download() as download:
        page.click("#create-download")
    download.value.save_as(tmp_path / "made.png")
    recipe = load_recipe(tmp_path / "made.png")
    assert recipe is not None
    assert (recipe.technique, recipe.options["seed"], load(tmp_path / "made.png").size) == ("generate", 7, (64, 64))


def test_gallery_finds_and_shows_whose_work_it_is(visit):
    page = visit()
    page.get_by_role("tab", name="Gallery", exact=True).click()
    page.locator("#search input, #search textarea").fill("hokusai")
    page.wait_for_function("document.querySelectorAll('#cards .card').length === 1")
    assert "Katsushika Hokusai" in page.inner_text("#cards")


def test_the_endpoint_for_programs(address, tmp_path):
    code = (
        "import sys; from gradio_client import Client, handle_file\n"
        "client = Client(sys.argv[1], verbose=False, download_files=sys.argv[3])\n"
        "print(client.predict(handle_file(sys.argv[2]), 'starry', None, {'size': 64}, api_name='/stylize'))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, address, str(PHOTO), str(tmp_path)], capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr
    assert max(load(done.stdout.strip()).size) == 64


# --- without a browser ---------------------------------------------------------------------------------------------


def test_a_page_that_closes_takes_its_job_with_it(tmp_path):
    from artkit.interfaces.studio.desk import Desk

    closed = threading.Event()

    def steps() -> Iterator[Step]:
        image = mx.zeros((1, 2, 2, 3))
        mx.eval(image)
        try:
            for done in range(1_000_000):
                yield Step(image, done, 1_000_000)
        finally:
            closed.set()

    engine = Engine()
    try:
        desk, visitor = Desk(engine, tmp_path, largest=1024), SimpleNamespace(session_hash="me")
        news = iter(desk.begin(visitor, "refine", steps))  # type: ignore[arg-type]
        while next(news).step is None:
            pass
        desk.leave(visitor)  # type: ignore[arg-type]
        assert closed.wait(10)
    finally:
        engine.close()


def finished(folder: Path, alpha: np.ndarray | None = None) -> studio.Finished:
    image = np.linspace(0, 1, 4 * 6 * 3, dtype=np.float32).reshape(4, 6, 3)
    photo = Picture(image, alpha, "cat.jpg")
    options = RestyleOptions(size=16, strength=0.7, keep_color="luma").model_dump(mode="json")
    style = Source("style", "starry", "0" * 64)
    recipe = studio.recipe_of("restyle", options, Source("photo", "/home/me/cat.jpg", "1" * 64), (style,), 1)
    return studio.keep(folder, image, photo, "cat_starry", recipe)


def test_sixteen_bits_stay_in_a_tiff_and_paths_stay_at_home(tmp_path):
    kept = finished(tmp_path)
    path = kept.write("TIFF, 16 bits", tmp_path)
    assert np.abs(load(path).pixels - np.linspace(0, 1, 72).reshape(4, 6, 3)).max() < 1 / 65535
    recipe = load_recipe(path)
    assert recipe is not None
    assert [source.path for source in recipe.sources] == ["cat.jpg", "starry"]
    assert recipe.options["bits"] == 16
    kept.forget()
    with pytest.raises(PictureError, match="not kept any more"):
        kept.picture()


def test_transparency_is_kept(tmp_path):
    alpha = np.zeros((4, 6), np.float32)
    alpha[1:3, 1:5] = 1
    written = load(finished(tmp_path, alpha).write("PNG", tmp_path))
    assert written.alpha is not None
    assert np.array_equal(written.alpha, alpha)


def test_settings_come_back_from_a_picture(tmp_path):
    path = finished(tmp_path).write("JPEG", tmp_path)
    names, options = studio.settings_of(str(path))
    assert names == ("starry",)
    assert options == RestyleOptions(size=16, strength=0.7, keep_color="luma")


def test_settings_of_a_picture_without_any(tmp_path):
    Image.new("RGB", (4, 4)).save(tmp_path / "plain.png")
    with pytest.raises(PictureError, match="does not say how it was made"):
        studio.settings_of(str(tmp_path / "plain.png"))


def test_painted_regions_become_masks(tmp_path):
    from artkit.interfaces.studio.regions import COLORS, masks_of

    photo = Picture(np.zeros((40, 80, 3), np.float32))
    layer = np.zeros((400, 800, 4), np.uint8)
    for number, columns in enumerate((slice(0, 300), slice(500, 800))):
        layer[:, columns] = [*bytes.fromhex(COLORS[number][1:]), 255]
    masks = [load(path).pixels[..., 0] for path in masks_of({"layers": [layer]}, 2, photo, tmp_path)]
    assert [mask.shape for mask in masks] == [(400, 800)] * 2
    assert masks[0][:, :300].min() == masks[1][:, 500:].min() == 1
    assert masks[0][:, 300:].max() == masks[1][:, :500].max() == 0


def test_regions_say_what_is_missing(tmp_path):
    from artkit.interfaces.studio.regions import COLORS, masks_of

    photo = Picture(np.zeros((40, 80, 3), np.float32))
    with pytest.raises(WrongCall, match="nothing is painted yet"):
        masks_of({"layers": [np.zeros((400, 800, 4), np.uint8)]}, 1, photo, tmp_path)
    layer = np.full((400, 800, 4), [*bytes.fromhex(COLORS[0][1:]), 255], np.uint8)
    with pytest.raises(WrongCall, match="nothing is painted in blue, the color of style 2"):
        masks_of({"layers": [layer]}, 2, photo, tmp_path)


def test_a_sheet_has_a_row_for_each_style_and_a_column_for_each_strength():
    photo = load(PHOTO).resized(48)
    *_, last = (step.image for step in studio.grid_steps(photo, ["starry", "wave"], [0, 1], 48))
    sheet, (height, width) = np.array(last[0]), photo.pixels.shape[:2]
    across, down = width + GAP, height + GAP + 22
    pieces = [sheet[GAP + y : GAP + y + height, GAP + x : GAP + x + width] for y in (0, down) for x in (0, across)]
    plain, starry, plain_too, wave = pieces
    assert np.abs(plain - photo.pixels).max() < 0.01
    np.testing.assert_array_equal(plain, plain_too)
    assert min(np.abs(a - b).mean() for a, b in ((starry, plain), (wave, plain), (starry, wave))) > 0.05


def test_recipes_of_other_things_are_refused(tmp_path):
    from artkit.image import save

    picture = Picture(np.zeros((4, 4, 3), np.float32))
    save(picture, tmp_path / "noise.png", recipe=Recipe("generate", {"piece": "noise"}))
    with pytest.raises(PictureError, match="made by generate"):
        studio.settings_of(str(tmp_path / "noise.png"))


def test_what_is_learned_before_a_stop_is_in_the_gallery(tmp_path, monkeypatch):
    from artkit.interfaces.studio.learning import default_name, learn_steps
    from artkit.train.options import MineOptions

    monkeypatch.setenv("ARTKIT_DATA_DIR", str(tmp_path))
    painting = load(ROOT / "samples" / "night.jpg").resized(64)
    options, enough, name = (
        MineOptions(steps=100, batch=4, crop=64, style_size=64),
        threading.Event(),
        default_name("night.jpg"),
    )
    enough.set()
    *_, last = learn_steps(painting, name, options, [PHOTO], enough)
    assert (last.done, last.total, last.image.shape) == (1000, 1000, (1, 512, 256, 3))
    style = gallery.get(name)
    assert style.own
    assert style.preview is not None
    assert max(load(style.preview).size) == 320
    with pytest.raises(WrongCall, match=f'there is a style "{name}" already'):
        next(learn_steps(painting, name, options, [PHOTO], enough))


def test_paintings_have_the_limit_that_photos_have(tmp_path: Path) -> None:
    (tmp_path / "huge.png").write_bytes(png_header(11_000, 11_000))
    photo, huge = load(PHOTO).resized(32), str(tmp_path / "huge.png")
    look = studio.Look((huge,), RestyleOptions(size=32, fast=True))
    for steps in (
        studio.look_steps(photo, look, studio.Trail()),
        studio.refine_steps(photo, (huge,), OptimizeOptions(size=64), (), studio.Trail()),
        studio.refine_steps(photo, ("starry",), OptimizeOptions(size=64, init=huge), (), studio.Trail()),
    ):
        with pytest.raises(PictureError, match="the limit is 100,000,000"):
            next(steps)


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        ("--style-scale 9: should be at most 8", "Style scale 9: should be at most 8"),
        ("texture needs a picture: --from painting.jpg", "Texture needs a picture"),
        ("lines follow a photo; give one: --from photo.jpg (in Python source=)", "Lines follow a photo; give one"),
    ],
)
def test_sentences_have_no_flags(said: str, shown: str) -> None:
    from artkit.interfaces.studio.desk import sentence

    assert sentence(WrongCall(said)) == shown


def test_names_that_a_new_style_cannot_have() -> None:
    from artkit.interfaces.studio.styles import check_name

    check_name("rain-2")
    for name, said in (("Rain!", "small letters"), ("starry", "choose another name")):
        with pytest.raises(WrongCall, match=said):
            check_name(name)


def test_a_piece_that_loops_is_a_movie(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from artkit import catalog
    from artkit.interfaces.drawing import orders
    from artkit.video.media import read_frames, read_recipe

    monkeypatch.setattr(orders, "FRAMES", 4)
    piece, target = catalog.get("noise"), tmp_path / "noise.mp4"
    steps = list(studio.loop_steps(piece, piece.options.checked({"size": "32x24", "seed": 3}), None, (), target))
    assert (steps[-1].done, steps[-1].total) == (4, 4)
    with read_frames(target) as clip:
        frames = [frame.astype(float) for frame in clip]
    assert [frame.shape for frame in frames] == [(24, 32, 3)] * 4
    assert min(np.abs(a - b).mean() for a, b in itertools.pairwise(frames)) > 1
    recipe = read_recipe(target)
    assert recipe is not None
    assert (recipe.options["piece"], recipe.options["movie"]["ranges"]) == ("noise", {"phase": [0.0, 1.0]})


def test_pictures_have_the_servers_size(tmp_path: Path) -> None:
    from artkit.interfaces.studio.desk import Desk

    desk = Desk(Engine(), tmp_path, largest=1024)
    desk.allow(1024)
    with pytest.raises(WrongCall, match="1024 pixels here"):
        desk.allow(1025)
