"""Accounts: what counts first, what cannot be, and where passwords come from."""

import sys
import types

import pytest

from sipparty.cli.accounts import Account, config_path, find_password, read_account, with_options
from sipparty.errors import UsageError

FILE = """\
default = "work"

[accounts.work]
address = "alice@atlanta.com"
user = "alice"
proxy = "sip:proxy.atlanta.com"
headers = { "X-Tenant" = "7" }

[accounts.home]
address = "bob@biloxi.com"
password = "tea"
expires = 600
verify = false
"""


@pytest.fixture
def write(tmp_path):
    path = tmp_path / "config.toml"

    def write(text):
        path.write_text(text)
        return path

    return write


def test_an_account_by_name_and_by_default(write):
    path = write(FILE)
    assert read_account("", path).name == "work"
    assert read_account("", path).headers == {"X-Tenant": "7"}
    home = read_account("home", path)
    assert (home.address, home.expires, home.verify) == ("bob@biloxi.com", 600, False)
    assert "tea" not in repr(home)


def test_the_only_account_is_the_default(write):
    assert read_account("", write("[accounts.work]\n")).name == "work"


def test_no_file_is_no_account(tmp_path):
    assert read_account("", tmp_path / "none.toml") == Account()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            "[accounts.work]\nproxi = 'a'",
            "accounts.work: there is no key 'proxi' (did you mean 'proxy'?)",
        ),
        ("[accounts.work]\nzzz = 'a'", "there is no key 'zzz': there are address, user,"),
        ("defualt = 'work'", "there is no key 'defualt' (did you mean 'default'?)"),
        ("[accounts.work]\nexpires = '1'", "expires is a whole number, not '1'"),
        ("[accounts.work]\npassword = 12345", "password is text, such as"),
        ("[accounts.work]\nverify = 1", "verify is true or false, not 1"),
        ("[accounts.work]\nheaders = { a = 1 }", "headers is names and texts"),
        ("[accounts.work]\ntransport = 'tpc'", "there is no transport 'tpc' (did you mean 'tcp'?)"),
        ("accounts = 5", "accounts is"),
        ("[accounts]\nwork = 5", "[accounts.work]"),
        ("default = 'wrok'\n[accounts.work]\n", "no account 'wrok' (did you mean 'work'?)"),
        ("[accounts", "config.toml: "),
    ],
)
def test_what_cannot_be_names_the_place_and_the_nearest(write, text, said):
    with pytest.raises(UsageError) as caught:
        read_account("", write(text))
    assert said in str(caught.value)
    assert "12345" not in str(caught.value)


def test_a_file_that_others_can_read_is_warned_of(write):
    path, said = write(FILE), []
    path.chmod(0o644)
    read_account("home", path, said.append)
    assert "chmod 600" in said[0]
    path.chmod(0o600)
    read_account("home", path, said.append)
    read_account("work", path, said.append)
    assert len(said) == 1


def test_where_the_file_is():
    assert str(config_path({"SIPPARTY_CONFIG": "/a/b"})) == "/a/b"
    assert str(config_path({"XDG_CONFIG_HOME": "/x"})) == "/x/sipparty/config.toml"
    assert str(config_path({"HOME": "/h"})) == "/h/.config/sipparty/config.toml"


def test_an_option_counts_before_the_file():
    account = Account(address="a@b", user="alice", password="tea", headers={"A": "1", "B": "2"})
    made = with_options(account, proxy="p", address=None, headers={"B": "3"})
    assert (made.address, made.proxy, made.password) == ("a@b", "p", "tea")
    assert made.headers == {"A": "1", "B": "3"}
    assert with_options(account, user="carol").password == ""


@pytest.fixture
def keyring(monkeypatch):
    kept = {}
    module = types.ModuleType("keyring")
    module.get_password = lambda service, name: kept.get((service, name))
    module.errors = types.ModuleType("keyring.errors")
    module.errors.KeyringError = OSError
    monkeypatch.setitem(sys.modules, "keyring", module)
    monkeypatch.setitem(sys.modules, "keyring.errors", module.errors)
    return kept


def test_a_password_is_the_accounts_or_of_the_keyring_or_asked_for(keyring):
    account = Account(address="sip:alice@atlanta.com", user="alice")
    assert find_password(with_options(account, password="tea")) == "tea"
    assert find_password(account, lambda question: f"asked: {question}").startswith("asked")
    keyring["sipparty", "alice@atlanta.com"] = "kept"
    assert find_password(account, lambda question: "asked") == "kept"


def test_no_password_says_where_to_put_it(keyring):
    with pytest.raises(UsageError, match=r"keyring set sipparty alice@atlanta\.com"):
        find_password(Account(address="sip:alice@atlanta.com", user="alice"))


def test_without_keyring(monkeypatch):
    monkeypatch.setitem(sys.modules, "keyring", None)
    assert find_password(Account(user="alice"), lambda question: "asked") == "asked"
