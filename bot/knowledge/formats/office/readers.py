"""The readers of files of office programs by their endings: `OFFICE`."""

from __future__ import annotations

from collections.abc import Callable

from bot.knowledge.formats.office.books import read_rtf
from bot.knowledge.formats.office.opendocument import read_odt
from bot.knowledge.formats.office.sheets import read_sheets
from bot.knowledge.formats.office.slides import read_slides
from bot.knowledge.formats.office.word import read_word
from bot.knowledge.formats.outline import Outline

OFFICE: dict[str, Callable[[bytes, Outline], None]] = {
    "docx": read_word,
    "pptx": read_slides,
    "odt": read_odt,
    "rtf": read_rtf,
    **dict.fromkeys(("xlsx", "xlsm", "xlsb", "xls", "ods"), read_sheets),
}
