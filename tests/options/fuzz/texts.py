"""Option files as text: broken YAML, tags, anchors, bytes of all kinds, and bases that lead nowhere."""

from __future__ import annotations

from collections.abc import Callable
from random import Random

SPECIAL = (*":{}[]&*!|>%@`\"'#,-?~=<\\\t\n\r\0\x85\u2028\ufeffé🦆", "- ", ": ", " #", "---\n")
# what YAML gives a meaning, in the place of a value: one a line
TAGS = (
    *r"""
!!python/object/apply:os.system ['touch trace']
!!python/name:os.system
!x y
! x
!!bool x
!!bool ''
!!int x
!!int ''
!!float x
!!timestamp x
!!null x
!!binary x
!!binary '='
!!str [1]
!!map 3
!!seq 3
!!merge x
!!set 3
!!set {a}
!!omap 3
!!omap [a: 1]
!!pairs [a: 1]
!!str
!<tag:x,1:y> z
2024-13-45
2024-02-30
0b
0x
0o17
010
08
1:60:60
1:99
1e999
.inf
.nan
&a [*a]
&a {a: *a}
&a
*none
<<
{<<: 3}
{<<: [1]}
{<<: {a: 1}, a: 2}
{<<: &b {<<: *b}}
=
{? [1] : 2}
{? {a: b} : c}
{1: 2}
{~: 2}
{true: 2}
{2024-01-01: 2}
{!!binary YQ==: 1}
{a: 1, a: 2}
"\ud800"
"\x00"
"\U0010ffff"
"\uFFFE"
""".strip().splitlines(),
    *("9" * 5000, "[" * 60 + "]" * 60, "[" * 400 + "]" * 400, "{a: " * 60 + "1" + "}" * 60, "[" * 5000),
    *("{a: " * 150 + "1" + "}" * 150, "'" + "x" * 100_000 + "'", "|\n x", ">\n"),
)
BASES = (
    *r"""
none.yml
fuzzed.yml
./fuzzed.yml
circle.yml
junk.yml
list.yml
empty.yml
utf16.yml
folder.yml
_base_
_base_/none.yml
schema.json
../vgg19.pth
/dev/null
..
/
''
~
3
true
{}
[]
[[]]
[3]
{a: b}
*x
'a\0b.yml'
"a\0b.yml"
"\ud800.yml"
~/x.yml
$HOME/x.yml
https://example.com/x.yml
train_psnr.yml
test_psnr.yml
[none.yml, fuzzed.yml]
[train_psnr.yml, train_usrda.yml]
[train_psnr.yml, train_psnr.yml]
[_base_/validation.yml, _base_/test.yml]
""".strip().splitlines(),
    "x" * 300 + ".yml",
)
COMPANIONS: dict[str, bytes] = {
    "circle.yml": b"_base_: fuzzed.yml\n",
    "junk.yml": bytes(range(256)),
    "list.yml": b"- a\n- b\n",
    "empty.yml": b"",
    "utf16.yml": "name: x\n".encode("utf-16"),
}


def _bomb() -> str:
    """Nine lists, each of nine times the one before: 387 million values in a few lines."""
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 9)]
    return "\n".join(lines) + "\n"


# whole files, or what follows the end of one
WHOLE: tuple[bytes, ...] = (
    *(b"", b"\n", b"# nothing\n", b"~\n", b"3\n", b"text\n", b"[]\n", b"{}\n", b"- a\n- b\n", b"{", b"'open", b'"open'),
    *(
        b"---\n",
        b"---\na: 1\n---\nb: 2\n",
        b"...\n",
        b"a: 1\n...\nb: 2\n",
        b"%YAML 9.9\n---\na: 1\n",
        b"%TAG ! x\n---\n",
    ),
    *(
        b"? ?\n",
        b"<<: *a\n",
        b"&a a: *a\n",
        b"{a: b, a: c}\n",
        b"key: |\n",
        b"\ttab: 1\n",
        b"a:\n- b\n c: d\n",
        b"1: 2\n",
    ),
    *(b"!!set {a, b}\n", b"!!map [a]\n", b"!!str {a: 1}\n", b"!!omap [a: 1]\n", b"2024-01-01\n", b"? {a: b}\n: c\n"),
    *(b"!!python/object:os.x {}\n", b'{"name": "x", "train": {}}', b"name = x\n", b"<xml/>\n", b"null: 1\n"),
    *(b"\xff\xfe", bytes(range(256)), b"\x00" * 100, b"\x89PNG\r\n\x1a\n" + bytes(100), b"PK\x03\x04", b"a" * 10**6),
    *(
        "name: ä\n".encode("latin-1"),
        "name: x\n".encode("utf-16"),
        "name: x\n".encode("utf-32"),
        b"\xef\xbb\xbfname: x",
    ),
    *(_bomb().encode(), b"[" * 10**5, b"a: " * 5000, b"- " * 5000, b"{a: " * 3000),
)


def spoil(rng: Random, text: str) -> tuple[bytes, str]:
    """The text with something wrong in it, as bytes, and what was done."""
    how = rng.choice(WAYS)
    return how(rng, text), how.__name__.strip("_")


def _characters(rng: Random, text: str) -> bytes:
    for _ in range(rng.choice((1, 1, 2, 5))):
        at = rng.randrange(len(text) + 1)
        text = text[:at] + rng.choice(SPECIAL) + text[at + rng.randrange(2) :]
    return text.encode("utf-8", "surrogatepass")


def _lines(rng: Random, text: str) -> bytes:
    lines = text.splitlines(keepends=True)
    one, other = rng.randrange(len(lines)), rng.randrange(len(lines))
    rng.choice((
        lambda: lines.insert(other, lines[one]),
        lambda: lines.pop(one),
        lambda: lines.insert(other, lines.pop(one)),
        lambda: lines.__setitem__(one, " " * rng.randrange(5) + lines[one].lstrip()),
        lambda: lines.__setitem__(one, "\t" + lines[one]),
        lambda: lines.__setitem__(slice(min(one, other), max(one, other)), []),
    ))()  # fmt: skip
    return "".join(lines).encode()


def _cut(rng: Random, text: str) -> bytes:
    return text.encode()[: rng.randrange(len(text))]


def _value(rng: Random, text: str) -> bytes:
    """A tag, an anchor or something else that YAML gives a meaning, in the place of a value."""
    lines = text.splitlines(keepends=True)
    valued = [number for number, line in enumerate(lines) if ":" in line and not line.lstrip().startswith("#")]
    at = rng.choice(valued)
    lines[at] = f"{lines[at].partition(':')[0]}: {rng.choice(TAGS)}\n"
    return "".join(lines).encode()


def _bytes(rng: Random, text: str) -> bytes:
    content = bytearray(text.encode())
    for _ in range(rng.choice((1, 3, 20))):
        content[rng.randrange(len(content))] = rng.randrange(256)
    return bytes(content)


def _encoding(rng: Random, text: str) -> bytes:
    crlf = text.replace("\n", rng.choice(("\r\n", "\r", "\n\n", " \n")))
    return rng.choice(
        (text.encode("utf-16"), text.encode("utf-8-sig"), crlf.encode(), f"{text}\nx: ä\n".encode("latin-1", "replace"))
    )


def _base(rng: Random, text: str) -> bytes:
    lines = [line for line in text.splitlines(keepends=True) if not line.startswith("_base_")]
    return f"_base_: {rng.choice(BASES)}\n{''.join(lines)}".encode()


def _whole(rng: Random, text: str) -> bytes:
    return rng.choice(WHOLE)


def _appended(rng: Random, text: str) -> bytes:
    return text.encode() + rng.choice(WHOLE)


WAYS: tuple[Callable[[Random, str], bytes], ...] = (
    *(_characters, _characters, _lines, _lines, _lines, _cut, _value, _value, _value, _bytes, _encoding, _base, _base),
    *(_whole, _appended),
)
