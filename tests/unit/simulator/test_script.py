import pytest

from gateway.simulator.script import NUMBERS, SWITCHES, Fault, Script, read_script


def test_an_empty_header_leaves_the_defaults() -> None:
    defaults = Script(tokens=9, gzip=True)

    assert defaults == read_script("", defaults=defaults)
    assert defaults == read_script(" , ", defaults=defaults)


def test_options_override_the_defaults_one_by_one() -> None:
    script = read_script(
        "tokens=200, delay_ms=20,no_usage,fail=reset_after:10", defaults=Script(cached=3)
    )

    assert script == Script(
        tokens=200, delay_ms=20, no_usage=True, cached=3, fault=Fault.RESET, fault_after=10
    )


@pytest.mark.parametrize(
    "header", ["bogus", "tokens", "tokens=-1", "tokens=x", "gzip=1", "fail=sing:3", "fail=reset"]
)
def test_what_is_not_understood_is_refused(header) -> None:
    with pytest.raises(ValueError, match=r".+"):
        read_script(header, defaults=Script())


def test_every_option_can_be_set_by_its_name() -> None:
    for name in NUMBERS:
        assert 7 == getattr(read_script(f"{name}=7", defaults=Script()), name)
    for name in SWITCHES:
        assert getattr(read_script(name, defaults=Script()), name) is True
