"""A span around each call of a function, whatever sort it is, and around streams.

The program sees the same results, exceptions, generators, chunks and signatures as without. Of
chunks the times are taken.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import (
    AsyncGenerator,
    AsyncIterable,
    AsyncIterator,
    Callable,
    Generator,
    Iterable,
    Iterator,
)
from time import perf_counter
from typing import Any, Generic, Literal, Protocol, TypeVar

from spanledger._errors import told
from spanledger._work import Work

T = TypeVar("T")
StreamEnd = Literal["completed", "abandoned", "broken"]
Open = Callable[[tuple[Any, ...], dict[str, Any]], Work]


def wrapped(function: Any, open_work: Open, *, is_tool: bool = False) -> Any:
    """Return a function that does the same within a span.

    Args:
        function: also a coroutine function, a generator function, or a static or class method.
        open_work: starts the span, given the arguments.
        is_tool: whether arguments and result are those of a tool.
    """
    if isinstance(function, (staticmethod, classmethod)):
        inner = wrapped(function.__func__, open_work, is_tool=is_tool)  # pyright: ignore
        return type(function)(inner)  # pyright: ignore
    start = _Start(open_work, _names_of(function) if is_tool else None)
    if inspect.iscoroutinefunction(function):
        return _coroutine(function, start)
    if inspect.isasyncgenfunction(function):
        return _async_generator(function, start)
    if inspect.isgeneratorfunction(function):
        return _generator(function, start)
    return _plain(function, start)


class _Start:
    """Opens the work of one call, if that succeeds."""

    __slots__ = ("_is_method", "_names", "_open")

    def __init__(self, open_work: Open, names: tuple[str, ...] | None) -> None:
        self._open = open_work
        self._is_method = names is not None and names[:1] in (("self",), ("cls",))
        self._names = names[1:] if self._is_method and names else names

    def __call__(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Work:
        try:
            return self._open(args, kwargs)
        except Exception as error:
            told("starting a span", error)
            return Work.none()

    def announce(self, work: Work, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        """Say the arguments of a tool, but for the object of a method; a guard may raise here."""
        if self._names is not None:
            work.called(self._names, args[1:] if self._is_method else args, kwargs)

    def answered(self, work: Work, result: object) -> None:
        """Say the result of a tool."""
        if self._names is not None:
            work.result(result)


def _names_of(function: Any) -> tuple[str, ...]:
    """Return the names of positional parameters."""
    code = getattr(function, "__code__", None)
    return () if code is None else code.co_varnames[: code.co_argcount]


def _plain(function: Any, start: _Start) -> Any:
    @functools.wraps(function)
    def call(*args: Any, **kwargs: Any) -> Any:
        work = start(args, kwargs)
        work.enter()
        try:
            start.announce(work, args, kwargs)
            result = function(*args, **kwargs)
        except BaseException as error:
            work.finish(error)
            raise
        start.answered(work, result)
        work.finish()
        return result

    return call


def _coroutine(function: Any, start: _Start) -> Any:
    @functools.wraps(function)
    async def call(*args: Any, **kwargs: Any) -> Any:
        work = start(args, kwargs)
        work.enter()
        try:
            start.announce(work, args, kwargs)
            result = await function(*args, **kwargs)
        except BaseException as error:
            work.finish(error)
            raise
        start.answered(work, result)
        work.finish()
        return result

    return call


def _generator(function: Any, start: _Start) -> Any:
    @functools.wraps(function)
    def call(*args: Any, **kwargs: Any) -> Generator[Any, Any, Any]:
        work = start(args, kwargs)
        made = function(*args, **kwargs)
        return (yield from _stepping(made, work, lambda: start.announce(work, args, kwargs)))

    return call


def _stepping(
    made: Generator[Any, Any, Any], work: Work, announce: Callable[[], None]
) -> Generator[Any, Any, Any]:
    """Run a generator within a span that is current while it runs, not while its reader does."""
    step: Callable[[], Any] = functools.partial(next, made)
    while True:
        work.enter()
        try:
            announce()
            item = step()
        except StopIteration as stop:
            work.finish()
            return stop.value
        except BaseException as error:
            work.finish(error)
            raise
        work.leave()
        announce = _nothing
        try:
            sent = yield item
        except GeneratorExit:
            _abandon(made, work)
            raise
        except BaseException as error:
            step = functools.partial(made.throw, error)
        else:
            step = functools.partial(made.send, sent)


def _nothing() -> None:
    return


def _abandon(made: Generator[Any, Any, Any], work: Work) -> None:
    work.enter()
    try:
        made.close()
    except BaseException as error:
        work.finish(error)
        raise
    work.finish()


def _async_generator(function: Any, start: _Start) -> Any:
    @functools.wraps(function)
    async def call(*args: Any, **kwargs: Any) -> AsyncGenerator[Any, Any]:
        work = start(args, kwargs)
        made = function(*args, **kwargs)
        step: Callable[[], Any] = functools.partial(made.asend, None)
        is_announced = False
        while True:
            work.enter()
            try:
                if not is_announced:
                    is_announced = True
                    start.announce(work, args, kwargs)
                item = await step()
            except StopAsyncIteration:
                work.finish()
                return
            except BaseException as error:
                work.finish(error)
                raise
            work.leave()
            try:
                sent = yield item
            except GeneratorExit:
                await _abandon_async(made, work)
                raise
            except BaseException as error:
                step = functools.partial(made.athrow, error)
            else:
                step = functools.partial(made.asend, sent)

    return call


async def _abandon_async(made: AsyncGenerator[Any, Any], work: Work) -> None:
    work.enter()
    try:
        await made.aclose()
    except BaseException as error:
        work.finish(error)
        raise
    work.finish()


class Listener(Protocol):
    """Hears of a stream."""

    def chunk_came(self, chunk: object) -> None:
        """See a chunk."""
        ...

    def stream_ended(self, how: StreamEnd, times: ChunkTimes, error: BaseException | None) -> None:
        """See the end; called once."""
        ...


class ChunkTimes:
    """When the chunks of a stream came, without keeping each time."""

    __slots__ = ("_started", "chunks", "first_s", "gap_max_s", "last_s")

    def __init__(self, started: float | None = None) -> None:
        self._started = perf_counter() if started is None else started
        self.chunks = 0
        self.first_s = 0.0
        self.last_s = 0.0
        self.gap_max_s = 0.0

    def came(self) -> None:
        """Take note of a chunk."""
        now_s = perf_counter() - self._started
        if self.chunks:
            self.gap_max_s = max(self.gap_max_s, now_s - self.last_s)
        else:
            self.first_s = now_s
        self.last_s = now_s
        self.chunks += 1

    @property
    def gap_mean_s(self) -> float:
        """Mean time between two chunks; 0 with fewer than two."""
        return (self.last_s - self.first_s) / (self.chunks - 1) if self.chunks > 1 else 0.0


class _Passing(Generic[T]):
    """What both sorts of streams share: whatever else the stream can do, it still can."""

    def __init__(self, source: Any, listener: Listener, started: float) -> None:
        self._source = source
        self._listener: Listener | None = listener
        self._times = ChunkTimes(started)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._source, name)

    def __del__(self) -> None:
        self._ended("abandoned", None)

    def _came(self, chunk: object) -> None:
        self._times.came()
        if self._listener is not None:
            try:
                self._listener.chunk_came(chunk)
            except Exception as error:
                told("reading a chunk", error)

    def _ended(self, how: StreamEnd, error: BaseException | None) -> None:
        listener, self._listener = self._listener, None
        if listener is not None:
            try:
                listener.stream_ended(how, self._times, error)
            except Exception as failure:
                told("the end of a stream", failure)


class Stream(_Passing[T], Iterator[T]):
    """A stream that is read as the one it stands for."""

    def __init__(self, source: Iterable[T], listener: Listener, started: float) -> None:
        super().__init__(source, listener, started)
        self._chunks = iter(source)

    def __iter__(self) -> Stream[T]:
        return self

    def __next__(self) -> T:
        try:
            chunk = next(self._chunks)
        except StopIteration:
            self._ended("completed", None)
            raise
        except BaseException as error:
            self._ended("broken", error)
            raise
        self._came(chunk)
        return chunk

    def close(self) -> None:
        """Stop reading."""
        try:
            close = getattr(self._source, "close", None)
            if close is not None:
                close()
        finally:
            self._ended("abandoned", None)

    def __enter__(self) -> Stream[T]:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class AsyncStream(_Passing[T], AsyncIterator[T]):
    """An asynchronous stream that is read as the one it stands for."""

    def __init__(self, source: AsyncIterable[T], listener: Listener, started: float) -> None:
        super().__init__(source, listener, started)
        self._chunks = source.__aiter__()

    def __aiter__(self) -> AsyncStream[T]:
        return self

    async def __anext__(self) -> T:
        try:
            chunk = await self._chunks.__anext__()
        except StopAsyncIteration:
            self._ended("completed", None)
            raise
        except BaseException as error:
            self._ended("broken", error)
            raise
        self._came(chunk)
        return chunk

    async def aclose(self) -> None:
        """Stop reading."""
        try:
            close = getattr(self._source, "aclose", None) or getattr(self._source, "close", None)
            if close is not None:
                await close()
        finally:
            self._ended("abandoned", None)

    async def close(self) -> None:
        """Stop reading, as the streams of providers call it."""
        await self.aclose()

    async def __aenter__(self) -> AsyncStream[T]:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()
