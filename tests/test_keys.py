"""Key files: made for their owner only, never overwritten unasked, refused when others can read them."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.errors import ConfigError, GatewayError, SecurityError
from gateway.keys import (
    CurvePair,
    add_key,
    describe,
    drop_key,
    load_curve_folder,
    load_curve_secret,
    load_keys,
    make_keys,
    save_curve,
    use_key,
)
from gateway.links.sockets import curve_keypair


def test_a_new_file_holds_one_random_key_and_only_its_owner_reads_it(tmp_path: Path) -> None:
    old = os.umask(0)  # the mode does not come from the umask
    try:
        one, two = make_keys(tmp_path / "a.key"), make_keys(tmp_path / "b.key")
    finally:
        os.umask(old)
    assert (tmp_path / "a.key").stat().st_mode & 0o777 == 0o600
    assert load_keys(tmp_path / "a.key") == one
    assert one.accepted == {one.sends.key_id: one.sends}
    assert len(one.sends.master) == 32
    assert one.sends.master != two.sends.master
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.key", "b.key"]


def test_a_file_is_not_overwritten_unasked(tmp_path: Path) -> None:
    path = tmp_path / "net.key"
    first = make_keys(path)
    with pytest.raises(SecurityError, match=r"net\.key: exists already.*--force"):
        make_keys(path)
    assert load_keys(path) == first
    assert make_keys(path, force=True) != first
    (tmp_path / "dangling").symlink_to("nowhere")
    with pytest.raises(SecurityError, match="exists already"):
        make_keys(tmp_path / "dangling")


@pytest.mark.parametrize("mode", [0o644, 0o640, 0o604, 0o660, 0o700 | 0o001])
def test_a_file_that_others_may_read_is_refused(tmp_path: Path, mode: int) -> None:
    path = tmp_path / "net.key"
    make_keys(path)
    path.chmod(mode)
    with pytest.raises(SecurityError, match=rf"mode {mode:04o}\); needed: `chmod 600 .*net\.key`"):
        load_keys(path)
    path.chmod(0o400)
    load_keys(path)


def test_rolling_over(tmp_path: Path) -> None:
    path = tmp_path / "net.key"
    old = make_keys(path).sends
    new = add_key(path)
    keys = load_keys(path)
    assert keys.sends == old
    assert keys.accepted == {old.key_id: old, new.key_id: new}
    assert use_key(path, new.key_id) == new
    assert load_keys(path).sends == new
    with pytest.raises(SecurityError, match="the one that sends"):
        drop_key(path, new.key_id)
    drop_key(path, old.key_id)
    assert load_keys(path).accepted == {new.key_id: new}
    for change in (use_key, drop_key):
        with pytest.raises(SecurityError, match=f"no key {old.key_id} in the file; there are {new.key_id}"):
            change(path, old.key_id)
    assert path.stat().st_mode & 0o777 == 0o600


def test_a_file_holds_255_keys_and_no_more(tmp_path: Path) -> None:
    path = tmp_path / "net.key"
    make_keys(path)
    for _ in range(254):
        add_key(path)
    assert sorted(load_keys(path).accepted) == list(range(1, 256))
    with pytest.raises(SecurityError, match="all 255 key ids are in use"):
        add_key(path)


def test_describing_tells_no_secret(tmp_path: Path) -> None:
    keys = make_keys(tmp_path / "net.key")
    (line,) = describe(keys)
    assert line.startswith(f"key {keys.sends.key_id}, check ")
    assert line.endswith(": sends")
    assert keys.sends.master.hex()[:8] not in line


SECRET = "ab" * 32
GOOD = f'format = 1\nsend = 7\n[[key]]\nid = 7\nsecret = "{SECRET}"\n'


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (GOOD.replace("format = 1", "format = 2"), "format: Input should be 1"),
        (GOOD.replace("send = 7", "send = 8"), "send: no key 8 in the file; there are 7"),
        (GOOD.replace("id = 7", "id = 0"), r"key\.0\.id: Input should be greater"),
        (GOOD.replace(SECRET, SECRET[:-2]), r"key\.0\.secret: needs 64 hexadecimal digits"),
        (GOOD.replace(SECRET, "z" + SECRET[1:]), r"key\.0\.secret: needs 64 hexadecimal digits"),
        (GOOD + f'[[key]]\nid = 7\nsecret = "{SECRET}"\n', r"key\.1\.id: 7 is there twice"),
        (GOOD + "colour = 3\n", r"key\.0\.colour: unknown key"),
        (GOOD.replace("[[key]]", "[key]"), "key: Input should be a valid array"),
        (f'format = 1\nsend = 7\nkey = ["{SECRET}"]\n', r"key\.0: Input should be an object"),
        ("format = 1\nsend = 7\n", "key: missing"),
        ("format = 1\nsend = 7\nkey = []\n", "send: no key 7 in the file"),
        ("nonsense", "not valid TOML"),
    ],
)
def test_mistakes_are_named_without_the_secret(tmp_path: Path, text: str, told: str) -> None:
    path = tmp_path / "net.key"
    path.write_text(text)
    path.chmod(0o600)
    with pytest.raises(ConfigError, match=told) as caught:
        load_keys(path)
    assert str(path) in str(caught.value)
    assert "abab" not in str(caught.value)


def test_what_is_no_readable_file(tmp_path: Path) -> None:
    with pytest.raises(SecurityError, match=r"no such key file; `clarilink keygen .*net\.key` makes one"):
        load_keys(tmp_path / "net.key")
    with pytest.raises(SecurityError, match="not a file"):
        load_keys(tmp_path)
    with pytest.raises(SecurityError, match="cannot write"):
        make_keys(tmp_path / "no" / "net.key")
    (tmp_path / "binary").write_bytes(b"\xff\x00")
    (tmp_path / "binary").chmod(0o600)
    with pytest.raises(SecurityError, match="UTF-8"):
        load_keys(tmp_path / "binary")


def test_curve_pairs(tmp_path: Path) -> None:
    pair = CurvePair(*curve_keypair())
    public = save_curve(tmp_path / "alpha.curve", pair)
    assert public == tmp_path / "alpha.curve.public"
    assert (tmp_path / "alpha.curve").stat().st_mode & 0o777 == 0o600
    assert pair.secret not in public.read_text()
    assert load_curve_secret(tmp_path / "alpha.curve") == pair
    assert load_curve_folder(tmp_path) == {pair.public}
    with pytest.raises(SecurityError, match="exists already"):
        save_curve(tmp_path / "alpha.curve", pair)
    with pytest.raises(SecurityError, match="others may read"):
        load_curve_secret(public)
    public.chmod(0o600)
    with pytest.raises(ConfigError, match="this is the public half"):
        load_curve_secret(public)
    with pytest.raises(ConfigError, match="cannot read the folder"):
        load_curve_folder(tmp_path / "nowhere")
    (tmp_path / "odd.curve").write_text(f'format = 1\npublic = "{pair.public}"\nsecret = "{"~" * 40}"\n')
    (tmp_path / "odd.curve").chmod(0o600)
    with pytest.raises(ConfigError, match=r"odd\.curve: secret: needs 40 characters of Z85") as caught:
        load_curve_secret(tmp_path / "odd.curve")
    assert "~" not in str(caught.value)
    (tmp_path / "bad.public").write_text('format = 1\npublic = "short"\n')
    with pytest.raises(ConfigError, match=r"bad\.public: public: got 'short'"):
        load_curve_folder(tmp_path)


@given(st.text(max_size=80))
def test_any_text_is_a_key_file_or_a_clear_error(tmp_path_factory: pytest.TempPathFactory, text: str) -> None:
    path = tmp_path_factory.getbasetemp() / "any.key"
    path.write_bytes(text.encode("utf-8", "surrogatepass"))
    path.chmod(0o600)
    with pytest.raises(GatewayError, match=r"any\.key"):
        load_keys(path)
