"""Who computes: how many threads, and how they share the work so that nobody waits for one that is not running.

The threads of a BLAS wait for one another in the middle of a product. Where two programs share the cores, the one that is
waited for is often not running, and a product takes many times as long. So BLAS is held at one thread, and large work is shared
among threads of our own: whoever is free takes the next piece, and the caller does alone what nobody else has begun.
"""

import os
import sys
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from contextvars import copy_context
from functools import cache
from queue import SimpleQueue
from typing import Any

from fcnet.cores import cores
from fcnet.errors import to_int

MOST_WAITING = 100  # jobs that no helper has looked at, while all of them are at long pieces


class _Here(threading.local):
    """Of each thread its own."""

    threads: int | None = None  # how many share the work, where that has been said
    at_work = 1  # as many as there are cores for
    sharing = False  # whether products are cut, as BLAS is held at one thread
    busy = False  # whether it is doing a piece already


class _Limits:
    """The number of threads of BLAS, one for a process: the least that anyone asks for, and after the last as before."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.held: list[tuple[int, int]] = []  # thread, and the number that it asks for
        self.before: dict[Any, int] = {}  # how many threads each library had
        self.set: dict[Any, int] = {}  # and has

    def numbers(self) -> list[int]:
        """Return how many threads the libraries have when nobody holds them."""
        with self.lock:
            return list(self.before.values()) if self.held else [lib.get_num_threads() for lib in _libraries()]

    def hold(self, number: int) -> tuple[int, int]:
        held = threading.get_ident(), number
        with self.lock:
            self.before = {lib: lib.get_num_threads() for lib in _libraries() if lib not in self.before} | self.before
            self.held.append(held)
            self.apply()
        return held

    def release(self, held: tuple[int, int]) -> None:
        with self.lock:
            self.held.remove(held)
            self.apply()

    def apply(self) -> None:
        """Set the least number that is asked for; after the last, those of before."""
        numbers = [number for _, number in self.held]
        for lib, before in self.before.items():
            number = min([before, *numbers])
            if self.set.get(lib, before) != number:
                _set_number(lib, number)
            self.set[lib] = number
        if not self.held:
            self.before, self.set = {}, {}


def _set_number(lib: Any, number: int) -> None:
    """Set how many threads a library has; newer versions of threadpoolctl ignore all but the first that did."""
    forget = getattr(lib, "clear_controlling_thread", lambda force: None)
    forget(force=True)
    lib.set_num_threads(number)
    forget(force=True)  # as others may, too


_known: dict[str, Any] = {}


def _libraries() -> list[Any]:
    return _libraries_loaded("scipy.linalg" in sys.modules)  # which brings a BLAS of its own


@cache
def _libraries_loaded(scipy: bool) -> list[Any]:
    import numpy  # noqa: F401  # brings the first
    from threadpoolctl import ThreadpoolController

    for library in ThreadpoolController().select(user_api="blas").lib_controllers:
        _known.setdefault(library.filepath, library)  # of each the same object always, by which a limit remembers it
    return list(_known.values())


def default_threads() -> int:
    """Return how many threads compute where nothing is said: the cores at hand, and no more than BLAS has been given."""
    return _here.threads or min([cores(), *_limits.numbers()])


@contextmanager
def use_threads(threads: int | None) -> Iterator[int]:
    """Have what is computed in this thread share its work among so many threads; with None as many as around it, or by default.

    There are never more at work than there are cores; the number also says how products are cut, and so how they are rounded.
    """
    if threads is None and _here.threads is not None:
        yield _here.threads
        return
    before = _here.threads, _here.at_work
    number = to_int("threads", threads, 1) if threads is not None else default_threads()
    held = _limits.hold(number)
    _here.threads, _here.at_work = number, min(number, cores())
    try:
        yield number
    finally:
        _here.threads, _here.at_work = before
        _limits.release(held)


@contextmanager
def one_blas_thread() -> Iterator[None]:
    """Hold BLAS at one thread, and have `share` and large products take the threads instead."""
    before, held = _here.sharing, _limits.hold(1)
    _here.sharing = True
    try:
        yield
    finally:
        _here.sharing = before
        _limits.release(held)


def is_sharing() -> bool:
    """Return whether BLAS is held at one thread by this one."""
    return _here.sharing


def is_busy() -> bool:
    """Return whether this thread is at a piece of shared work."""
    return _here.busy


class _Job:
    """Pieces of work, and who is at one of them."""

    def __init__(self, work: Callable[[Any], object], pieces: Iterable[Any]) -> None:
        self.work, self.pieces = work, deque(pieces)
        self.inside: set[int] = set()
        self.left: SimpleQueue[None] = SimpleQueue()
        self.error: BaseException | None = None
        self.context = copy_context()  # as NumPy's settings of what is said of an overflow

    def do(self) -> None:
        """Do pieces until there are none left to begin."""
        while True:
            try:
                piece = self.pieces.popleft()
            except IndexError:
                return
            self.work(piece)

    def help(self) -> None:
        """Do so in a helper; the caller waits for those that are inside."""
        me = threading.get_ident()
        self.inside.add(me)
        try:
            self.context.copy().run(self.do)
        except BaseException as error:  # raised again by share
            self.error = error
            self.pieces.clear()
        self.inside.discard(me)
        self.left.put(None)

    def wait(self) -> None:
        """Wait for the helpers, through interrupts too: what they write to may be used again after this."""
        interrupt: BaseException | None = None
        while self.inside:
            try:
                self.left.get()
            except BaseException as error:
                interrupt = error
        if interrupt is not None:
            raise interrupt


class _Pool:
    """Threads that wait for jobs; they take no time while there are none, and end with the process."""

    def __init__(self) -> None:
        self.jobs: SimpleQueue[_Job] = SimpleQueue()
        self.size, self.lock = 0, threading.Lock()

    def grow(self, size: int) -> None:
        with self.lock:
            while self.size < size:
                try:
                    threading.Thread(target=self.run, daemon=True, name=f"fcnet helper {self.size + 1}").start()
                except RuntimeError:  # there are no more, as while Python ends: the caller does the work
                    return
                self.size += 1

    def run(self) -> None:
        _here.busy = True
        while True:
            self.jobs.get().help()


def share(work: Callable[[Any], object], pieces: Iterable[Any]) -> None:
    """Call `work` with every piece, each in whichever thread is free first, and return when all are done.

    What is raised ends it, and is raised here. Pieces that share pieces of their own do all of those themselves.
    """
    job = _Job(work, pieces)
    if not _here.busy:
        helpers = min(_here.at_work if _here.threads else default_threads(), len(job.pieces)) - 1
        if helpers > _pool.size:
            _pool.grow(helpers)
        if _pool.jobs.qsize() < MOST_WAITING:
            for _ in range(helpers):
                _pool.jobs.put(job)
    busy, _here.busy = _here.busy, True
    try:
        job.do()
    finally:
        job.pieces.clear()  # after an error nothing more is begun
        try:
            job.wait()
        finally:
            _here.busy = busy
    if job.error is not None:
        raise job.error


_here, _limits, _pool = _Here(), _Limits(), _Pool()


def _begin_anew() -> None:
    """After a fork: other threads, and what they held, are not there in the child."""
    global _pool
    _pool, _limits.lock, me = _Pool(), threading.Lock(), threading.get_ident()
    _limits.held = [held for held in _limits.held if held[0] == me]
    _limits.apply()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_begin_anew)
