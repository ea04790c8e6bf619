"""What the tabs of the studio share: each visitor's jobs, errors as sentences, pictures as files, lines of news."""

from __future__ import annotations

import contextlib
import html
import re
import threading
import time
from abc import ABCMeta
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import gradio as gr
from gradio.data_classes import ImageData
from gradio.utils import get_upload_folder

from artkit.contract import ArtkitError, Step, WrongCall
from artkit.interfaces.engine import Engine, Job, Update
from artkit.interfaces.progress import clock

# What every event of the page has: no overlays over pictures, no waiting for other visitors' events, no endpoint.
QUIET: dict[str, Any] = {"show_progress": "hidden", "concurrency_limit": None, "api_visibility": "private"}


def _path(place: gr.Image, payload: ImageData | None) -> str | None:
    return payload.path if payload else None


# An Image whose file nobody has opened, as Gradio's own has with Pillow. It is a class, for Gradio makes components
# anew where an event has changed them; made without Gradio's metaclass, which writes a .pyi beside the source.
PictureFile: type[gr.Image] = ABCMeta.__new__(
    type(gr.Image), "PictureFile", (gr.Image,), {"preprocess": _path, "is_template": True, "__module__": __name__}
)


def picture_file(label: str, **settings: Any) -> gr.Image:
    """A place for a picture, given as the file that the person chose: whether it can be read, artkit says itself."""
    return PictureFile(label=label, type="filepath", image_mode=None, buttons=[], interactive=True, **settings)


class Run:
    """A job of a visitor as its updates; cancelled when its reader leaves.

    replaced: something newer has taken its place on the page, so that its reader has nothing more to show.
    """

    def __init__(self, job: Job) -> None:
        self._job = job
        self.replaced = False

    def __iter__(self) -> Iterator[Update]:
        try:
            yield from self._job.updates()
        finally:
            self._job.cancel()

    @property
    def stopped(self) -> bool:
        """Whether it ended before its time."""
        return self._job.cancelled

    def stop(self) -> None:
        """End it after its present step."""
        self._job.cancel()


class Desk:
    """The jobs of all visitors: each has one of a kind at a time, and the page shows the newest.

    folder: where what is made is kept for an hour. largest: longest edge of a picture that may be asked for, pixels.
    """

    def __init__(self, engine: Engine, folder: Path, largest: int) -> None:
        self.engine, self.folder, self.largest = engine, folder, largest
        self._runs: dict[tuple[str, str], Run] = {}
        self._shown: dict[tuple[str, str], object] = {}
        self._lock = threading.Lock()

    def allow(self, edge: int) -> None:
        """WrongCall for a picture that is larger than may be asked for."""
        if edge > self.largest:
            raise WrongCall(f"pictures may have {self.largest} pixels here; choose a smaller size")

    def begin(self, request: gr.Request, kind: str, make: Callable[[], Iterator[Step]], *, quick: bool = False) -> Run:
        """Put a job in line, in the place of an older one of this kind."""
        self.replace(request, kind)
        run = Run(self.engine.submit(make, _owner(request), quick=quick))
        with self._lock:
            self._runs[_owner(request), kind] = run
        return run

    def replace(self, request: gr.Request, *kinds: str) -> None:
        """End this visitor's jobs of these kinds: nobody looks at them any more."""
        for kind in kinds:
            with self._lock:
                run = self._runs.pop((_owner(request), kind), None)
            if run is not None:
                run.replaced = True
                run.stop()

    def stop(self, request: gr.Request, kind: str) -> None:
        """End this visitor's job of a kind; what there is of it stays on the page."""
        with self._lock:
            run = self._runs.get((_owner(request), kind))
        if run is not None:
            run.stop()

    def show(self, request: gr.Request, kind: str, made: object) -> None:
        """What the page of this visitor shows of a kind from now on; None: something new is under way."""
        with self._lock:
            self._shown[_owner(request), kind] = made

    def shows(self, request: gr.Request, kind: str, made: object) -> bool:
        """Whether the page still shows this, so that a file of it may be offered there."""
        with self._lock:
            return self._shown.get((_owner(request), kind)) is made

    def stopper(self, kind: str) -> Callable[[gr.Request], None]:
        """What a stop button calls."""

        def stop(request: gr.Request) -> None:
            self.stop(request, kind)

        return stop

    def leave(self, request: gr.Request) -> None:
        """The visitor has closed the page."""
        with self._lock:
            for known in (self._runs, self._shown):
                for owner, kind in list(known):
                    if owner == _owner(request):
                        del known[owner, kind]
        self.engine.cancel(_owner(request))


def _owner(request: gr.Request) -> str:
    return request.session_hash or ""


@contextlib.contextmanager
def sentences() -> Iterator[None]:
    """Errors inside reach the person as a sentence on the page."""
    try:
        yield
    except gr.Error:
        raise
    except ArtkitError as error:
        raise gr.Error(sentence(error), duration=12, print_exception=False) from None
    except MemoryError:
        raise gr.Error(
            "Not enough memory for a picture this large; choose a smaller size", print_exception=False
        ) from None
    except Exception as error:
        said = f"Something went wrong in artkit ({type(error).__name__}); the terminal it runs in shows where"
        raise gr.Error(said, duration=12) from error


def recover(event: Any, news: gr.HTML, start: gr.Button | None = None, stop: gr.Button | None = None) -> None:
    """After an error in `event`: nothing moves any more, and what begins the job is there in place of what ends it."""
    buttons = [(button, shown) for button, shown in ((start, True), (stop, False)) if button is not None]

    def settle() -> list[Any]:
        return [line(""), *(gr.Button(visible=shown) for _, shown in buttons)]

    event.failure(settle, None, [news, *(button for button, _ in buttons)], **QUIET)


def sentence(error: Exception) -> str:
    """What went wrong, beginning with a capital, without flags and the folder that Gradio keeps uploads in."""
    said = re.sub(re.escape(get_upload_folder()) + r"/(\w+/)?", "", " ".join(str(error).split()))
    said = re.sub(r": --from \S+( \(in Python \w+=\))?", "", said)
    said = re.sub(r"--([a-z][a-z-]*)", lambda flag: flag[1].replace("-", " "), said)
    return said[:1].upper() + said[1:]


def hero(title: str, said: str) -> str:
    """What stands in the place of a result that is still to come, as HTML."""
    return f'<div class="hero"><div><b>{title}</b><span>{said}</span></div></div>'


def line(text: str, kind: str = "") -> str:
    """A line of news below a picture, as HTML."""
    return f'<p class="news {kind}" role="status">{html.escape(text)}</p>'


def bar(text: str, share: float | None) -> str:
    """The same with a bar that is `share` full; one that only moves when nobody knows."""
    width = "" if share is None else f' style="width:{100 * share:.1f}%"'
    return f'{line(text)}<div class="bar{" moving" if share is None else ""}"><i{width}></i></div>'


class Clock:
    """Time left, from how long what is done has taken."""

    def __init__(self) -> None:
        self._first: tuple[float, int] | None = None

    def left(self, update: Update) -> str:
        """Like so: ", 1:15 left"; nothing while it cannot be told."""
        now = time.monotonic()
        if self._first is None:
            self._first = now, update.done
        begun, at = self._first
        if update.done <= at:
            return ""
        return f", {clock((now - begun) / (update.done - at) * (update.total - update.done))} left"


def waiting(update: Update) -> str:
    """What to say while a job waits or warms up."""
    if not update.position:
        return bar("Getting ready", None)
    ahead = "1 picture is" if update.position == 1 else f"{update.position} pictures are"
    return bar(f"{ahead} before yours", None)
