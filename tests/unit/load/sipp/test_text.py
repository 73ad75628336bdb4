"""Expressions, templates, CSV files, options and messages as scenarios have them."""

import random
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sipparty.errors import ParseError, UsageError
from sipparty.load.sipp import Options, ScenarioError
from sipparty.load.sipp.injection import InjectionFile
from sipparty.load.sipp.keywords import render_of
from sipparty.load.sipp.posix import posix_pattern
from sipparty.load.sipp.received import Received
from sipparty.load.sipp.template import TemplateError, compile_template, message_text


class TestExpressions:
    @pytest.mark.parametrize(
        ("expression", "text", "found"),
        [
            ("[[:alnum:]]+", "--ab1-", "ab1"),
            ("[^[:space:]]+", " \tab c", "ab"),
            ("a.*c", "xa\r\nbc", "a\r\nbc"),
            ("b$", "a\nb", "b"),
            ("^b", "a\nb", None),
            ("b$", "b\n", None),
            (r"[\d]", "d", "d"),
            (r"[]a]+", "x]a", "]a"),
            (r"\<bob\>", "abob bob", "bob"),
            (r"a\.b", "axb a.b", "a.b"),
            (r"\d", "1d", "d"),
            ("[0-9]{1,3}[.][0-9]{1,3}", "10.20", "10.20"),
            (r"(a)\1", "aa", "aa"),
            *(("[!--]+", "a!,-.", "!,-"), ("[a-]+", "b-a", "-a"), ("[--/]+", "a-./", "-./")),
        ],
    )
    def test_are_posix(self, expression, text, found):
        match = posix_pattern(expression).search(text)
        assert (match and match[0]) == found

    @pytest.mark.parametrize(
        "expression", ["(", "[a", "a\\", "[[:vowel:]]", "(?i)a", "*", "a{5,1}", "[1--]"]
    )
    def test_that_are_wrong(self, expression):
        with pytest.raises(ValueError):
            posix_pattern(expression)

    def test_may_ignore_case(self):
        assert posix_pattern("aB", ignore_case=True).search("Ab")

    @given(st.text("[]:^$(){}?*+|.\\a1,-", max_size=20))
    def test_any_text_is_one_or_is_refused(self, text):
        try:
            posix_pattern(text)
        except ValueError:
            pass


def render(text, call=None, **keys):
    return compile_template(text, lambda keyword: render_of(keyword, keys)).render(call)


class TestTemplates:
    LAST = Received.command("\r\nTo: <sip:b@x>\r\nVia: 1\r\nv: 2\r\n f\r\n")

    def test_lines_are_set_flush(self):
        assert message_text("\n\n   a b  \n\t c\n\n  d\n  \n") == "a b\r\nc\r\n\r\nd"

    def test_brackets(self):
        assert render(r"\[a] [k] ]", k="v") == "[a] v ]"

    def test_octets_by_their_number(self):
        assert render(r"\x5Ba\x5d \x4 \xc3\xa9").encode("utf-8", "surrogateescape") == (
            rb"[a] \x4 " + "é".encode()
        )

    def test_a_header_that_is_not_there_takes_the_rest_of_its_line(self):
        call = SimpleNamespace(last=self.LAST)
        text = "A: 1\r\n[last_From:];tag=x\r\nB: [last_From:] y\r\n[last_To:];tag=z\r\nC: 2"
        assert render(text, call) == "A: 1\r\nB: \r\nTo: <sip:b@x>;tag=z\r\nC: 2"

    def test_all_lines_of_a_header(self):
        assert render("[last_Via:]", SimpleNamespace(last=self.LAST)) == "Via: 1\r\nv: 2 f"

    def test_an_empty_line_goes_and_not_its_neighbours(self):
        assert render("a\r\n[k]\r\nb\r\n[k]", k="") == "a\r\nb\r\n"
        assert render("a: [k]\r\nb", k="") == "a: \r\nb"

    def test_numbers_are_added_to(self):
        call = SimpleNamespace(cseq=5, number=7, remote=("::1", 5060))
        assert (
            render("[cseq+1] [call_number-2] [remote_ip]:[remote_port]", call) == "6 5 [::1]:5060"
        )

    @given(st.text('[]\\a$+1 ="k', max_size=20))
    def test_any_text_is_one_or_is_refused(self, text):
        try:
            compile_template(text, lambda keyword: render_of(keyword, {"k": "v"}))
        except TemplateError:
            pass


class TestFiles:
    def read(self, tmp_path, text):
        path = tmp_path / "users.csv"
        path.write_text(text)
        return InjectionFile.read(path)

    def test_lines_in_sequence_begin_anew(self, tmp_path):
        file = self.read(tmp_path, "SEQUENTIAL\r\na;1\r\n\r\n#x\r\nb;2\r\n")
        lines = [file.line_for(number, 1, random.Random()) for number in (1, 2, 3)]
        assert [file.field(line, 1) for line in lines] == ["1", "2", "1"]
        assert file.find("b") == 1
        assert file.find("2", 1) == 1
        assert file.find("c") == -1

    def test_lines_of_users_and_of_chance(self, tmp_path):
        file = self.read(tmp_path, "USER\na\nb\n")
        assert [file.line_for(9, user, random.Random()) for user in (1, 2)] == [0, 1]
        file = self.read(tmp_path, "RANDOM\na\nb\n")
        assert {file.line_for(1, 1, random.Random(seed)) for seed in range(20)} == {0, 1}

    def test_lines_that_are_printed(self, tmp_path):
        file = self.read(tmp_path, "SEQUENTIAL,PRINTF=3\nu%03d;100%%\n")
        assert [file.field(line, 0) for line in range(3)] == ["u000", "u001", "u002"]
        assert file.field(1, 1) == "100%"

    @pytest.mark.parametrize(
        ("text", "words"),
        [
            ("SEQUENCE\na", "line 1: 'SEQUENCE' is no order: write SEQUENTIAL"),
            ("a;b", "line 1: 'A;B' is no order"),
            ("RANDOM\n#a\n", "line 1: no line of values follows"),
            ("RANDOM,LINES=3\na", "'LINES=3' is not taken: write PRINTF=1000"),
        ],
    )
    def test_that_are_wrong(self, tmp_path, text, words):
        with pytest.raises(ScenarioError) as caught:
            self.read(tmp_path, text)
        assert words in str(caught.value)

    def test_a_short_row(self, tmp_path):
        file = self.read(tmp_path, "SEQUENTIAL\na;b\n\nc\n")
        with pytest.raises(ScenarioError, match=r"line 4: \[field1\] is wanted .* has 1 fields"):
            file.field(1, 1)
        with pytest.raises(ScenarioError, match="there is no line 2"):
            file.field(2, 0)


class TestOptions:
    @pytest.mark.parametrize(
        ("options", "words"),
        [
            ({"servise": "x"}, "no option 'servise'. Did you mean 'service'?"),
            ({"transport": "TLS"}, "by UDP or TCP, not by 'TLS'"),
            ({"default_behaviors": {"by"}}, "default_behaviors has by: expected some of"),
            ({"lost": 101.0}, "lost is 101"),
            ({"users": 0}, "users is 0"),
            ({"pause": "soon"}, "pause is 'soon': expected a number"),
            ({"local": "1.2.3.4:x"}, "local is '1.2.3.4:x': expected"),
            ({"retransmit": "perhaps"}, "retransmit is 'perhaps'"),
        ],
    )
    def test_that_are_wrong(self, options, words):
        with pytest.raises(UsageError) as caught:
            Options.of(options)
        assert words in str(caught.value)

    def test_are_taken_as_text_too(self):
        options = Options.of(
            {
                "local": "[::1]:5070",
                "media": "127.0.0.1",
                "pause": "0.5",
                "users": "3",
                "retransmit": "false",
                "injections": "a.csv,b.csv",
                "keys": "a=1,b=2",
                "default_behaviors": "bye",
            }
        )
        assert options.local == ("::1", 5070)
        assert options.media == ("127.0.0.1", 6000)
        assert (options.pause, options.users, options.retransmit) == (0.5, 3, False)
        assert options.injections == ("a.csv", "b.csv")
        assert options.keys == {"a": "1", "b": "2"}
        assert options.default_behaviors == {"bye"}

    def test_do_not_show_the_password(self):
        assert "secret" not in repr(Options(password="secret"))


class TestMessages:
    RAW = (
        b"SIP/2.0 200 OK\r\nVia: SIP/2.0/UDP a;branch=z9hG4bK1\r\nf: <sip:a@x>;tag=1\r\n"
        b"To: <sip:b@x>;tag=2\r\ni: 7\r\nCSeq: 3 BYE\r\nX: \xff\r\nContact: \t<sip:c@x>\r\n\r\nbody"
    )

    def test_what_they_are(self):
        message = Received(self.RAW)
        assert (message.name, message.status, message.method) == ("200", 200, "")
        assert (message.call_id, message.cseq, message.to_tag) == ("7", (3, "BYE"), "2")
        assert message.body == "body"
        assert message.start_line == "SIP/2.0 200 OK"
        assert message.lines("From:") == ["f: <sip:a@x>;tag=1"]
        assert message.text.encode("utf-8", "surrogateescape") == self.RAW

    def test_what_follows_a_name(self):
        message = Received(self.RAW)
        assert message.after("Contact") == ": \t<sip:c@x>"
        assert message.after("Contact:") == " \t<sip:c@x>"
        assert message.after("Contact: ") == "<sip:c@x>"
        assert message.after("contact:", 2) is None

    def test_what_is_none_raises(self):
        with pytest.raises(ParseError):
            Received(b"nothing")
