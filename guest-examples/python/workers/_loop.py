"""The event loop of one invocation."""

import asyncio

import poll_loop
from wit_world.imports import monotonic_clock, poll

NANOSECONDS = 1_000_000_000


class Loop(poll_loop.PollLoop):
    """componentize-py's loop, with timers, and without waiting while tasks can run."""

    def run_until_complete(self, future):
        future = asyncio.ensure_future(future, loop=self)
        self.running = True
        asyncio.events._set_running_loop(self)
        while not future.done():
            handles, self.handles = self.handles, []
            for handle in handles:
                if not handle.cancelled():
                    handle._run()
            if self.exception is not None:
                raise self.exception
            if self.wakers:
                self._wake()
            elif not self.handles and not future.done():
                raise RuntimeError("the handler waits for something that never happens")
        return future.result()

    def _wake(self):
        pollables = [pollable for pollable, _ in self.wakers]
        now = monotonic_clock.subscribe_duration(0) if self.handles else None
        ready = set(poll.poll(pollables + [now] if now else pollables))
        waiting, self.wakers = self.wakers, []
        for index, (pollable, waker) in enumerate(waiting):
            if index in ready:
                pollable.__exit__(None, None, None)
                if not waker.done():
                    waker.set_result(None)
            else:
                self.wakers.append((pollable, waker))
        if now:
            now.__exit__(None, None, None)

    def time(self):
        return monotonic_clock.now() / NANOSECONDS

    def call_at(self, when, callback, *args, context=None):
        handle = asyncio.TimerHandle(when, callback, args, self, context)
        asyncio.ensure_future(self._ring(handle), loop=self)
        return handle

    def call_later(self, delay, callback, *args, context=None):
        return self.call_at(self.time() + delay, callback, *args, context=context)

    def _timer_handle_cancelled(self, handle):
        pass

    async def _ring(self, handle):
        when = max(0, int(handle.when() * NANOSECONDS))
        await ready(monotonic_clock.subscribe_instant(when))
        if not handle.cancelled():
            handle._run()


def run(coroutine):
    """Runs a coroutine to its end, and returns its result."""
    loop = Loop()
    asyncio.set_event_loop(loop)
    return loop.run_until_complete(coroutine)


async def ready(pollable):
    """Waits until a pollable is ready."""
    await poll_loop.register(asyncio.get_running_loop(), pollable)
