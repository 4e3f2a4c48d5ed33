"""Questions that ask for the same thing are one cluster, named by the one that is most like the others."""

from __future__ import annotations

from bot.knowledge.learning.clusters import WEEK, clusters, table
from bot.knowledge.search.matrix import pack
from bot.storage.tables.knowledge import Gap
from bot.types import Address

NOW = 100 * WEEK


def gap(question: str, *, vector: bytes = b"", ago: float = 1.0, id_: int = 0) -> Gap:
    return Gap(
        address=Address("telegram", 42, 1), user=1, message_id=None, question=question, reason="refused",
        audience="members", language="ru", vector=vector, at=NOW - ago, id=id_,
    )  # fmt: skip


def test_questions_with_the_same_words_are_one_cluster_with_counts_of_both_weeks() -> None:
    found = clusters(
        [
            gap("Сколько стоит доставка в Казань?", ago=WEEK + 1),
            gap("Доставка в Казань сколько стоит?"),
            gap("How do I change my password?"),
            gap("Сколько стоит доставки Казань"),
        ],
        NOW,
    )
    assert [(one.now, one.before, one.trend) for one in found] == [(2, 1, "+1"), (1, 0, "+1")]
    assert found[1].central.question == "How do I change my password?"


def test_questions_in_other_words_are_one_cluster_by_their_embeddings_and_models_are_not_mixed() -> None:
    near, also, other = pack([1.0, 0.1, 0.0]), pack([1.0, 0.12, 0.0]), pack([1.0, 0.1, 0.0, 0.0])
    found = clusters(
        [
            gap("Где мой заказ?", vector=near),
            gap("Когда привезут?", vector=also),
            gap("Who?", vector=other),
            gap("Чем оплатить?", vector=pack([0.0, 0.1, 1.0])),
        ],
        NOW,
    )
    assert sorted(one.now for one in found) == [1, 1, 2]


def test_what_was_only_asked_in_the_week_before_is_not_listed() -> None:
    assert clusters([gap("Anything?", ago=WEEK + 1)], NOW) == []


def test_a_spreadsheet_computes_no_question() -> None:
    assert "'=1+1" in table(clusters([gap("=1+1")], NOW))
