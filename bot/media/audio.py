"""Converts video notes and audio files to OggOpus, which speech recognition takes. Needs PyAV (`av`).

Begin with `opus`, which is only called in a child process (`concurrency/child_pool.py`).
"""

from __future__ import annotations

import io

from bot.errors import Unreadable

RATE = 48_000
PAGE_HEAD = 27  # bytes of the head of an Ogg page


def seconds(ogg: bytes) -> float:
    """The length of an OggOpus file in seconds, from the position in its last page; 0.0 for any other file."""
    page = ogg.rfind(b"OggS")
    if page < 0 or len(ogg) < page + PAGE_HEAD:
        return 0.0
    position = int.from_bytes(ogg[page + 6 : page + 14], "little", signed=True)
    return max(position, 0) / RATE


def opus(data: bytes, seconds: int) -> bytes:
    """The sound of a file as mono OggOpus; `seconds` is the longest length that is accepted.

    Raises `Unreadable` with "missing" (PyAV is not installed), "mute" (the file has no sound) or "long", and the errors
    of FFmpeg for a damaged file.
    """
    try:
        import av
    except ImportError:
        raise Unreadable("missing") from None
    out = io.BytesIO()
    # A title that is not UTF-8 must not fail the file: titles are not used.
    source = av.open(io.BytesIO(data), "r", metadata_errors="ignore")
    with source, av.open(out, "w", format="ogg") as target:
        if not source.streams.audio:
            raise Unreadable("mute")
        encoder = target.add_stream("libopus", rate=RATE)
        encoder.layout = "mono"
        resampler = av.AudioResampler(format="s16", layout="mono", rate=RATE)
        for frame in source.decode(source.streams.audio[0]):
            if frame.time is not None and frame.time > seconds:
                raise Unreadable("long")
            for piece in resampler.resample(frame):
                target.mux(encoder.encode(piece))
        for piece in resampler.resample(None):
            target.mux(encoder.encode(piece))
        target.mux(encoder.encode(None))
    return out.getvalue()
