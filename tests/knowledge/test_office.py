"""Files of office programs and e-books: what is read of them, where it stands, and what hurts nobody."""

from __future__ import annotations

import io
import sys
import zipfile
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pptx import Presentation
from pptx.util import Inches

from bot.knowledge.extraction import extract
from bot.texts.catalog import say
from tests.support.opening import refusal
from tests.support.stage import ANNA, BORIS, Stage
from tests.support.telegram_side import rows

OFFICE = "urn:oasis:names:tc:opendocument:xmlns"
SHEET = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
LINKS = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"


def packed(files: dict[str, str | bytes]) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return out.getvalue()


def xlsx(sheets: dict[str, str], hidden: str = "", **others: str) -> bytes:
    """A workbook: the XML of the rows of each sheet, by its name. What follows "~" in it stands behind the rows, what
    precedes "^" before them.
    """
    listed = "".join(
        f'<sheet name="{name}" sheetId="{n}" state="{"hidden" if name == hidden else "visible"}" r:id="r{n}"/>'
        for n, name in enumerate(sheets, 1)
    )
    links = "".join(
        f'<Relationship Id="r{n}" Type="{LINKS}/worksheet" Target="worksheets/sheet{n}.xml"/>'
        for n in range(1, len(sheets) + 1)
    )
    relations = "http://schemas.openxmlformats.org/package/2006/relationships"
    files: dict[str, str | bytes] = {
        "[Content_Types].xml": '<Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types"/>',
        "_rels/.rels": f'<Relationships xmlns="{relations}"><Relationship Id="r" Type="{LINKS}/officeDocument" '
        'Target="xl/workbook.xml"/></Relationships>',
        "xl/workbook.xml": f'<workbook xmlns="{SHEET}" xmlns:r="{LINKS}"><sheets>{listed}</sheets></workbook>',
        "xl/_rels/workbook.xml.rels": f'<Relationships xmlns="{relations}">{links}</Relationships>',
    }
    for number, lines in enumerate(sheets.values(), 1):
        before, _, lines = lines.rpartition("^")
        rows, _, behind = lines.partition("~")
        files[f"xl/worksheets/sheet{number}.xml"] = (
            f'<worksheet xmlns="{SHEET}">{before}<sheetData>{rows}</sheetData>{behind}</worksheet>'
        )
    return packed({**files, **others})


def pages(data: bytes, name: str, mime: str = "") -> list[tuple[str, str]]:
    return extract(data, name, mime)[0]


def row(number: int, *cells: str | float) -> str:
    written = "".join(
        f'<c r="{chr(65 + place)}{number}" t="inlineStr"><is><t>{cell}</t></is></c>'
        if isinstance(cell, str)
        else f'<c r="{chr(65 + place)}{number}"><v>{cell}</v></c>'
        for place, cell in enumerate(cells)
    )
    return f'<row r="{number}">{written}</row>'


def pptx() -> bytes:
    show, out = Presentation(), io.BytesIO()
    first = show.slides.add_slide(show.slide_layouts[5])
    assert first.shapes.title is not None
    first.shapes.title.text = "Our plan"
    table = first.shapes.add_table(1, 2, Inches(1), Inches(1), Inches(2), Inches(1)).table
    table.cell(0, 0).text, table.cell(0, 1).text = "budget", "500"
    second = show.slides.add_slide(show.slide_layouts[6])
    group = second.shapes.add_group_shape()
    group.shapes.add_textbox(0, 0, 9, 9).text_frame.text = "in a group"
    assert second.notes_slide.notes_text_frame is not None
    second.notes_slide.notes_text_frame.text = "say it slowly"
    show.save(out)
    return out.getvalue()


def odt(body: str, before: str = "", **others: str) -> bytes:
    spaces = " ".join(f'xmlns:{name}="{OFFICE}:{name}:1.0"' for name in ("office", "text", "table"))
    content = f"{before}<office:document-content {spaces}><office:body>{body}</office:body></office:document-content>"
    return packed({"mimetype": "application/vnd.oasis.opendocument.text", "content.xml": content, **others})


def epub(*chapters: str, **others: str) -> bytes:
    container = '<container xmlns="urn:c"><rootfiles><rootfile full-path="OPS/book.opf"/></rootfiles></container>'
    items = "".join(f'<item id="c{n}" href="text/my%20{n}.xhtml"/>' for n in range(len(chapters)))
    spine = "".join(f'<itemref idref="c{n}"/>' for n in range(len(chapters)))
    book = f'<package xmlns="urn:b"><manifest>{items}</manifest><spine>{spine}</spine></package>'
    texts = {f"OPS/text/my {n}.xhtml": text for n, text in enumerate(chapters)}
    return packed({"META-INF/container.xml": container, "OPS/book.opf": book, **texts, **others})


RTF = rb"{\rtf1\ansi\ansicpg1251 Hello {\b bold}\par \u1055?\'f0\'e8\'e2\'e5\'f2\par}"
PRICES = {"Prices": row(1, "item", "price") + row(2, "tea", 4711.0) + row(3, "milk", 0.5), "Notes [old]": row(1, "x")}
LAUGHS = '<!DOCTYPE x [<!ENTITY l0 "ha">' + "".join(
    f'<!ENTITY l{n} "{f"&l{n - 1};" * 10}">' for n in range(1, 10)
) + "]>"  # fmt: skip


def test_the_sheets_of_a_table_are_pages_with_their_names() -> None:
    sheets = [("Prices", "item: tea; price: 4711\n\nitem: milk; price: 0.5"), ("Notes (old)", "x")]
    assert pages(xlsx(PRICES), "a.xlsx") == sheets
    assert pages(xlsx(PRICES), "", "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet") == sheets


def test_slides_are_pages_with_their_number_and_title_tables_and_groups() -> None:
    shown = [("1. Our plan", "Our plan\n\nbudget: 500"), ("2", "in a group")]
    assert extract(pptx(), "a.pptx", "") == (shown, ["notes:1"])
    spoken = [shown[0], ("2", "in a group\n\nsay it slowly")]
    assert extract(pptx(), "a.pptx", "", reads_hidden=True) == (spoken, [])


def test_an_odt_is_read_in_its_order_with_its_pages_and_without_what_was_deleted() -> None:
    table = (
        "<table:table><table:table-row><table:table-cell><text:p>a</text:p></table:table-cell>"
        "<table:table-cell><text:p>b</text:p></table:table-cell></table:table-row></table:table>"
    )
    body = (
        "<text:tracked-changes><text:deletion><text:p>deleted</text:p></text:deletion></text:tracked-changes>"
        "<text:h>One</text:h><text:p>two<text:s/>words <text:span>here</text:span>"
        "<office:annotation><text:p>a remark</text:p></office:annotation>.</text:p>"
        f"{table}<text:soft-page-break/><text:p>Next</text:p>"
    )
    read = [("", "One\n\ntwo words here.\n\na: b"), ("", "Next")]
    assert extract(odt(body), "a.odt", "") == (read, ["comments:1", "struck:1"])


def test_the_chapters_of_a_book_are_pages_with_their_number_and_heading() -> None:
    book = epub("<html><title>Book</title><h1>The  <b>Sea</b></h1><p>Wet.</p></html>", "<p>No heading</p>")
    assert pages(book, "a.epub") == [("1. The Sea", "Book\n\nThe Sea\n\nWet."), ("2", "No heading")]


def test_rtf_is_read_in_its_code_page() -> None:
    assert pages(RTF, "a.rtf") == pages(RTF, "", "text/rtf") == [("", "Hello bold\n\nПривет")]


@pytest.mark.parametrize("person", [ANNA, BORIS])
async def test_an_answer_cites_the_sheet_by_its_name(stage: Stage, person: int) -> None:
    await stage.start()
    stage.studio.script("It is 4711 [prices.xlsx, Prices].", "4711, as I said.")
    stage.telegram.upload(person, xlsx(PRICES), "document", name="prices.xlsx", caption="What does tea cost?")
    await stage.texts(1, person)
    assert "[prices.xlsx, Prices]\nitem: tea; price: 4711" in str(stage.prompts()[-1]).replace("\\n", "\n")
    assert rows(stage, "SELECT sources FROM messages WHERE role = 'assistant'") == [
        ('[{"title": "prices.xlsx", "url": "", "page": 1, "place": "Prices"}]',)
    ]
    answer = await stage.ask("What was it?" if person == ANNA else "Сколько?", person)
    assert answer.endswith("\n¹ prices.xlsx, Prices")


MAKERS: dict[str, tuple[bytes, str]] = {
    "xlsx": (xlsx(PRICES), "python_calamine"), "pptx": (pptx(), "pptx"), "odt": (odt("<text:p>a</text:p>"), "lxml"),
    "epub": (epub("<p>a</p>"), "lxml"), "rtf": (RTF, "striprtf.striprtf"),
}  # fmt: skip


@pytest.mark.parametrize("ending", MAKERS)
def test_without_its_library_a_file_is_refused_in_a_sentence(ending: str, monkeypatch: pytest.MonkeyPatch) -> None:
    data, library = MAKERS[ending]
    monkeypatch.setitem(sys.modules, library, None)
    assert refusal(extract, data, f"x.{ending}", "") == "missing"


@pytest.mark.parametrize("ending", ["xlsx", "pptx", "odt", "epub"])
def test_what_unpacks_to_too_much_is_not_opened(ending: str) -> None:
    for name, size in (("content.xml", 31 << 20), ("picture.png", 101 << 20)):
        assert refusal(extract, packed({name: bytes(size)}), f"x.{ending}", "") == "long"


def test_a_locked_file_is_told_from_a_broken_one() -> None:
    manifest = {"META-INF/manifest.xml": "<manifest:encryption-data/>"}
    assert refusal(extract, odt("<text:p>a</text:p>", **manifest), "x.odt", "") == "locked"
    assert refusal(extract, epub("<p>a</p>", **{"META-INF/rights.xml": "<rights/>"}), "x.epub", "") == "locked"
    assert refusal(extract, OLE + "EncryptedPackage".encode("utf-16-le"), "x.xlsx", "") == "locked"
    assert refusal(extract, OLE + bytes(600), "x.pptx", "") == "locked"
    for ending in MAKERS:
        for data in (b"", b"PK\3\4", packed({"a": b"b"}), MAKERS[ending][0][: len(MAKERS[ending][0]) // 2]):
            assert refusal(extract, data, f"x.{ending}", "") in ("broken", "empty") or ending == "rtf"


def test_entities_do_not_grow_and_no_file_of_the_machine_is_read() -> None:
    outside = '<!DOCTYPE x [<!ENTITY l9 SYSTEM "file:///etc/passwd">]>'
    for before in (LAUGHS, outside):
        assert refusal(extract, odt("<text:p>&l9;</text:p>", before), "x.odt", "") in ("broken", "empty")
        sheet = xlsx({"A": row(1, "&l9;")})
        assert refusal(extract, sheet, "x.xlsx", "") in ("", "broken", "empty")


@given(st.binary(max_size=300), st.sampled_from([*MAKERS, "xls", "ods"]), st.booleans())
def test_no_file_breaks_the_reader(data: bytes, ending: str, cut: bool) -> None:
    heads: dict[str, Callable[[], bytes]] = {"rtf": lambda: b"{\\rtf1 ", "xls": lambda: OLE}
    whole = MAKERS[ending][0] if ending in MAKERS and cut else heads.get(ending, lambda: b"PK\3\4")()
    why = refusal(extract, whole[: len(whole) - 30] + data if cut else whole + data, f"x.{ending}", "")
    assert why in ("", "broken", "empty", "locked", "long")


def test_the_sentence_names_the_file() -> None:
    for language in ("en", "ru"):
        assert "report.odt" in say(language, "document.missing", name="report.odt")
