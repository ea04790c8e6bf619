"""The engine: fair order, quick work between steps, cancelling, closing, bounded memory, one thread."""

import asyncio
import contextlib
import gc
import threading
import time
import weakref
from collections.abc import Callable, Iterator

import artkit.device  # noqa: F401

import mlx.core as mx
import numpy as np
import pytest

from artkit.contract import PictureError, Step
from artkit.interfaces.engine import Busy, Closed, Engine, Job, Update, follow
from artkit.interfaces.engine_work import UNREAD
from artkit.interfaces.turns import Line

SECONDS = 10  # no wait in a test may be longer


@pytest.fixture
def engine() -> Iterator[Engine]:
    engine = Engine()
    yield engine
    while GATES:
        GATES.pop().let.release(1000)
    engine.close()


class Gate:
    """A technique that makes each step when it is let, and notes what happens to it."""

    def __init__(self) -> None:
        self.log: list[str] = []
        self.let, self.waits = threading.Semaphore(0), threading.Semaphore(0)
        self.closed = threading.Event()
        GATES.append(self)

    def steps(self) -> Iterator[Step]:
        try:
            for number in range(1, 1001):
                self.waits.release()
                assert self.let.acquire(timeout=SECONDS)
                self.log.append(f"{number}")
                yield Step(mx.full((1, 2, 3, 3), number / 1000), number, 1000)
        finally:
            self.closed.set()

    def step(self, count: int = 1) -> None:
        """Let steps be made, and wait until each is noted and the next one has begun."""
        for _ in range(count):
            self.let.release()
            assert self.waits.acquire(timeout=SECONDS)


GATES: list[Gate] = []


def steps(log: list[str], name: str, total: int = 1) -> Callable[[], Iterator[Step]]:
    def make() -> Iterator[Step]:
        for number in range(1, total + 1):
            log.append(name)
            yield Step(mx.full((1, 2, 3, 3), number / total), number, total, {"loss": 1 / number})

    return make


def last(job: Job) -> Update:
    *_, update = job.updates()
    return update


def busy(engine: Engine) -> tuple[Gate, Job]:
    """A job that has begun, so that all else waits until it is let go on."""
    gate = Gate()
    job = engine.submit(gate.steps, "first")
    assert gate.waits.acquire(timeout=SECONDS)
    gate.step()
    return gate, job


def test_all_work_is_done_on_one_thread_that_is_not_the_callers(engine: Engine) -> None:
    threads = [engine.call(threading.get_ident).result(SECONDS) for _ in range(3)]
    assert len({*threads}) == 1
    assert threads[0] != threading.get_ident()


def test_updates_carry_the_steps_as_numbers_and_pictures(engine: Engine) -> None:
    update = last(engine.submit(steps([], "a", total=4)))
    assert (update.done, update.total, update.position, update.figures) == (4, 4, 0, {"loss": 0.25})
    assert update.image is not None
    assert update.pixels is not None
    assert update.image.dtype == np.float32
    np.testing.assert_array_equal(update.pixels, np.full((2, 3, 3), 255, np.uint8))


def test_pixels_are_rounded_and_clipped() -> None:
    values = np.array([[[-1, 0.5, 2], [np.nan, 1 / 255, 1]]], np.float32)
    pixels = Update(0, Step(mx.zeros((1, 1, 2, 3)), 1, 1), values).pixels
    assert pixels is not None
    assert pixels.tolist() == [[[0, 128, 255], [0, 1, 255]]]


def test_the_first_news_of_a_job_is_its_place_in_line(engine: Engine) -> None:
    gate, first = busy(engine)
    second, third = (engine.submit(steps([], "b"), owner) for owner in "bc")
    assert (first.position, second.position, third.position) == (0, 1, 2)
    updates = third.updates()
    assert next(updates).position == 2
    second.cancel()
    assert next(updates).position == 1
    first.cancel()
    gate.let.release()
    assert [(update.position, update.done) for update in updates][-1] == (0, 1)


def test_owners_take_turns(engine: Engine) -> None:
    log: list[str] = []
    gate, first = busy(engine)
    jobs = [engine.submit(steps(log, f"a{n}"), "a") for n in range(3)]
    jobs += [engine.submit(steps(log, f"b{n}"), "b") for n in range(2)]
    jobs += [engine.submit(steps(log, "c0"), "c")]
    assert [job.position for job in jobs] == [1, 4, 6, 2, 5, 3]
    first.cancel()
    gate.let.release()
    for job in jobs:
        last(job)
    assert log == ["a0", "b0", "c0", "a1", "b1", "a2"]


def test_an_owner_at_work_waits_for_a_newcomer(engine: Engine) -> None:
    log: list[str] = []
    gate, first = busy(engine)
    jobs = [engine.submit(steps(log, owner), owner) for owner in ("first", "new")]
    first.cancel()
    gate.let.release()
    for job in jobs:
        last(job)
    assert log == ["new", "first"]


class Work:
    """A task that does nothing."""

    ready = True

    def __init__(self, owner: str) -> None:
        self.owner = owner


def test_who_asks_again_and_again_cannot_hold_up_who_asked_for_much_at_once() -> None:
    line: Line[Work] = Line()
    for owner in ("much", "much", "much", "much", "a", "b"):
        line.add(Work(owner))
    served = []
    for _ in range(12):
        task = line.next()
        line.remove(task)
        served.append(task.owner)
        if task.owner != "much":
            line.add(Work(task.owner))
    assert served == ["much", "a", "b"] * 4


def test_ever_new_owners_cannot_hold_up_a_second_task() -> None:
    line: Line[Work] = Line()
    for owner in ("much", "much", "a", "b", "c", "d"):
        line.add(Work(owner))
    served = []
    for number in range(20):
        task = line.next()
        line.remove(task)
        served.append(task.owner)
        line.add(Work(f"new {number}"))
    assert served.count("much") == 2


def test_a_line_remembers_nothing_of_owners_who_left() -> None:
    line: Line[Work] = Line()
    for number in range(100):
        line.add(Work(str(number)))
        if number >= 10:
            line.remove(line.next())
    assert len(line._rounds) <= 30
    while line.ready:
        line.remove(line.next())
    assert not line._rounds
    assert not line.tasks()


def test_calls_run_between_the_steps_of_a_job_and_urgent_ones_first(engine: Engine) -> None:
    log: list[str] = []
    gate, _ = busy(engine)
    gate.log = log  # of the second step, which has begun
    calls = [engine.call(log.append, "quick"), engine.call(log.append, "urgent", urgent=True)]
    gate.step()
    for call in calls:
        call.result(SECONDS)
    assert log == ["2", "urgent", "quick"]


def test_quick_jobs_do_not_wait_for_the_end_of_a_long_one(engine: Engine) -> None:
    gate, _ = busy(engine)
    quick = engine.submit(steps([], "quick"), "other", quick=True)
    gate.step()
    assert last(quick).done == 1
    assert not gate.closed.is_set()


def test_a_job_goes_on_under_a_flood_of_urgent_calls(engine: Engine) -> None:
    """Frames that come faster than they can be drawn take about half of the time, not all of it."""
    stop, frames = threading.Event(), []

    def camera() -> None:
        while not stop.is_set():
            calls = [engine.call(time.sleep, 0.002, urgent=True) for _ in range(4)]
            frames.extend(call.result(SECONDS) for call in calls)

    cameras = [threading.Thread(target=camera) for _ in range(3)]
    for thread in cameras:
        thread.start()

    def make() -> Iterator[Step]:
        for number in range(1, 11):
            time.sleep(0.005)
            yield Step(mx.zeros((1, 2, 2, 3)), number, 10)

    assert last(engine.submit(make)).done == 10
    assert engine.call(lambda: "done").result(SECONDS) == "done"
    stop.set()
    for thread in cameras:
        thread.join(SECONDS)
    assert len(frames) >= 10


def test_cancelling_closes_the_generator_after_the_present_step(engine: Engine) -> None:
    gate, job = busy(engine)
    job.cancel()
    gate.let.release(5)
    assert gate.closed.wait(SECONDS)
    list(job.updates())
    assert len(gate.log) <= 3  # at most the step that had begun
    assert job.finished


def test_a_job_cancelled_while_it_waits_never_begins(engine: Engine) -> None:
    log: list[str] = []
    gate, first = busy(engine)
    waiting = engine.submit(steps(log, "never"), "b")
    waiting.cancel()
    assert list(waiting.updates()) == []
    first.cancel()
    gate.let.release()
    engine.call(int).result(SECONDS)
    assert log == []


def test_everything_of_an_owner_is_cancelled_with_the_page(engine: Engine) -> None:
    gate, first = busy(engine)
    others = [engine.submit(steps([], "x"), owner) for owner in ("first", "first", "second")]
    engine.cancel("first")
    gate.let.release()
    assert list(others[0].updates()) == list(others[1].updates()) == []
    assert last(others[2]).done == 1
    assert first.cancelled


def test_what_a_technique_raises_comes_out_as_it_is(engine: Engine) -> None:
    def make() -> Iterator[Step]:
        yield Step(mx.zeros((1, 2, 2, 3)), 1, 2)
        raise PictureError("a hole in the canvas")

    job = engine.submit(make)
    with pytest.raises(PictureError, match=r"^a hole in the canvas$"):
        list(job.updates())

    def cannot_begin() -> Iterator[Step]:
        raise ValueError("no")

    with pytest.raises(ValueError, match=r"^no$"):
        list(engine.submit(cannot_begin).updates())
    with pytest.raises(ZeroDivisionError):
        engine.call(lambda: 1 / 0).result(SECONDS)
    assert engine.call(lambda: 3).result(SECONDS) == 3


def test_only_the_newest_update_is_kept(engine: Engine) -> None:
    gate, job = busy(engine)
    gate.step(50)
    assert next(job.updates()).done == 51
    assert job.news() is None


def test_every_update_on_request_and_the_job_rests_meanwhile(engine: Engine) -> None:
    log: list[str] = []
    job = engine.submit(steps(log, "all", total=20), "a", every=True)
    assert last(engine.submit(steps([], "b"), "b")).done == 1  # goes on while the first rests
    assert len(log) == UNREAD
    assert [update.done for update in job.updates() if update.step] == [*range(1, 21)]


def test_a_job_that_rests_can_be_cancelled(engine: Engine) -> None:
    closed = threading.Event()

    def make() -> Iterator[Step]:
        try:
            for number in range(100):
                yield Step(mx.zeros((1, 2, 2, 3)), number, 100)
        finally:
            closed.set()

    job = engine.submit(make, every=True)
    engine.call(int).result(SECONDS)
    job.cancel()
    assert closed.wait(SECONDS)


def test_a_full_line_refuses_work_but_not_urgent_calls() -> None:
    engine = Engine(queue=2)
    gate, first = busy(engine)
    for owner in "ab":
        engine.submit(steps([], owner), owner)
    with pytest.raises(Busy, match="2 pictures are waiting"):
        engine.submit(steps([], "c"), "c")
    with pytest.raises(Busy):
        engine.call(int)
    frame = engine.call(int, urgent=True)
    gate.step()
    assert frame.result(SECONDS) == 0
    assert engine.waiting == 2
    first.cancel()
    gate.let.release()
    engine.close()


def test_closing_ends_the_work_and_the_thread(engine: Engine) -> None:
    gate, job = busy(engine)
    waiting, call = engine.submit(steps([], "b"), "b"), engine.call(int)
    closer = threading.Thread(target=engine.close)
    closer.start()
    gate.let.release()
    closer.join(SECONDS)
    assert gate.closed.is_set()
    assert job.finished
    assert waiting.finished
    assert call.cancelled()
    assert "artkit engine" not in [thread.name for thread in threading.enumerate()]
    with pytest.raises(Closed):
        engine.call(int)
    engine.close()


def test_an_engine_without_work_has_no_thread() -> None:
    Engine().close()
    assert "artkit engine" not in [thread.name for thread in threading.enumerate()]


def test_work_that_asks_for_more_work_fails_at_once(engine: Engine) -> None:
    with pytest.raises(RuntimeError, match="engine's thread"):
        engine.call(lambda: engine.call(int).result()).result(SECONDS)


def test_nothing_of_a_finished_job_stays(engine: Engine) -> None:
    class Big:
        pass

    big = Big()
    reference = weakref.ref(big)

    def make(held: Big) -> Iterator[Step]:
        yield Step(mx.zeros((1, 2, 2, 3)), 1, 1)
        assert held

    job = engine.submit(lambda held=big: make(held))
    last(job)
    del big, job
    gc.collect()
    assert reference() is None


def test_coroutines_follow_a_job_and_cancel_it_when_they_leave(engine: Engine) -> None:
    async def to_the_end() -> list[int]:
        return [update.done async for update in follow(engine.submit(steps([], "a", total=3))) if update.step]

    assert asyncio.run(to_the_end())[-1] == 3
    gate = Gate()

    async def leave() -> Job:
        job = engine.submit(gate.steps)
        gate.let.release(1000)
        async with contextlib.aclosing(follow(job)) as updates:
            async for update in updates:
                if update.step:
                    break
        return job

    assert asyncio.run(leave()).cancelled
    assert gate.closed.wait(SECONDS)


def test_coroutines_are_told_the_position_again_when_nothing_happens(engine: Engine) -> None:
    gate, job = busy(engine)
    waiting = engine.submit(gate.steps, "b")

    async def positions() -> list[int]:
        found = []
        async with contextlib.aclosing(follow(waiting, silence=0.01)) as updates:
            async for update in updates:
                found.append(update.position)
                if len(found) == 3:
                    break
        return found

    assert asyncio.run(positions()) == [1, 1, 1]
    job.cancel()


def test_coroutines_get_the_error(engine: Engine) -> None:
    def make() -> Iterator[Step]:
        yield Step(mx.zeros((1, 2, 2, 3)), 1, 2)
        raise PictureError("a hole in the canvas")

    async def read() -> None:
        async for _ in follow(engine.submit(make)):
            pass

    with pytest.raises(PictureError, match="hole"):
        asyncio.run(read())


def test_lazy_arrays_of_mlx_are_finished_before_they_leave(engine: Engine) -> None:
    """A lazy array of another thread cannot be read: "There is no Stream(…) in current thread"."""

    def make() -> Iterator[Step]:
        kernel = mx.random.normal((3, 3, 3, 3), key=mx.random.key(1))
        picture = mx.random.uniform(shape=(1, 16, 16, 3), key=mx.random.key(2))
        yield Step(mx.sigmoid(mx.conv2d(picture, kernel, padding=1)), 1, 1)

    update = last(engine.submit(make))
    assert update.step is not None
    assert update.image is not None
    assert update.image.shape == (16, 16, 3)
    np.testing.assert_array_equal(np.array(update.step.image)[0], update.image)
    assert 0 < update.image.std() < 1
