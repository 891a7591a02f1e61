from selcon_ros.core.errors import first_line


def test_what_a_library_says_is_one_printable_line() -> None:
    assert first_line(ValueError("\nbad index\x10 \x1b[31m\nmore")) == "bad index\\x10 \\x1b[31m"
    assert first_line(ValueError()) == "ValueError"
    assert len(first_line(ValueError("x" * 10_000))) == 300
