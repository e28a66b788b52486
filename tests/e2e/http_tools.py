"""What the tests of the HTTP surface share: forms to send, fields and multipart answers to take apart."""

import re
from urllib.parse import unquote_to_bytes

from harness import Response, request

BOUNDARY = "-----ringdrop-e2e"
TOKEN = r"[0-9A-Za-z]{22}"


def part(disposition, content=b"", *fields):
    """One part of a form; `disposition` is what follows "form-data; ", as text (latin-1) or bytes."""
    if isinstance(disposition, str):
        disposition = disposition.encode("latin-1")
    lines = [b"Content-Disposition: form-data; " + disposition, *(field.encode("latin-1") for field in fields)]
    return b"\r\n".join(lines) + b"\r\n\r\n" + content


def file_part(name, content, field="file", *fields):
    """A file part with a plain name."""
    return part(f'name="{field}"; filename="{name}"', content, *fields)


def field_part(name, value):
    return part(f'name="{name}"', value.encode())


def form_body(*parts, boundary=BOUNDARY, closed=True):
    """The parts between their delimiters; `closed`: with the last one."""
    delimiter = b"--" + boundary.encode("latin-1")
    body = b"".join(delimiter + b"\r\n" + one + b"\r\n" for one in parts)
    return body + delimiter + b"--\r\n" if closed else body


def form_request(*parts, target="/", fields=(), **keywords):
    """A POST of a form; `keywords` as for form_body."""
    boundary = keywords.get("boundary", BOUNDARY)
    body = form_body(*parts, **keywords)
    return request("POST", target, f'Content-Type: multipart/form-data; boundary="{boundary}"', *fields, body=body)


def links_of(response):
    """The paths of the links that a 201 names in its text."""
    if response.status != 201 or not response.body.endswith(b"\n"):
        raise AssertionError(f"no links: {response}")
    return [re.sub(r"^https?://[^/]+", "", line) for line in response.body.decode("ascii").splitlines()]


def all_of(response, name):
    """Every value of a field, in order."""
    return [value for field, value in response.fields if field.lower() == name.lower()]


def token_of(path):
    """The token of a link's path."""
    found = re.match(rf"/({TOKEN})(/|$)", path)
    if not found:
        raise AssertionError(f"no link: {path!r}")
    return found.group(1)


def disposition_of(response):
    """(type, filename, filename* as bytes) of Content-Disposition, by RFC 6266 and 8187; None where one is missing."""
    value = response.get("Content-Disposition")
    found = re.fullmatch(r"(attachment|inline)(?:; filename=\"((?:[^\"\\]|\\.)*)\")?"
                         r"(?:; filename\*=UTF-8''((?:[0-9A-Za-z!#$&+.^_`|~-]|%[0-9A-F]{2})*))?", value)
    if not found:
        raise AssertionError(f"no Content-Disposition as RFC 6266 has it: {value!r}")
    kind, plain, extended = found.groups()
    return kind, plain, None if extended is None else unquote_to_bytes(extended)


def name_of(response):
    """The name under which a browser would save an answer: filename*, else filename, in bytes."""
    _, plain, extended = disposition_of(response)
    if extended is not None:
        return extended
    return plain.encode("latin-1") if plain is not None else b""


def byteranges_of(response):
    """The parts of a multipart/byteranges answer: [(Content-Type, first, last, size, bytes)]."""
    boundary = re.fullmatch(r'multipart/byteranges; boundary="?([^"]+)"?', response.get("Content-Type")).group(1)
    delimiter = b"--" + boundary.encode()
    if not response.body.startswith(delimiter + b"\r\n") or not response.body.endswith(b"\r\n" + delimiter + b"--\r\n"):
        raise AssertionError(f"not framed by {boundary}: {response.body[:200]} ... {response.body[-100:]}")
    inside = response.body[len(delimiter) + 2:-len(delimiter) - 6]
    parts = []
    for piece in inside.split(b"\r\n" + delimiter + b"\r\n"):
        head, _, content = piece.partition(b"\r\n\r\n")
        fields = Response(b"HTTP/1.1 206 x\r\n" + head)
        first, last, size = re.fullmatch(r"bytes (\d+)-(\d+)/(\d+)", fields.get("Content-Range")).groups()
        parts.append((fields.get("Content-Type"), int(first), int(last), int(size), content))
    return parts


def read_what_comes(wire):
    """Everything until the connection ends, by a close or a reset."""
    pieces = [wire.unread]
    try:
        while piece := wire.socket.recv(256 * 1024):
            pieces.append(piece)
    except ConnectionResetError:
        pass
    return b"".join(pieces)
