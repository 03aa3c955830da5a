"""Addresses, literals and answers of the OData interface."""

import contextlib
import json
from datetime import UTC, datetime
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from esb_adapters.onec import errors
from esb_adapters.onec.protocol import (
    address,
    any_of,
    authorisation,
    body,
    cast,
    counter,
    local_date,
    moment,
    odata_root,
    read_answer,
    text,
)
from esb_bus.errors import EndpointDown, EsbError, InDoubt, RetryableError

PAGE = b"<html><body><h1>Bad Gateway</h1></body></html>"


def refused(code, said):
    return json.dumps({"odata.error": {"code": code, "message": {"lang": "ru", "value": said}}}).encode()


def xml_refused(code, text):
    """The same from a server that answers in XML, whatever format was asked for."""
    return f'<m:error xmlns:m="urn:x"><m:code>{code}</m:code><m:message lang="ru">{text}</m:message></m:error>'.encode()


def test_blanks_are_percent_twenty_and_a_plus_stays_a_plus():
    url = address("http://h/b", "Catalog_X", {"$filter": "Description eq 'а + б'"})

    assert url.endswith("?$format=json&$filter=Description%20eq%20'%D0%B0%20%2B%20%D0%B1'")


def test_quotes_in_texts_are_doubled():
    assert text("О'Кей") == "'О''Кей'"


def test_several_values_of_one_field_are_one_condition():
    assert any_of("Артикул", ["'a'", "'b'"]) == "(Артикул eq 'a' or Артикул eq 'b')"


def test_references_in_composite_attributes_name_their_type():
    assert cast("00", "Document_ЗаказКлиента") == "cast(guid'00','Document_ЗаказКлиента')"


@pytest.mark.parametrize(
    "publication", ["https://h/trade", "https://h/trade/", "https://h/trade/odata/standard.odata/"]
)
def test_a_publication_has_one_root_however_it_is_written(publication):
    assert odata_root(publication) == "https://h/trade/odata/standard.odata"


def test_cyrillic_users_are_sent_in_utf_8():
    assert authorisation("Шина:секрет") == "Basic 0KjQuNC90LA60YHQtdC60YDQtdGC"


def test_sums_are_exact_numbers():
    assert body({"Сумма": Decimal("22729.17")}) == '{"Сумма": 22729.17}'.encode()


def test_dates_are_the_wall_clock_of_the_base():
    night = datetime(2026, 1, 31, 21, 30, 15, 999, tzinfo=UTC)

    assert local_date(night, "Europe/Moscow") == "2026-02-01T00:30:15"
    assert moment("2026-02-01T00:30:15", "Europe/Moscow") == night.replace(microsecond=0)
    assert moment("0001-01-01T00:00:00", "Europe/Moscow") is None


@pytest.mark.parametrize(
    ("version", "number"),
    [("AAAAAAAAAAA=", 0), ("AAAAAQAAAAA=", 1), ("AAAAMgAAAAA=", 50), ("AAAAAAAAAAM=", 3), ("AAAA", 0), ("?", 0)],
)
def test_data_versions_grow(version, number):
    assert counter(version) == number


def test_numbers_are_read_as_decimals():
    assert read_answer(200, b'{"x": 22729.17}', write=False) == {"x": Decimal("22729.17")}


@pytest.mark.parametrize(
    ("status", "content", "error"),
    [
        (401, b"", errors.Unauthorised),
        (401, PAGE, errors.Unauthorised),
        (401, refused("20", "Нарушение прав доступа"), errors.AccessDenied),
        (404, PAGE, errors.NotOData),
        (404, refused("8", '"Document_X" entity is not found'), errors.NotPublished),
        (404, refused("9", "Экземпляр не найден"), errors.NotFound),
        (406, b"", errors.NoSession),
        (503, PAGE, errors.OneCBaseDown),
        (500, "<html>Не обнаружена лицензия. Не найден ключ защиты</html>".encode(), errors.NoLicence),
        (500, "Начало сеанса с информационной базой запрещено".encode(), errors.BaseIsExclusive),
        (500, refused("-1", "Конфликт блокировок при выполнении транзакции"), errors.LockConflict),
        (500, refused("-1", "Данные были изменены или удалены другим пользователем"), errors.LockConflict),
        (500, refused("-1", 'Не удалось провести "Заказ клиента 1"!'), errors.PostingRefused),
        (500, refused("-1", "Запрещено изменять данные с датой ранее 31.12.2025"), errors.PeriodClosed),
        (500, refused("-1", 'Значение поля "Номер" не уникально'), errors.NumberTaken),
        (500, refused("-1", "Ошибка при выполнении обработчика - 'ПриЗаписи'"), errors.RefusedByBase),
        (400, refused("14", "Ошибка при разборе опции запроса $filter"), errors.RefusedByBase),
        (400, refused("1", "Не удалось разобрать строку"), errors.RefusedByBase),
        (500, xml_refused("-1", "Не удалось провести «Заказ клиента»"), errors.PostingRefused),
        (401, xml_refused("20", "Нарушение прав доступа"), errors.AccessDenied),
        (501, xml_refused("0", "&lt;нет&gt;"), errors.RefusedByBase),
    ],
)
@pytest.mark.parametrize("write", [False, True])
def test_answers_that_mean_the_same_for_reads_and_writes(status, content, error, write):
    with pytest.raises(error):
        read_answer(status, content, write=write)


@pytest.mark.parametrize(
    ("status", "content"), [(502, PAGE), (504, b""), (500, PAGE), (200, PAGE), (200, b"{"), (500, b"{}")]
)
def test_an_answer_that_is_not_the_bases_leaves_a_write_in_doubt(status, content):
    with pytest.raises(InDoubt):
        read_answer(status, content, write=True)


@pytest.mark.parametrize(
    ("status", "content", "error"),
    [(502, PAGE, EndpointDown), (200, PAGE, EndpointDown), (200, b"", EndpointDown), (500, PAGE, RetryableError)],
)
def test_an_answer_that_is_not_the_bases_tells_nothing_to_a_read(status, content, error):
    with pytest.raises(error):
        read_answer(status, content, write=False)


def test_the_bases_words_are_cut():
    with pytest.raises(errors.RefusedByBase) as caught:
        read_answer(500, refused("-1", "ж" * 5000), write=True)

    assert len(str(caught.value)) < 1000


@given(
    status=st.integers(200, 599),
    content=st.one_of(st.binary(max_size=60), st.text(max_size=20).map(lambda said: refused("-1", said))),
    write=st.booleans(),
)
def test_no_answer_surprises(status, content, write):
    with contextlib.suppress(EsbError):
        read_answer(status, content, write=write)
