"""Where a study is kept: in a file of its folder, or in a database of several machines, which may be away for a while."""

import logging
import math
import re
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field
from functools import partial, wraps
from inspect import isfunction
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import optuna
from optuna.exceptions import StorageInternalError
from sqlalchemy import create_engine, event, inspect, make_url
from sqlalchemy.exc import (
    ArgumentError,
    IntegrityError,
    InterfaceError,
    OperationalError,
    PendingRollbackError,
    ProgrammingError,
    SQLAlchemyError,
)

from fcnet.errors import FcnetError, MissingPackageError, SettingError, install_extra

if TYPE_CHECKING:
    from optuna.study import Study

HEARTBEAT, GRACE = 15, 60  # seconds between signs of life of a worker, and after which it is taken for dead
PATIENCE = 300.0  # seconds for which a database may be away
FIRST_PAUSE, LONGEST_PAUSE = 0.25, 5.0
CONNECT_SECONDS = 10
MAKERS = 5  # machines that may make the tables of an empty database at once
STORAGE_ERRORS = (StorageInternalError, SQLAlchemyError, sqlite3.Error)
_AWAY = (OperationalError, InterfaceError, PendingRollbackError)
_log = logging.getLogger(__name__)
_thread = threading.local()


@dataclass(frozen=True)
class Database:
    """Where several machines share a study: the name of the study, and the address, which may hold a password.

    Raises
    ------
    SettingError
        If the address is none.
    """

    name: str
    url: str = field(repr=False)

    def __post_init__(self) -> None:
        url = re.sub(r"^postgres(ql)?://", "postgresql+psycopg://", self.url)
        object.__setattr__(self, "url", url)
        try:
            parsed = make_url(url)
            parsed.get_dialect()
            is_address = "@" not in (parsed.host or "")
        except (ArgumentError, ValueError):  # which may name the password
            is_address = False
        if not is_address:
            form = "postgresql://USER:PASSWORD@HOST:PORT/DATABASE, with %40 for an @ in the password"
            raise SettingError(f"--storage is not the address of a database: write it as {form}.")

    def redacted(self, text: str) -> str:
        """Return a text without the password of the address."""
        password = re.search(r"//[^/@]*?:([^/]+)@", self.url)
        return text.replace(password[1], "***") if password else text


class Storage(optuna.storages.RDBStorage):
    """Optuna's storage, whose every access waits up to `patience` seconds for a database that is away.

    An access is a transaction. Where the connection breaks as it is committed, nobody knows whether it was, and it is made
    again. A trial may be left as running that nobody has heard of, which `take_up_dead` finds. All else is the same when it is
    said twice, or raises UpdateFinishedTrialError.
    """

    patience = 0.0
    _is_waiting = False
    _last_away = -math.inf

    def wait(self, error: Exception, since: float, pause: float) -> None:
        """Wait for a moment, or raise the error: if it is another one, or patience is at its end."""
        cause = error.__cause__ or error
        if not isinstance(cause, _AWAY) or time.monotonic() + pause - since > self.patience:
            raise error
        self._last_away = time.monotonic()
        if not self._is_waiting:
            self._is_waiting = True
            _log.info("The database of --storage does not answer: waiting for it, at most %g minutes", self.patience / 60)
        time.sleep(pause)

    def _get_stale_trial_ids(self, study_id: int) -> list[int]:
        """Return the trials whose worker is dead; none soon after the database was away, as nobody could say that it lives."""
        return [] if time.monotonic() - self._last_away < GRACE else super()._get_stale_trial_ids(study_id)


def _patient(access: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(access)
    def patient(self: Storage, *args: Any, **kwargs: Any) -> Any:
        if getattr(_thread, "is_inside", False):  # of another access, whose transaction it is
            return access(self, *args, **kwargs)
        since, pause, _thread.is_inside = time.monotonic(), FIRST_PAUSE, True
        try:
            while True:
                try:
                    found = access(self, *args, **kwargs)
                    self._is_waiting = False
                    return found
                except (StorageInternalError, SQLAlchemyError) as error:
                    self.wait(error, since, pause)
                pause = min(2 * pause, LONGEST_PAUSE)
        finally:
            _thread.is_inside = False

    return patient


for _name, _access in (vars(optuna.storages.RDBStorage) | vars(Storage)).items():
    if isfunction(_access) and not _name.startswith("__") and _name != "wait":
        setattr(Storage, _name, _patient(_access))


def embedded(path: Path) -> Storage:
    """Return a file as storage, SQLite's: what a process that is killed has half written is taken back by the next one.

    A power cut may cost its last rows, as SQLite does not wait for the disk; a kill nothing. Its locks end with their process.
    """

    def pragma(connection: Any, _: Any) -> None:
        connection.execute("PRAGMA synchronous=NORMAL")

    with closing(sqlite3.connect(path)) as database:
        database.execute("PRAGMA journal_mode=WAL")  # readers do not wait for writers; it stays so
    storage = _storage(f"sqlite:///{path}", {"connect_args": {"timeout": 60}})
    event.listen(storage.engine, "connect", pragma)
    storage.engine.dispose()
    return storage


def embedded_to_read(path: Path) -> Storage:
    """Return a file as storage that is only read, and whose folder may not be written."""
    # Where SQLite has no log, nobody is at work. It would make one to read the file, and leave it there.
    how = "mode=ro" if path.with_name(f"{path.name}-wal").exists() else "immutable=1"
    file = f"{path.resolve().as_uri()}?{how}"
    return _storage("sqlite://", {"creator": lambda: sqlite3.connect(file, uri=True, timeout=60)}, is_read=True)


def shared(url: str, *, is_read: bool = False) -> Storage:
    """Return a database as storage, in which tables are made where there are none, unless it is only read.

    Raises
    ------
    KeyError
        If it is only read, and no study is there.
    """
    file = make_url(url).database if is_read and url.startswith("sqlite") else None
    if file and not file.startswith(("file:", ":")) and not Path(file).exists():  # SQLite would make it
        raise KeyError("there is no study yet")
    # A server whose machine is gone says nothing at all: that, too, is noticed in time.
    limits = {"connect_timeout": CONNECT_SECONDS, "keepalives_idle": HEARTBEAT, "tcp_user_timeout": 1000 * GRACE // 2}
    ours = {name: value for name, value in limits.items() if url.startswith("postgresql+psycopg:") and f"{name}=" not in url}
    return _storage(url, {"pool_pre_ping": True, "connect_args": ours}, is_read=is_read)


def _storage(url: str, engine: dict[str, Any], *, is_read: bool = False) -> Storage:
    make = partial(Storage, url, engine_kwargs=engine, heartbeat_interval=HEARTBEAT, grace_period=GRACE)
    if is_read:
        reader = create_engine(url, **engine)
        try:
            if not inspect(reader).has_table("alembic_version"):  # the last that Optuna makes; without it, it would go on
                raise KeyError("there is no study yet")
        finally:
            reader.dispose()
        return make(skip_table_creation=True)
    for _ in range(MAKERS):
        with suppress(IntegrityError, ProgrammingError):  # another machine makes the tables at the same moment
            return make()
    return make()


@contextmanager
def plain_errors(folder: Path, database: Database | None) -> Iterator[None]:
    """Say in a line that the database of a study cannot be used."""
    try:
        yield
    except STORAGE_ERRORS as error:
        cause = error.__cause__ or error
        words = " ".join(str(getattr(cause, "orig", None) or cause).split())
        if database is None:
            advice = "Mend that, and go on with --resume: nothing is lost."
            raise FcnetError(f"The study in {folder} cannot be read or written: {words}. {advice}") from None
        words = database.redacted(words).rstrip(".")
        advice = "When it can, give the same command again, a sweep with --out also --resume: nothing is lost."
        raise FcnetError(f"The database of --storage cannot be used: {words}. {advice}") from None
    except ImportError:
        if database is None:
            raise
        extra = install_extra("sweep")
        raise MissingPackageError(f"--storage needs a driver for this kind of database; for postgresql:// {extra}.") from None


def storage_of(study: "Study") -> optuna.storages.RDBStorage:
    """Return where a study is kept; Optuna has no public way to give signs of life, nor to give back a trial."""
    return cast("optuna.storages.RDBStorage", study._storage)


def stop_waiting(study: "Study") -> None:
    """Let every further access to a database that is away be an error at once."""
    cast("Any", study._storage)._backend.patience = 0.0  # Optuna's cache stands before it


@contextmanager
def beating(sign: Callable[[], None]) -> Iterator[None]:
    """Give signs of life, the first at once, in the body of a ``with``."""
    ended = threading.Event()

    def go_on() -> None:
        while not ended.wait(HEARTBEAT):
            with suppress(*STORAGE_ERRORS):  # who needs the database will say so
                sign()

    sign()
    thread = threading.Thread(target=go_on, daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join(1.0)  # it may be waiting
