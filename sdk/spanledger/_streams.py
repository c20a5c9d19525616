"""Streams passed through unchanged, with the times of their chunks."""

from __future__ import annotations

from collections.abc import AsyncIterable, AsyncIterator, Iterable, Iterator
from time import perf_counter
from typing import Any, Generic, Literal, Protocol, TypeVar

from spanledger._errors import told

T = TypeVar("T")
StreamEnd = Literal["completed", "abandoned", "broken"]


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
