"""What is taken out of a document means what it meant there, and what is left out is told."""

from __future__ import annotations

import io

import pytest
from docx import Document
from docx.oxml import parse_xml
from pptx import Presentation
from pptx.util import Inches

from bot.errors import Unreadable
from bot.knowledge.extraction import extract
from bot.knowledge.sources.reading import Articles, read_file
from tests.knowledge.test_office import OFFICE, epub, odt, packed, row, xlsx
from tests.support.table import table

WORD = "http://schemas.openxmlformats.org/wordprocessingml/2006/main"
NAMES = (
    f'xmlns:w="{WORD}" xmlns:m="http://schemas.openxmlformats.org/officeDocument/2006/math" '
    'xmlns:wps="http://schemas.microsoft.com/office/word/2010/wordprocessingShape" '
    'xmlns:mc="http://schemas.openxmlformats.org/markup-compatibility/2006" xmlns:v="urn:schemas-microsoft-com:vml"'
)
DRAWN = 'xmlns:a="http://schemas.openxmlformats.org/drawingml/2006/main"'
POINTER = b"version https://git-lfs.github.com/spec/v1\noid sha256:" + b"a1" * 32 + b"\nsize 12345\n"


def read(data: bytes | str, name: str, *, reads_hidden: bool = False) -> tuple[list[str], tuple[str, ...]]:
    """The texts of a file as a source, and what was left out of it."""
    body = data.encode() if isinstance(data, str) else data
    found = Articles.of(read_file(body, name, reads_hidden=reads_hidden))
    return [block.text for one in found.articles for block in one.blocks], found.left_out


def in_chat(data: bytes | str, name: str) -> tuple[list[str], list[str]]:
    """The texts of a file that is sent in a chat, and what was left out of it."""
    pages, left_out = extract(data.encode() if isinstance(data, str) else data, name, "")
    return [line for _, text in pages for line in text.split("\n\n")], left_out


def page(*lines: str) -> str:
    return f"<html><body><main><h1>Delivery</h1>{''.join(lines)}</main></body></html>"


def run(text: str, *marks: str) -> str:
    """A run of Word with properties, such as "vanish" or 'vertAlign w:val="superscript"'."""
    properties = "".join(f"<w:{mark}/>" for mark in marks)
    return f'<w:r><w:rPr>{properties}</w:rPr><w:t xml:space="preserve">{text}</w:t></w:r>'


def word(*blocks: str, header: str = "", footer: str = "") -> bytes:
    """A DOCX whose body is this XML; what begins without "<" is the text of a paragraph."""
    made, out = Document(), io.BytesIO()
    for block in blocks:
        xml = block if block.startswith("<") else f"<w:p>{run(block)}</w:p>"
        made.element.body.insert(len(made.element.body) - 1, parse_xml(xml.replace(">", f" {NAMES}>", 1)))
    made.sections[0].header.paragraphs[0].text = header
    made.sections[0].footer.paragraphs[0].text = footer
    made.save(out)
    return out.getvalue()


def cells(*texts: str, mark: str = "") -> str:
    written = "".join(f"<w:tc><w:tcPr/><w:p>{run(text)}</w:p></w:tc>" for text in texts)
    return f"<w:tr><w:trPr>{mark}</w:trPr>{written}</w:tr>"


# --- marks that mean something ----------------------------------------------------------------------------------------


@table(
    ("html", "line"),
    [
        ("<p>Price <s>900</s> 700, <del>2</del><ins>3</ins> days</p>", "Price 700, 3 days"),
        ('<p>From <span style="text-decoration: line-through">9</span>8 hours</p>', "From 8 hours"),
        ("<p>Tank of 10<sup>6</sup> l, hall of 40 m<sup>2</sup></p>", "Tank of 10^6 l, hall of 40 m^2"),
        ("<p>x<sup>n+1</sup>, 2<sup>-3</sup>, log<sub>2</sub>8</p>", "x^(n+1), 2^-3, log_2 8"),
        ("<p>CO<sub>2</sub>, 1<sup>st</sup> floor, 5<sup>-й</sup> этаж</p>", "CO2, 1st floor, 5-й этаж"),
        ('<p>It costs 300<sup><a href="#n">1</a></sup> roubles</p>', "It costs 300[1] roubles"),
        ("<p>Add 2<sup>1</sup>/<sub>2</sub> spoons</p>", "Add 2 1/2 spoons"),
        ("<p><math><msup><mn>10</mn><mn>6</mn></msup><mo>+</mo><mn>1</mn></math></p>", "10^6+1"),
        ("<p>Say <q>yes</q>.</p>", "Say «yes»."),
        ("<p>Press <button>Sign in</button>, then wait.</p>", "Press Sign in, then wait."),
        ('<p>Press <img alt="the cogwheel" src="a.png"> above.</p>', "Press the cogwheel above."),
        ("<table><tr><td>Oslo<td>300<td>0</table>", "Oslo; 300; 0"),
        (
            "<table><tr><th>City<th>Price<tr><td>Oslo<td><table><tr><td>3 kg<td>5</table></table>",
            "City: Oslo; Price: 3 kg: 5",
        ),
    ],
)
def test_marks_of_html_keep_their_meaning_in_a_source_and_in_a_chat(html: str, line: str) -> None:
    assert read(page(html), "a.html")[0] == [line]
    assert in_chat(page(html), "a.html")[0] == ["Delivery", line]


def test_a_button_that_stands_alone_is_no_text_of_a_page() -> None:
    assert read(page("<p>Lamps.</p><button>Buy</button>"), "a.html")[0] == ["Lamps."]


def test_the_numbers_of_a_list_are_those_that_a_reader_sees() -> None:
    html = page('<ol start="5"><li>five<li>six<li value="9">nine</ol>')
    assert read(html, "a.html")[0] == ["5. five\n6. six\n9. nine"]
    assert in_chat(html, "a.html")[0] == ["Delivery", "5. five", "6. six", "9. nine"]


def test_marks_of_markdown_keep_their_meaning() -> None:
    text = "# T\n\nFor ~~14~~ 30 days, 10<sup>6</sup> l, <del>old</del><ins>new</ins>.\n\n- H<sub>2</sub>O ~~gone~~\n"
    assert read(text, "a.md") == (["For 30 days, 10^6 l, new.", "- H2O "], ("struck:3",))


def test_rich_text_keeps_powers_and_cells_and_leaves_out_what_is_hidden_or_struck() -> None:
    table_ = rb"\trowd\cellx1\cellx2 City\cell Price | VAT\cell\row\trowd\cellx1 Oslo\cell 300\cell\row\pard end\par"
    text = rb"{\rtf1\ansi 10{\super 6} l, {\strike 14} 30 {\v cost 9}days\par " + table_ + b"}"
    lines = ["10^6 l, 30 days", "City: Oslo; Price | VAT: 300", "end"]
    assert read(text, "a.rtf") == (lines, ("hidden_words:1", "struck:1"))
    assert in_chat(text, "a.rtf") == (lines, ["hidden_words:1", "struck:1"])


def test_cells_of_an_e_book_stay_cells_and_powers_stay_powers() -> None:
    book = epub("<h1>Rates</h1><table><tr><td>Oslo</td><td>300</td><td>0</td></tr></table><p>10<sup>6</sup></p>")
    assert read(book, "a.epub")[0] == ["Oslo; 300; 0", "10^6"]
    assert in_chat(book, "a.epub")[0] == ["Rates", "Oslo; 300; 0", "10^6"]


# --- Word -------------------------------------------------------------------------------------------------------------

HIGH = 'vertAlign w:val="superscript"'
BOX = "<w:txbxContent><w:p><w:r><w:t>Keep the receipt.</w:t></w:r></w:p></w:txbxContent>"
DRAWING = (
    f"<w:p>{run('Before')}<w:r><mc:AlternateContent><mc:Choice><w:drawing><wps:txbx>{BOX}</wps:txbx></w:drawing></mc:Choice>"
    f"<mc:Fallback><w:pict><v:textbox>{BOX}</v:textbox></w:pict></mc:Fallback></mc:AlternateContent></w:r></w:p>"
)
FORMULA = (
    "<w:p><m:oMath><m:sSup><m:e><m:r><m:t>10</m:t></m:r></m:e><m:sup><m:r><m:t>6</m:t></m:r></m:sup></m:sSup>"
    "<m:f><m:num><m:r><m:t>1</m:t></m:r></m:num><m:den><m:r><m:t>2</m:t></m:r></m:den></m:f></m:oMath></w:p>"
)
BOXED = (
    "<w:p><w:r><w:fldChar><w:ffData><w:checkBox><w:checked/></w:checkBox></w:ffData></w:fldChar></w:r>"
    "<w:r><w:t> yes</w:t></w:r></w:p>"
)


NESTED = (
    f"<w:tbl>{cells('City', 'Rate')}<w:tr><w:tc><w:p>{run('Oslo')}</w:p></w:tc><w:tc><w:tbl>"
    f"{cells('3 kg', '5')}</w:tbl></w:tc></w:tr></w:tbl>"
)


@table(
    ("xml", "lines"),
    [
        (
            f"<w:p>{run('For ')}<w:ins>{run('30')}</w:ins><w:del><w:r><w:delText>14</w:delText></w:r></w:del></w:p>",
            ["For 30"],
        ),
        (f"<w:p><w:moveFrom>{run('old')}</w:moveFrom><w:moveTo>{run('new')}</w:moveTo></w:p>", ["new"]),
        (
            f"<w:p>{run('Until ')}<w:sdt><w:sdtContent>{run('May 2027')}</w:sdtContent></w:sdt></w:p>",
            ["Until May 2027"],
        ),
        (f"<w:sdt><w:sdtContent><w:p>{run('a whole paragraph')}</w:p></w:sdtContent></w:sdt>", ["a whole paragraph"]),
        (f"<w:p><w:smartTag>{run('Oslo')}</w:smartTag><w:fldSimple>{run(', 5')}</w:fldSimple></w:p>", ["Oslo, 5"]),
        (f"<w:p>{run('10')}{run('6', HIGH)}</w:p>", ["10^6"]),
        (DRAWING, ["Before", "Keep the receipt."]),
        (FORMULA, ["10^6 1/2"]),
        (BOXED, ["☒ yes"]),
        ("<w:p><w:r><w:t>8</w:t><w:noBreakHyphen/><w:t>800</w:t></w:r></w:p>", ["8-800"]),
        (
            NESTED,
            ["City: Rate", "Oslo: 3 kg: 5"],
        ),
        (
            f"<w:tbl>{cells('City', 'Time', 'Rate', mark='<w:tblHeader/>')}{cells('Oslo', 'S | M', '5')}</w:tbl>",
            ["City: Oslo; Time: S | M; Rate: 5"],
        ),
    ],
)
def test_all_that_a_reader_of_word_sees_is_read_in_its_place(xml: str, lines: list[str]) -> None:
    assert read(word(xml), "a.docx")[0] == lines
    assert in_chat(word(xml), "a.docx")[0] == lines


def test_headers_and_footers_of_word_are_read_once_and_numbers_of_pages_are_not() -> None:
    assert read(word("Text.", header="Acme Ltd", footer="Hotline 8 800"), "a.docx")[0] == [
        "Text.",
        "Acme Ltd",
        "Hotline 8 800",
    ]
    assert read(word("Text.", footer="Page 1 of 3"), "a.docx")[0] == ["Text."]


def test_a_footnote_of_word_follows_its_paragraph() -> None:
    noted = f'<w:p>{run("24 months.")}<w:r><w:footnoteReference w:id="2"/></w:r></w:p>'
    notes = (
        f'<w:footnotes xmlns:w="{WORD}"><w:footnote w:type="separator" w:id="0"><w:p/></w:footnote>'
        f'<w:footnote w:id="2"><w:p>{run("Not on sale.")}</w:p></w:footnote></w:footnotes>'
    )
    made = Document(io.BytesIO(word(noted, "Next.")))
    from docx.opc.packuri import PackURI
    from docx.opc.part import Part

    kind = "application/vnd.openxmlformats-officedocument.wordprocessingml.footnotes+xml"
    part = Part(PackURI("/word/footnotes.xml"), kind, notes.encode(), made.part.package)
    made.part.relate_to(part, "http://schemas.openxmlformats.org/officeDocument/2006/relationships/footnotes")
    made.save(out := io.BytesIO())
    assert read(out.getvalue(), "a.docx")[0] == ["24 months.[1]", "[1] Not on sale.", "Next."]


def test_the_numbers_that_word_counts_itself_are_read() -> None:
    made = Document()
    for text in ("first", "second"):
        made.add_paragraph(text, style="List Number")
    made.save(out := io.BytesIO())
    assert read(out.getvalue(), "a.docx")[0] == ["1. first\n2. second"]


def test_hidden_and_struck_words_of_word_are_left_out_and_told() -> None:
    text = word(f"<w:p>{run('Discount 5 %. ')}{run('cost 870', 'vanish')}{run('14', 'strike')}{run(' days')}</w:p>")
    assert read(text, "a.docx") == (["Discount 5 %. days"], ("hidden_words:1", "struck:1"))
    assert read(text, "a.docx", reads_hidden=True) == (["Discount 5 %. cost 870 days"], ("struck:1",))


# --- tables -----------------------------------------------------------------------------------------------------------


@table(
    ("rows", "behind", "lines"),
    [
        ([("Item", "Sizes", "Price"), ("Shirt", "S | M", 990)], "", ["Item: Shirt; Sizes: S | M; Price: 990"]),
        (
            [("Rates of 2026",), (), ("City", "Time", "Price"), ("Oslo", "1 day", 300)],
            "A1:C1",
            ["Rates of 2026", "City: Oslo; Time: 1 day; Price: 300"],
        ),
        (
            [("City", "Time", "Price"), ("Oslo", "1 day", 300), ("", "2 days", 200)],
            "A2:A3",
            ["City: Oslo; Time: 1 day; Price: 300", "City: Oslo; Time: 2 days; Price: 200"],
        ),
        (
            [("City", "Price", ""), ("", "one", "many"), ("Oslo", 300, 250)],
            "A1:A2 B1:C1",
            ["City: Oslo; Price one: 300; Price many: 250"],
        ),
        (
            [("City", "Price", ""), ("", "one", "many"), ("Oslo", 300, 250)],
            "",
            ["City: Oslo; Price one: 300; Price many: 250"],
        ),
        (
            [("Item", "Time", "Price"), ("Lamps", "", ""), ("Desk", "1 day", 300)],
            "A2:C2",
            ["Lamps", "Lamps; Item: Desk; Time: 1 day; Price: 300"],
        ),
        ([("City", 2025, 2026), ("Oslo", 300, 400)], "", ["City: Oslo; 2025: 300; 2026: 400"]),
        ([("Hours", "9 to 18"), ("Street", "Main 5")], "", ["Hours: 9 to 18", "Street: Main 5"]),
        (
            [("City", "Price"), ("Oslo", 300), (), ("Item", "Weight"), ("Desk", 20)],
            "",
            ["City: Oslo; Price: 300", "Item: Desk; Weight: 20"],
        ),
        (
            [("City", "Time", "Price"), ("Oslo", "1 day", 300), ("* without VAT",)],
            "",
            ["City: Oslo; Time: 1 day; Price: 300", "* without VAT"],
        ),
    ],
)
def test_the_head_of_a_table_is_found_and_merged_cells_count_in_all_their_places(
    rows: list[tuple[str | float, ...]], behind: str, lines: list[str]
) -> None:
    written = "".join(row(number, *one) for number, one in enumerate(rows, 1))
    merged = "".join(f'<mergeCell ref="{one}"/>' for one in behind.split())
    book = xlsx({"A": f"{written}~<mergeCells>{merged}</mergeCells>" if merged else written})
    assert read(book, "a.xlsx")[0] == lines
    assert in_chat(book, "a.xlsx")[0] == lines


def test_hidden_sheets_rows_and_columns_are_left_out_and_told() -> None:
    hidden_row = row(3, "Chair", 9, 870).replace('<row r="3"', '<row r="3" hidden="1"')
    sheet = f'<cols><col min="2" max="2" hidden="1"/></cols>^{row(1, "Item", "Cost", "Price")}{row(2, "Lamp", 8, 1990)}'
    book = xlsx({"Prices": sheet + hidden_row, "Purchase": row(1, "Item", "Cost") + row(2, "Lamp", 870)}, "Purchase")
    told = ("hidden_columns:1", "hidden_rows:1", "hidden_sheets:Purchase")
    assert read(book, "a.xlsx") == (["Item: Lamp; Price: 1990"], told)
    assert in_chat(book, "a.xlsx") == (["Item: Lamp; Price: 1990"], list(told))
    shown, left_out = read(book, "a.xlsx", reads_hidden=True)
    assert (shown[1], shown[-1], left_out) == ("Item: Chair; Cost: 9; Price: 870", "Item: Lamp; Cost: 870", ())


def test_struck_cells_and_comments_of_a_workbook_are_left_out_and_told() -> None:
    formats = '<cellXfs><xf fontId="0"/><xf fontId="1"/></cellXfs>'
    styles = f"<styleSheet><fonts><font/><font><strike/></font></fonts>{formats}</styleSheet>"
    rows = row(1, "Item", "Old", "Price") + row(2, "Lamp", 5, 4).replace('<c r="B2">', '<c r="B2" s="1">')
    others = {"xl/styles.xml": styles, "xl/comments1.xml": "<comments><commentList><comment/></commentList></comments>"}
    assert read(xlsx({"A": rows}, **others), "a.xlsx") == (["Item: Lamp; Price: 4"], ("comments:1", "struck:1"))


def test_hidden_sheets_and_rows_of_ods_are_left_out_and_merged_cells_count() -> None:
    def line(*texts: str, more: str = "", first: str = "") -> str:
        inner = "".join(
            f'<table:table-cell office:value-type="string"{"" if n else first}><text:p>{text}</text:p>'
            "</table:table-cell>"
            if text
            else "<table:covered-table-cell/>"
            for n, text in enumerate(texts)
        )
        return f"<table:table-row{more}>{inner}</table:table-row>"

    styles = (
        '<office:automatic-styles><style:style style:name="h" style:family="table"><style:table-properties '
        'table:display="false"/></style:style></office:automatic-styles>'
    )
    shown = line("City", "Time", "Price") + line("Oslo", "1 day", "5 $", first=' table:number-rows-spanned="2"')
    shown += line("", "2 days", "4 $") + line("Rome", "1 day", "9 $", more=' table:visibility="collapse"')
    tables = f'<table:table table:name="A">{shown}</table:table>'
    tables += f'<table:table table:name="B" table:style-name="h">{line("secret", "x", "y")}</table:table>'
    spaces = " ".join(f'xmlns:{name}="{OFFICE}:{name}:1.0"' for name in ("office", "text", "table", "style"))
    body = f"<office:body><office:spreadsheet>{tables}</office:spreadsheet></office:body>"
    content = f"<office:document-content {spaces}>{styles}{body}</office:document-content>"
    data = packed(
        {
            "mimetype": "application/vnd.oasis.opendocument.spreadsheet",
            "content.xml": content,
            "META-INF/manifest.xml": "<manifest/>",
        }
    )
    lines = ["City: Oslo; Time: 1 day; Price: 5 $", "City: Oslo; Time: 2 days; Price: 4 $"]
    assert read(data, "a.ods") == (lines, ("hidden_rows:1", "hidden_sheets:B"))


# --- slides and ODT ---------------------------------------------------------------------------------------------------


def test_hidden_slides_and_notes_are_left_out_and_powers_and_merged_cells_kept() -> None:
    show = Presentation()
    first, second = (show.slides.add_slide(show.slide_layouts[6]) for _ in range(2))
    box = first.shapes.add_textbox(0, 0, 9, 9).text_frame
    box.text = "10"
    for text, mark in (("6", 'baseline="30000"'), (" l, ", ""), ("14", 'strike="sngStrike"'), ("30 days", "")):
        box.paragraphs[0]._p.append(parse_xml(f"<a:r {DRAWN}><a:rPr {mark}/><a:t>{text}</a:t></a:r>"))
    grid = first.shapes.add_table(3, 2, Inches(1), Inches(1), Inches(2), Inches(1)).table
    for place, text in (((0, 0), "City"), ((0, 1), "Price"), ((1, 0), "Oslo"), ((1, 1), "5"), ((2, 1), "4")):
        grid.cell(*place).text = text
    grid.cell(1, 0).merge(grid.cell(2, 0))
    second.shapes.add_textbox(0, 0, 9, 9).text_frame.text = "a draft"
    second.element.set("show", "0")
    assert first.notes_slide.notes_text_frame is not None
    first.notes_slide.notes_text_frame.text = "say it slowly"
    show.save(out := io.BytesIO())
    lines = ["10^6 l, 30 days", "City: Oslo; Price: 5", "City: Oslo; Price: 4"]
    told = ("hidden_slides:2", "notes:1", "struck:1")
    assert read(out.getvalue(), "a.pptx") == (lines, told)
    assert in_chat(out.getvalue(), "a.pptx") == (lines, list(told))
    assert read(out.getvalue(), "a.pptx", reads_hidden=True)[0] == [*lines, "say it slowly", "a draft"]


def test_an_odt_keeps_notes_breaks_lists_and_merged_cells_in_their_places() -> None:
    note = (
        "<text:note><text:note-citation>1</text:note-citation><text:note-body><text:p>Without VAT.</text:p>"
        "</text:note-body></text:note>"
    )
    spanned = '<table:table-cell table:number-rows-spanned="2"><text:p>Oslo</text:p></table:table-cell>'
    body = (
        f"<text:p>It costs 300{note} roubles, within <text:soft-page-break/>thirty days.</text:p>"
        "<text:list><text:list-item><text:p>one</text:p></text:list-item></text:list>"
        "<table:table><table:table-row><table:table-cell><text:p>City</text:p></table:table-cell><table:table-cell>"
        "<text:p>Price</text:p></table:table-cell></table:table-row>"
        f"<table:table-row>{spanned}<table:table-cell><text:p>5</text:p></table:table-cell></table:table-row>"
        "<table:table-row><table:covered-table-cell/><table:table-cell><text:p>4</text:p></table:table-cell>"
        "</table:table-row></table:table>"
        '<text:section text:display="none"><text:p>secret</text:p></text:section>'
    )
    lines = ["It costs 300[1] roubles, within thirty days.", "[1] Without VAT.", "- one"]
    lines += ["City: Oslo; Price: 5", "City: Oslo; Price: 4"]
    assert read(odt(body), "a.odt") == (lines, ("hidden_words:1",))


# --- what only points elsewhere, and what is called otherwise ---------------------------------------------------------


def test_a_pointer_is_no_article_whatever_its_name() -> None:
    for data in (POINTER, POINTER.replace(b"\n", b"\r\n"), b"/annex/objects/SHA256E-s9--6f.pdf\n"):
        for name in ("manual.md", "manual.pdf", "prices.csv"):
            with pytest.raises(Unreadable, match="pointer"):
                read_file(data, name)
            with pytest.raises(Unreadable, match="pointer"):
                extract(data, name, "")
    assert read("version https://git-lfs.github.com/spec/v1 is the first line of a pointer", "a.md")[0]


@table(
    ("data", "name", "line"),
    [
        (page("<p>One.</p>").encode(), "prices.xls", "One."),
        (b"City;Price\nOslo;5\n", "prices.xls", "City: Oslo; Price: 5"),
        (rb"{\rtf1\ansi One.\par}", "letter.docx", "One."),
        (word("One."), "letter.odt", "One."),
    ],
)
def test_the_content_of_a_file_says_what_it_is(data: bytes, name: str, line: str) -> None:
    assert read(data, name)[0] == [line]


def test_a_file_without_a_name_is_read_by_its_content() -> None:
    assert extract(word("One."), "scan", "application/octet-stream")[0] == [("", "One.")]
    assert extract(b"One.", "", "application/octet-stream")[0] == [("", "One.")]
    for data, why in ((b"OggS\0\2", "sound"), (b"\0\1\2\3", "type")):
        with pytest.raises(Unreadable, match=why):
            extract(data, "memo", "application/octet-stream")
