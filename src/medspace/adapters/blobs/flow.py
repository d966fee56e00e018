"""Moving parts between disk and network: in threads, reading ahead by one piece."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterable
from typing import BinaryIO

from medspace.core.parts import Receiving

BATCH = 1 << 20  # bytes that are written or read at once; a part on its way holds two or three of them


async def store(receiving: Receiving, pieces: AsyncIterable[bytes]) -> None:
    """Write what arrives; if it breaks off, what arrived before is kept.

    Raises:
        PartError, StorageError: as `receiving.write`. And whatever the pieces raise.
    """
    writing: asyncio.Future[None] | None = None
    batch: list[bytes] = []
    size = 0
    try:
        async for piece in pieces:
            batch.append(piece)
            size += len(piece)
            if size < BATCH:
                continue
            if writing is not None:
                await writing
            writing, batch, size = _write(receiving, batch), [], 0
    finally:
        if writing is not None:
            await asyncio.shield(writing)
        if batch:
            await asyncio.shield(_write(receiving, batch))


def _write(receiving: Receiving, batch: list[bytes]) -> "asyncio.Future[None]":
    return asyncio.ensure_future(asyncio.to_thread(lambda: receiving.write(b"".join(batch))))


async def pieces_of(opened: BinaryIO, start: int, stop: int) -> AsyncGenerator[bytes, None]:
    """The bytes from `start` to `stop`, read ahead by one piece. The file stays open."""
    await asyncio.to_thread(opened.seek, start)
    ahead = _read(opened, min(BATCH, stop - start))
    try:
        while start < stop:
            piece = await ahead
            if not piece:
                return  # shorter than it was: whoever takes it will miss the rest
            start += len(piece)
            ahead = _read(opened, min(BATCH, stop - start))
            yield piece
    finally:
        await asyncio.gather(ahead, return_exceptions=True)  # nobody closes a file that is being read


def _read(opened: BinaryIO, count: int) -> "asyncio.Future[bytes]":
    return asyncio.ensure_future(asyncio.to_thread(opened.read, count))
