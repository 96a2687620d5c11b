"""What goes wrong is one line and an exit code."""

import pytest
from click import ClickException

from gateway.cli.session import display_text, errors_as_exits
from gateway.errors import BadCall, StoreUnavailable


def test_an_error_of_ours_is_its_message() -> None:
    with pytest.raises(ClickException, match="nobody answers") as caught, errors_as_exits():
        raise StoreUnavailable("nobody answers")

    assert 1 == caught.value.exit_code


def test_a_refusal_of_the_system_names_the_file(tmp_path) -> None:
    (tmp_path / "file").touch()

    with pytest.raises(ClickException) as caught, errors_as_exits():
        (tmp_path / "file" / "below").mkdir()

    assert f"The system refused {tmp_path}/file/below: Not a directory." == caught.value.message


def test_a_bug_is_not_dressed_up() -> None:
    with pytest.raises(ZeroDivisionError), errors_as_exits():
        _ = 1 // 0


@pytest.mark.parametrize("text", ["a\nb", "\x1b[31m", "\udcff", "x" * 201])
def test_names_fit_a_line(text) -> None:
    with pytest.raises(BadCall, match="no line breaks"):
        display_text(text)


@pytest.mark.parametrize("text", ["", "Ключ №1", "漢字 🔑", "x" * 200])
def test_names_may_be_in_any_script(text) -> None:
    assert text == display_text(text)
