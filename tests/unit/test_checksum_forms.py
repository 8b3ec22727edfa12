"""Another team's checksums: in which form they are, told from the files alone."""

from __future__ import annotations

import base64
import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.ledger.checksum_forms import (
    ALGORITHMS,
    SOURCES,
    SPELLINGS,
    ChecksumForm,
    forms_of,
    recognised,
    recognised_among,
)

TEXT = "def upgrade(db):\r\n    pass  # é\r\n\n"
DATA = TEXT.encode()


def named(form: ChecksumForm | None) -> tuple[str, ...] | None:
    if form is None:
        return None
    return (form.source, form.algorithm, form.spelling, form.prefix)


READ = TEXT.replace("\r\n", "\n").encode()

#: What a runner writes of one file, and the form that it has.
TABLE = {
    "md5 of the bytes": (
        hashlib.md5(DATA).hexdigest(),
        ("bytes", "md5", "hex", ""),
    ),
    "sha1 of the text": (hashlib.sha1(READ).hexdigest(), ("text", "sha1", "hex", "")),
    "sha256 of the bytes": (hashlib.sha256(DATA).hexdigest(), ("bytes", "sha256", "hex", "")),
    "sha256 of the text": (hashlib.sha256(READ).hexdigest(), ("text", "sha256", "hex", "")),
    "sha256 of the stripped text": (
        hashlib.sha256(READ.decode().strip().encode()).hexdigest(),
        ("stripped text", "sha256", "hex", ""),
    ),
    "sha512 in capitals": (
        hashlib.sha512(DATA).hexdigest().upper(),
        ("bytes", "sha512", "HEX", ""),
    ),
    "sha256 in base64": (
        base64.b64encode(hashlib.sha256(DATA).digest()).decode(),
        ("bytes", "sha256", "base64", ""),
    ),
    "sha256 with its name": (
        f"sha256:{hashlib.sha256(READ).hexdigest()}",
        ("text", "sha256", "hex", "sha256:"),
    ),
    "SHA-1 with its name": (
        f"SHA-1={hashlib.sha1(DATA).hexdigest()}",
        ("bytes", "sha1", "hex", "SHA-1="),
    ),
    "as web pages have it": (
        f"sha512-{base64.b64encode(hashlib.sha512(DATA).digest()).decode()}",
        ("bytes", "sha512", "base64", "sha512-"),
    ),
    "the first 16 digits": (
        hashlib.sha256(DATA).hexdigest()[:16],
        ("bytes", "sha256", "hex", ""),
    ),
    "the first 32 digits, as many as MD5 has": (
        hashlib.sha256(READ).hexdigest()[:32],
        ("text", "sha256", "hex", ""),
    ),
}


@pytest.mark.parametrize("case", list(TABLE))
def test_what_a_runner_writes_is_recognised(case: str) -> None:
    checksum, expected = TABLE[case]
    form = recognised([(checksum, DATA)])
    assert named(form) == expected
    assert form is not None
    assert form.of(DATA) == checksum


@pytest.mark.parametrize(
    "checksum",
    [
        "",
        "none",
        hashlib.sha256(DATA).hexdigest()[:7],  # could be an accident
        hashlib.sha256(DATA).hexdigest() + "0",
        hashlib.sha256(DATA + b"!").hexdigest(),
        f"md5:{hashlib.sha256(DATA).hexdigest()}",
        f"crc:{hashlib.md5(DATA).hexdigest()}",
        hashlib.sha256(DATA).hexdigest().title(),
        hashlib.blake2s(DATA).hexdigest(),
        "9058415254629903952",
    ],
)
def test_anything_else_is_no_form(checksum: str) -> None:
    assert recognised([(checksum, DATA)]) is None


def test_without_any_file_there_is_no_form() -> None:
    assert recognised([]) is None


@pytest.mark.parametrize(
    ("case", "expected"),
    [
        ("md5 of the bytes", "the MD5 of each file's bytes"),
        ("sha256 of the stripped text", "the SHA-256 of each file's stripped text"),
        ("the first 16 digits", "the SHA-256 of each file's bytes, cut to 16 characters"),
    ],
)
def test_a_form_is_told_in_words(case: str, expected: str) -> None:
    assert str(recognised([(TABLE[case][0], DATA)])) == expected


FORMS = st.builds(
    ChecksumForm,
    st.sampled_from(list(SOURCES)),
    st.sampled_from(list(ALGORITHMS)),
    st.sampled_from(list(SPELLINGS)),
)


@st.composite
def forms(draw: st.DrawFn) -> ChecksumForm:
    """Every form of the table, with every prefix, whole or cut."""
    form = draw(FORMS)
    names = {form.algorithm, form.algorithm.upper(), form.algorithm.replace("sha", "sha-")}
    signed = st.builds(str.__add__, st.sampled_from(sorted(names)), st.sampled_from(":=-"))
    prefix = draw(st.one_of(st.just(""), signed))
    length = None
    if form.spelling != "base64" and draw(st.booleans()):
        length = draw(st.integers(8, 2 * ALGORITHMS[form.algorithm] - 1))
    return ChecksumForm(form.source, form.algorithm, form.spelling, prefix, length)


FILES = st.one_of(
    st.binary(max_size=60),
    st.text("ab\r\n\t \u00a0\u2028é", max_size=12).map(str.encode),
)


@given(forms(), st.lists(FILES, min_size=1, max_size=5), FILES)
def test_any_form_is_recognised_from_what_is_written_in_it(
    form: ChecksumForm, files: list[bytes], new: bytes
) -> None:
    found = recognised([(form.of(data), data) for data in files])
    assert found is not None
    assert [found.of(data) for data in files] == [form.of(data) for data in files]
    # A file of which all sources are the same has the same checksum in every form that fits.
    if len({source(new) for source in SOURCES.values()}) == 1:
        cut = form.length is not None
        assert cut or found.of(new) == form.of(new)


@given(forms(), st.lists(FILES, min_size=1, max_size=7, unique=True), st.data())
def test_files_that_were_changed_hide_the_form_only_where_they_are_most(
    form: ChecksumForm, files: list[bytes], data: st.DataObject
) -> None:
    changed = data.draw(st.sets(st.sampled_from(files)), "changed")
    recorded = [(form.of(file + b"changed" if file in changed else file), file) for file in files]
    found = recognised(recorded)
    if 2 * len(changed) < len(files):
        assert found is not None
        told = {file for checksum, file in recorded if found.of(file) != checksum}
        assert told == changed
    else:
        assert found is None


@given(forms(), st.lists(FILES, min_size=1, max_size=6, unique=True), st.data())
def test_the_form_is_told_by_files_of_any_name(
    form: ChecksumForm, files: list[bytes], data: st.DataObject
) -> None:
    shuffled = data.draw(st.permutations(files), "in the folder")
    found = recognised_among([form.of(file) for file in files], shuffled)
    digests = {form.of(file) for file in files}
    if len(digests) == len(files):
        assert found is not None
        assert {found.of(file) for file in files} == digests
    assert recognised_among([form.of(file + b"changed") for file in files], shuffled) is None
    assert recognised_among([], shuffled) is None


@given(forms(), forms(), FILES, FILES)
def test_two_ways_of_writing_are_none(
    one: ChecksumForm, other: ChecksumForm, first: bytes, second: bytes
) -> None:
    """Unless what they write has one look, and one of them would have written both."""
    found = recognised([(one.of(first), first), (other.of(second), second)])
    if found is not None:
        assert (found.of(first), found.of(second)) == (one.of(first), other.of(second))


@given(forms(), FILES)
def test_a_checksum_fits_its_form_and_others_by_their_looks_alone(
    form: ChecksumForm, data: bytes
) -> None:
    checksum = form.of(data)
    assert form.fits(checksum)
    assert form in set(forms_of(checksum))
    assert all(each.fits(checksum) for each in forms_of(checksum))
    assert not form.fits(checksum + "x")
    assert not form.fits("")


@given(st.text(max_size=140))
def test_no_text_breaks_it(checksum: str) -> None:
    assert all(each.fits(checksum) for each in forms_of(checksum))
    recognised([(checksum, DATA)])
