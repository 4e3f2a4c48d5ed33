"""The sound of a video note, or of a recording of another kind, as OggOpus. Begin with `opus`; needs PyAV (`av`)."""

from __future__ import annotations

import asyncio
import io

RATE = 48_000
DEADLINE = 60.0
PAGE_HEAD = 27  # bytes of the head of an Ogg page


class NoSound(ValueError):
    """`why`: missing (there is no PyAV here), broken, mute, long."""

    def __init__(self, why: str) -> None:
        super().__init__(why)
        self.why = why


def seconds(ogg: bytes) -> float:
    """How long OggOpus lasts, by the position that its last page tells; 0 where that is no such file."""
    page = ogg.rfind(b"OggS")
    if page < 0 or len(ogg) < page + PAGE_HEAD:
        return 0.0
    position = int.from_bytes(ogg[page + 6 : page + 14], "little", signed=True)
    return max(position, 0) / RATE


async def opus(data: bytes, seconds: int) -> bytes:
    """One channel of at most so many seconds. Raises `NoSound`."""
    try:
        async with asyncio.timeout(DEADLINE):
            return await asyncio.to_thread(converted, data, seconds)
    except TimeoutError:
        raise NoSound("long") from None


def converted(data: bytes, seconds: int) -> bytes:
    """The same in this thread."""
    try:
        import av
    except ImportError:
        raise NoSound("missing") from None
    out = io.BytesIO()
    try:
        # A title that is no UTF-8 is nothing to us.
        source = av.open(io.BytesIO(data), "r", metadata_errors="ignore")
        with source, av.open(out, "w", format="ogg") as target:
            if not source.streams.audio:
                raise NoSound("mute")
            encoder = target.add_stream("libopus", rate=RATE)
            encoder.layout = "mono"
            resampler = av.AudioResampler(format="s16", layout="mono", rate=RATE)
            for frame in source.decode(source.streams.audio[0]):
                if frame.time is not None and frame.time > seconds:
                    raise NoSound("long")
                for piece in resampler.resample(frame):
                    target.mux(encoder.encode(piece))
            for piece in resampler.resample(None):
                target.mux(encoder.encode(piece))
            target.mux(encoder.encode(None))
    except NoSound:
        raise
    except (av.FFmpegError, ValueError):  # ValueError: the sound changes its shape midway
        raise NoSound("broken") from None
    return out.getvalue()
