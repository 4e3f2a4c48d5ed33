"""Documents in a question: read with their pages, kept with their conversation, searched where they are long."""

from __future__ import annotations

import io
import sys
import zipfile

import pytest
from docx import Document as Docx
from docx.enum.text import WD_BREAK
from hypothesis import given
from hypothesis import strategies as st
from pypdf import PdfReader, PdfWriter

from bot.ai import Source
from bot.errors import Unreadable
from bot.knowledge import plain_ranking
from bot.knowledge.documents import Retrieved, cited, cut_pages, used
from bot.knowledge.extraction import MOST_CHARACTERS, can_read, extract
from bot.knowledge.formats.plain_text import decoded
from bot.knowledge.passages import LONGEST
from bot.knowledge.plain_ranking import unit
from bot.knowledge.search.documents import best
from bot.prompts.catalog import instruct
from bot.storage.repositories.files.documents import Passage
from bot.texts.catalog import say
from tests.knowledge.test_office import row, xlsx
from tests.support.opening import refusal
from tests.support.stage import ANNA, BORIS, Stage
from tests.support.telegram_side import rows, soon

POINTER = b"version https://git-lfs.github.com/spec/v1\noid sha256:" + b"a1" * 32 + b"\nsize 12345\n"


def pdf(*texts: str) -> bytes:
    """A page for each text (Latin letters)."""
    font = b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>"
    count = len(texts)
    kids = " ".join(f"{4 + 2 * number} 0 R" for number in range(count))
    objects = [b"<< /Type /Catalog /Pages 2 0 R >>", f"<< /Type /Pages /Kids [{kids}] /Count {count} >>".encode(), font]
    for number, text in enumerate(texts):
        lines = " ".join(f"({line}) Tj T*" for line in text.split("\n"))
        stream = f"BT /F1 12 Tf 14 TL 50 700 Td {lines} ET".encode() if text else b""
        page = f"<< /Type /Page /Parent 2 0 R /Contents {5 + 2 * number} 0 R /Resources << /Font << /F1 3 0 R >> >> >>"
        objects += [page.encode(), b"<< /Length %d >>\nstream\n%b\nendstream" % (len(stream), stream)]
    out, places = io.BytesIO(b"%PDF-1.4\n"), []
    out.seek(0, 2)
    for number, body in enumerate(objects, 1):
        places.append(out.tell())
        out.write(b"%d 0 obj\n%b\nendobj\n" % (number, body))
    start = out.tell()
    out.write(b"xref\n0 %d\n0000000000 65535 f \n" % (len(objects) + 1))
    out.write(b"".join(b"%010d 00000 n \n" % place for place in places))
    out.write(b"trailer\n<< /Size %d /Root 1 0 R >>\nstartxref\n%d\n%%%%EOF\n" % (len(objects) + 1, start))
    return out.getvalue()


def locked(data: bytes) -> bytes:
    writer, out = PdfWriter(clone_from=PdfReader(io.BytesIO(data))), io.BytesIO()
    writer.encrypt("secret", algorithm="RC4-128")
    writer.write(out)
    return out.getvalue()


def docx(*blocks: str | list[str]) -> bytes:
    document, out = Docx(), io.BytesIO()
    for block in blocks:
        if isinstance(block, list):
            table = document.add_table(1, len(block))
            for cell, text in zip(table.rows[0].cells, block, strict=True):
                cell.text = text
        else:
            document.add_paragraph(block)
    document.save(out)
    return out.getvalue()


def pages(data: bytes, name: str, mime: str) -> list[str]:
    """The texts of a document's pages."""
    return [text for _, text in extract(data, name, mime)[0]]


def asked(stage: Stage) -> str:
    """The last message of the last prompt."""
    return stage.prompts()[-1][-1]["text"]


# --- the whole way ----------------------------------------------------------------------------------------------------


async def test_a_document_that_fits_is_read_with_its_question_page_by_page(stage: Stage) -> None:
    await stage.start()
    stage.studio.script("42 [report.pdf, p. 2]")
    stage.telegram.upload(ANNA, pdf("Introduction", "The answer is 42"), "document", name="report.pdf", caption="Well?")
    assert await stage.texts(1) == [f"42\u202f¹\n\n¹ The answer is 42\n\n{say('en', 'sources')}:\n¹ report.pdf, p. 2"]
    assert "[report.pdf, p. 1]\nIntroduction" in asked(stage)
    assert "[report.pdf, p. 2]\nThe answer is 42" in asked(stage)
    assert f"The answer is 42\n\n{instruct('en', 'documents.tail')}\nWell?" in asked(stage)
    assert asked(stage).endswith("Well?\n[document: report.pdf, 2 pages]")
    assert stage.studio.seen("textEmbedding") == []


async def test_a_document_without_a_question_is_asked_about_later_and_stays_with_its_conversation(stage: Stage) -> None:
    await stage.start()
    stage.telegram.upload(ANNA, "Пароль: сова".encode("cp1251"), "document", name="a [1].txt")
    assert await stage.texts(1) == [say("en", "document.read", name="a (1).txt")]
    assert stage.prompts() == []
    for _ in range(2):
        await stage.ask("What is the password?")
        assert "[a (1).txt]\nПароль: сова" in asked(stage)
    await stage.ask("/new")
    await stage.ask("And now?")
    assert asked(stage) == "And now?"


@pytest.mark.parametrize(("person", "language"), [(ANNA, "en"), (BORIS, "ru")])
async def test_what_is_left_out_of_a_document_is_told_to_the_person_and_to_the_model(
    stage: Stage, person: int, language: str
) -> None:
    await stage.start()
    book = xlsx(
        {"Prices": row(1, "item", "price") + row(2, "tea", 4711), "Purchase": row(1, "cost")}, hidden="Purchase"
    )
    stage.telegram.upload(person, book, "document", name="a.xlsx")
    told = f"a.xlsx: {say(language, 'kb.trouble.hidden_sheets', about='Purchase')}"
    (read,) = await stage.texts(1, person)
    assert read == f"{say(language, 'document.read', name='a.xlsx')}\n\n{told}"
    stage.studio.script("It is 4711.")
    stage.telegram.upload(person, book, "document", name="a.xlsx", caption="What does tea cost?")
    assert (await stage.texts(2, person))[-1].endswith(told)
    assert instruct(language, "document.left_out", name="a.xlsx", what=told[8:]) in asked(stage)
    assert "cost" not in asked(stage).replace("What does tea cost?", "")


async def test_with_read_hidden_all_of_a_document_is_read(stage: Stage) -> None:
    await stage.start(read_hidden=True)
    book = xlsx({"Prices": row(1, "tea", 4711), "Purchase": row(1, "cost", 870)}, hidden="Purchase")
    stage.telegram.upload(ANNA, book, "document", name="a.xlsx", caption="What does it cost?")
    await stage.texts(1)
    assert "[a.xlsx, Purchase]\ncost: 870" in asked(stage)


async def test_a_pointer_is_told_to_be_one(stage: Stage) -> None:
    await stage.start()
    stage.telegram.upload(ANNA, POINTER, "document", name="manual.md")
    assert await stage.texts(1) == [say("en", "document.pointer", name="manual.md")]


async def test_the_same_document_again_takes_the_place_of_the_old_one(stage: Stage) -> None:
    await stage.start()
    for number, text in enumerate(("old words", "new words"), 1):
        stage.telegram.upload(ANNA, text.encode(), "document", name="a.md")
        await stage.texts(number)
    await stage.ask("hello")
    assert "new words" in asked(stage)
    assert "old words" not in asked(stage)


LONG = [f"Chapter {number}. " + f"Filler sentence about weather number {number}. " * 40 for number in range(60)]
LONG[33] += "\n\nThe capital of Freedonia is called Fredville, founded by sailors. " + "It lies on a river. " * 20


async def test_of_a_long_document_the_passages_that_speak_of_the_question_are_read(stage: Stage) -> None:
    await stage.start()
    stage.telegram.upload(ANNA, pdf(*LONG), "document", name="book.pdf")
    await stage.texts(1)
    stage.studio.script("Fredville [book.pdf, p. 34]")
    await stage.ask("What is the capital of Freedonia?")
    assert "[book.pdf, p. 34]\n" in asked(stage)
    assert "called Fredville" in asked(stage)
    assert len(asked(stage)) < 20_000
    models = [seen.body["modelUri"].split("/")[3] for seen in stage.studio.seen("textEmbedding")]
    assert models[-1] == "text-search-query"
    assert {*models[:-1]} == {"text-search-doc"}
    before = len(models)
    await stage.ask("And who founded it?")
    assert len(stage.studio.seen("textEmbedding")) == before + 1  # what is reckoned is kept
    assert rows(stage, "SELECT count(*) FROM passages WHERE vector IS NULL") == [(0,)]


async def test_a_reply_to_a_document_does_not_pay_for_it_again(stage: Stage) -> None:
    await stage.start()
    sent = stage.telegram.upload(ANNA, pdf(*LONG), "document", name="book.pdf")
    await stage.texts(1)
    await stage.ask("What is the capital of Freedonia?")
    before = len(stage.studio.seen("textEmbedding"))
    stage.telegram.say(ANNA, "And who founded Fredville?", reply_to=sent["message_id"])
    await stage.texts(3)
    assert len(stage.studio.seen("textEmbedding")) == before + 1
    assert rows(stage, "SELECT count(*) FROM documents") == [(1,)]


async def test_the_quota_of_embeddings_is_kept(stage: Stage) -> None:
    await stage.start()
    stage.studio.quotas.enabled = True
    stage.telegram.upload(ANNA, pdf(*LONG), "document", name="book.pdf")
    await stage.texts(1)
    await stage.ask("What is the capital of Freedonia?")
    asked_for = stage.studio.seen("textEmbedding")
    assert len(asked_for) > 100
    assert [seen.status for seen in asked_for] == [200] * len(asked_for)


async def test_stop_ends_the_search_in_documents_too(stage: Stage) -> None:
    await stage.start()
    stage.telegram.upload(ANNA, pdf(*LONG), "document", name="book.pdf")
    await stage.texts(1)
    stage.telegram.say(ANNA, "What is the capital of Freedonia?")
    await soon(stage, lambda: stage.studio.seen("textEmbedding") or None)
    stage.telegram.say(ANNA, "/stop")
    assert (await stage.texts(2))[-1] == say("en", "stop.empty")
    assert stage.prompts() == []


async def test_without_embeddings_the_words_are_searched(stage: Stage) -> None:
    """F81."""
    await stage.start()
    stage.telegram.upload(ANNA, pdf(*LONG), "document", name="book.pdf")
    await stage.texts(1)
    stage.studio.fail_next("textEmbedding", status=403, times=5_000)
    await stage.ask("What is the capital of Freedonia?")
    assert "called Fredville" in asked(stage)


async def test_what_can_not_be_read_is_said_with_what_to_do(stage: Stage) -> None:
    await stage.start()
    given = {"locked": locked(pdf("x")), "scanned": pdf("", ""), "broken": b"%PDF-1.7 and no more"}
    for number, (why, data) in enumerate(given.items(), 1):
        stage.telegram.upload(ANNA, data, "document", name="a.pdf", caption="?")
        assert (await stage.texts(number))[-1] == say("en", f"document.{why}", name="a.pdf")
    stage.telegram.upload(ANNA, b" \n ", "document", name="b.txt")
    assert (await stage.texts(4))[-1] == say("en", "document.empty", name="b.txt")
    stage.telegram.upload(ANNA, b"x" * (MOST_CHARACTERS + 1), "document", name="b.txt")
    assert (await stage.texts(5))[-1].startswith("b.txt is too long")
    assert stage.prompts() == []
    assert rows(stage, "SELECT count(*) FROM documents") == [(0,)]


# --- reading ----------------------------------------------------------------------------------------------------------


def test_a_docx_without_its_library_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    data = docx("Before")
    monkeypatch.setitem(sys.modules, "docx", None)
    assert refusal(extract, data, "x.docx", "") == "missing"


def test_a_docx_is_read_with_its_tables_in_order_and_the_pages_that_word_saw() -> None:
    assert pages(docx("Before", ["a", "b"], "After"), "x.docx", "") == ["Before\n\na: b\n\nAfter"]
    document, out = Docx(), io.BytesIO()
    document.add_paragraph("first")
    run = document.add_paragraph("second").runs[0]
    run._r.insert(0, run._r.makeelement(f"{{{run._r.nsmap['w']}}}lastRenderedPageBreak", {}))
    document.add_paragraph("third").add_run().add_break(WD_BREAK.LINE)
    document.save(out)
    assert pages(out.getvalue(), "x.docx", "") == ["first", "second\n\nthird"]


def test_html_is_what_a_person_reads_of_it() -> None:
    page = b"<title>T</title><style>p{}</style><p>One &amp; <b>two</b></p><script>alert()</script><p>three"
    assert pages(page, "x", "text/html") == ["T\n\nOne & two\n\nthree"]


def test_blanks_at_the_ends_of_lines_and_empty_lines_in_rows_go() -> None:
    assert pages(b"one  two \t\r\n \n\n\t\n  three \n four  ", "x.txt", "") == ["one  two\n\nthree\n four"]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp1251"])
def test_the_usual_encodings_are_known(encoding: str) -> None:
    assert pages("Привет, мир".encode(encoding), "x.csv", "") == ["Привет, мир"]


def test_what_is_no_text_is_not_read_as_one() -> None:
    with pytest.raises(Unreadable, match="broken"):
        decoded(b"MZ\0\1")
    assert not can_read("x.exe", "application/x-dosexec")
    assert can_read("main.rs", "")
    assert can_read("", "text/x-python")


def test_an_old_word_file_is_told_from_a_broken_one() -> None:
    assert refusal(extract, b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"\0" * 600, "x.docx", "") == "locked"
    for data in (b"PK\3\4", b"", _zip({"a": b"b"})):
        assert refusal(extract, data, "x.docx", "") == "broken"
    assert refusal(extract, _zip({"word/document.xml": b"\0" * (101 << 20)}), "x.docx", "") == "long"


def _zip(files: dict[str, bytes]) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as packed:
        for name, data in files.items():
            packed.writestr(name, data)
    return out.getvalue()


@given(st.binary(max_size=300), st.sampled_from(["pdf", "docx", "html", "txt"]))
def test_no_file_breaks_the_reader(data: bytes, ending: str) -> None:
    heads = {"pdf": b"%PDF-1.4\n", "docx": b"PK\3\4"}
    why = refusal(extract, heads.get(ending, b"") + data, f"x.{ending}", "")
    assert why in ("", "broken", "empty", "scanned", "locked")


# --- passages ---------------------------------------------------------------------------------------------------------


@given(st.lists(st.text(st.sampled_from("ab. \n"), max_size=4_000), max_size=4))
def test_cutting_loses_no_word_and_makes_no_passage_too_long(given_pages: list[str]) -> None:
    passages = cut_pages([("", page) for page in given_pages])
    assert all(0 < len(text) <= LONGEST for _, _, text in passages)
    kept = "".join("".join(text.split()) for _, _, text in passages)
    assert kept == "".join("".join(page.split()) for page in given_pages)


def test_the_best_passage_is_the_one_with_the_rare_word_in_any_form() -> None:
    texts = ["Погода была хорошей, погода была плохой.", "Столицей страны был Фредвилль.", "Погода и река."]
    passages = [Passage(text) for text in texts]
    vectors = [Passage(text, vector=unit(vector)) for text, vector in zip(texts, ((1, 0), (0, 3), (1, 1)), strict=True)]
    for rank in (best, plain_ranking.best):
        assert rank("Какая столица?", passages)[0].text == texts[1]
        assert rank("", vectors, (0.0, 1.0))[0].text == texts[1]
    assert best("Перескажи", passages) == passages


def test_only_places_that_were_given_count_as_cited() -> None:
    places = (("a.pdf", 1), ("a.pdf", 2), ("b.txt", 0))
    found = Retrieved("", tuple(Passage(f"Code {4711 + page}", page, name=name) for name, page in places))
    answer = "One [a.pdf, p. 2], two [b.txt], again [a.pdf, p. 2], not [a.pdf, p. 9] nor [1]."
    assert cited(answer, found) == (Source("a.pdf", page=2), Source("b.txt"))
    assert cited("[a.pdf, с. 2]", found) == (Source("a.pdf", page=2),)
    assert used(answer, found) == ()
    assert used("It is 4712.", found) == (Source("a.pdf", page=1),)
    assert used("Hello, how can I help you today?", found) == ()


async def test_the_page_that_was_used_is_named_where_the_model_wrote_no_mark(stage: Stage) -> None:
    await stage.start()
    stage.studio.script("It is 4711.", "You are welcome.")
    stage.telegram.upload(ANNA, pdf("Introduction", "The code is 4711"), "document", name="report.pdf", caption="Code?")
    shown = f"It is 4711.¹\n\n¹ The code is 4711\n\n{say('en', 'sources')}:\n¹ report.pdf, p. 2"
    assert await stage.texts(1) == [shown]
    stored = "SELECT sources FROM messages WHERE role = 'assistant' ORDER BY id"
    assert '"report.pdf"' in rows(stage, stored)[0][0]
    assert await stage.ask("thanks") == "You are welcome."
    assert rows(stage, stored)[1] == ("[]",)


async def test_pages_are_called_as_in_the_language_of_the_chat(stage: Stage) -> None:
    await stage.start()
    stage.studio.script("42 [report.pdf, с. 2]")
    stage.telegram.upload(BORIS, pdf("One", "The answer is 42"), "document", name="report.pdf", caption="Ну?")
    assert await stage.texts(1, BORIS) == [
        f"42\u202f¹\n\n¹ The answer is 42\n\n{say('ru', 'sources')}:\n¹ report.pdf, с. 2"
    ]
    assert "[report.pdf, с. 2]\nThe answer is 42" in asked(stage)


async def test_an_edited_caption_keeps_its_document_and_the_same_words_are_no_edit(stage: Stage) -> None:
    await stage.start()
    stage.studio.script("one", "two")
    sent = stage.telegram.upload(ANNA, b"The code is 4711.", "document", name="code.txt", caption="what is it?")
    assert await stage.texts(1) == ["one"]
    stage.telegram.push_raw({"edited_message": {**sent, "edit_date": 1_800_000_009}})
    await stage.clock.sleep(30)
    assert len(stage.prompts()) == 1
    stage.telegram.edit(ANNA, sent["message_id"], "what is the code?")
    await stage.until(lambda: stage.telegram.texts(ANNA) == ["two"] or None)
    asked = stage.prompts()[-1][-1]["text"]
    assert "what is the code?" in asked
    assert "code.txt" in asked
    parts = rows(stage, "SELECT parts FROM messages WHERE role = 'user' ORDER BY id")
    assert all("code.txt" in text for (text,) in parts)
