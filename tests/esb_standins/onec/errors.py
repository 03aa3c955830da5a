"""Refusals of the OData interface: HTTP status, code and the text 1C prints.

Codes are text on the wire. «-1» is anything thrown by code of the configuration or the platform.
Source: developer's guide 17.4.10 "Errors"; statuses and texts as measured on live bases.
"""

from dataclasses import dataclass
from typing import Final

INTERNAL: Final = (
    "Произошла внутренняя ошибка OData сервиса. Дополнительные сведения можно найти в технологическом журнале."
)
INCOMPARABLE: Final = (
    "Неверные параметры в операции сравнения. Нельзя сравнивать поля неограниченной длины и поля несовместимых типов."
)
LOCK_CONFLICT: Final = (
    "Конфликт блокировок при выполнении транзакции: Превышено максимальное время ожидания предоставления блокировки"
)


@dataclass(eq=False)
class ODataError(Exception):
    """One refused request."""

    status: int
    code: str
    text: str

    def __str__(self) -> str:
        return f"{self.status} {self.code}: {self.text}"


def internal() -> ODataError:
    return ODataError(500, "-1", INTERNAL)


def broken_json() -> ODataError:
    return ODataError(500, "-1", "Непредвиденный символ при чтении JSON")


def cannot_parse(value: object, edm: str) -> ODataError:
    return ODataError(400, "1", f"Не удалось разобрать строку '{value}' как значение типа {edm}!")


def bad_value(name: str) -> ODataError:
    return ODataError(400, "5", f"Неверное значение свойства {name}")


def no_segment(name: str) -> ODataError:
    return ODataError(400, "6", f"Сегмент пути {name} не найден!")


def no_method(name: str) -> ODataError:
    return ODataError(400, "6", f"Метод не найден: {name}")


def no_set(name: str) -> ODataError:
    return ODataError(404, "8", f'"{name}" entity is not found')


def no_instance(name: str) -> ODataError:
    return ODataError(404, "9", f'Экземпляр сущности "{name}" не найден по переданному ключу.')


def no_rows_directly() -> ODataError:
    return ODataError(400, "13", "Создание строк табличной части напрямую не поддерживается")


def bad_filter() -> ODataError:
    return ODataError(400, "14", "Ошибка при разборе опции запроса $filter")


def bad_option(name: str) -> ODataError:
    return ODataError(400, "14", f"Ошибка при разборе опции запроса {name}")


def unsupported_option(name: str) -> ODataError:
    return ODataError(400, "0", f"The {name} parameter is not supported")


def method_not_allowed() -> ODataError:
    return ODataError(405, "19", "Метод HTTP не поддерживается для данного ресурса")


def incomparable() -> ODataError:
    return ODataError(500, "-1", INCOMPARABLE)


def not_unique(title: str, name: str) -> ODataError:
    """A number or code is taken. The exact wording inside OData is unconfirmed; «не уникально» is the platform's."""
    return ODataError(500, "-1", f'Не удалось записать: "{title}"!\nЗначение поля "{name}" не уникально')


def not_written(title: str) -> ODataError:
    return ODataError(500, "-1", f"Не удалось записать: {title}!")


def not_posted(presentation: str) -> ODataError:
    """Posting failed; the true reason goes to the user's messages, which OData never shows."""
    return ODataError(500, "-1", f'Не удалось провести "{presentation}"!')


def period_closed(closed_until: str, title: str) -> ODataError:
    """The prohibition date of the standard library. `closed_until` is written as 31.12.2025."""
    return ODataError(
        500,
        "-1",
        "Ошибка при выполнении обработчика - 'ПередЗаписью'\n"
        f"Запрещено изменять данные с датой ранее {closed_until} (включительно).\n"
        f"{title} невозможно изменить в запрещенном периоде.",
    )


def lock_conflict() -> ODataError:
    return ODataError(500, "-1", LOCK_CONFLICT)
