"""A span around each call of a function, whatever sort it is.

The program sees the same results, exceptions, generators and signatures as without.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import (
    AsyncGenerator,
    Callable,
    Generator,
)
from typing import Any, Literal, TypeVar

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
