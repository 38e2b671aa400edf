# SPDX-License-Identifier: Apache-2.0
"""pprof - reads the profiles of a store, independently of everprof's own codec.

A profile is a list of Sample (frames leaf first, labels, count, nanoseconds) and its comments. Whoever asserts something about files asks here.
"""
import gzip
import re

TRUNCATED = "[truncated:"
UNNAMED = re.compile(r"^\[.*\]\+0x[0-9a-f]+$")


class Sample:
    __slots__ = ("frames", "labels", "count", "ns")

    def __init__(self, frames, labels, count, ns):
        self.frames, self.labels, self.count, self.ns = frames, labels, count, ns

    @property
    def whole(self):
        return not any(f.startswith(TRUNCATED) for f in self.frames)

    @property
    def named(self):
        """The root of a stripped loader has no symbol anywhere; every other frame counts."""
        return not any(UNNAMED.match(f) and not (i == len(self.frames) - 1 and f.startswith("[ld-")) for i, f in enumerate(self.frames))


def fields(data):
    """(number, value) of each field of a message: int for varints, bytes for the rest."""
    at, end = 0, len(data)

    def varint():
        nonlocal at
        value = shift = 0
        while True:
            byte = data[at]
            at += 1
            value |= (byte & 127) << shift
            if byte < 128:
                return value
            shift += 7

    while at < end:
        key = varint()
        if key & 7 == 0:
            yield key >> 3, varint()
        elif key & 7 == 2:
            size = varint()
            if at + size > end:
                raise ValueError("a field that is longer than its message")
            yield key >> 3, data[at:at + size]
            at += size
        else:
            raise ValueError(f"wire type {key & 7}")


def varints(value):
    if isinstance(value, int):
        return [value]
    out, n, shift = [], 0, 0
    for byte in value:
        n |= (byte & 127) << shift
        shift += 7
        if byte < 128:
            out.append(n)
            n = shift = 0
    return out


def repeated(message, number):
    return [v for n, value in fields(message) if n == number for v in varints(value)]


def read(path):
    """The samples and comments of a file; ValueError, IndexError, EOFError or OSError where it is damaged."""
    with gzip.open(path) as f:
        data = f.read()
    top = list(fields(data))
    strings = [v.decode() for n, v in top if n == 6]
    functions, locations, samples, comments = {}, {}, [], []
    for n, value in top:
        if n == 5:
            f = dict(fields(value))
            functions[f[1]] = strings[f.get(2, 0)]
        elif n == 13:
            comments += [strings[v] for v in varints(value)]
    for n, value in top:
        if n == 4:
            pairs = list(fields(value))
            locations[dict(pairs)[1]] = [functions[dict(fields(v))[1]] for k, v in pairs if k == 4]
    for n, value in top:
        if n != 2:
            continue
        labels = {}
        for k, v in fields(value):
            if k == 3:
                label = dict(fields(v))
                labels[strings[label[1]]] = strings[label[2]] if label.get(2) else label.get(3, 0)
        count, ns = repeated(value, 2)[:2]
        samples.append(Sample([f for i in repeated(value, 1) for f in locations[i]], labels, count, ns))
    return samples, comments


def losses(comments):
    """By reason, without the sum."""
    out = {}
    for line in comments:
        m = re.match(r"lost ([a-z_]+): (\d+) ", line)
        if m:
            out[m[1]] = out.get(m[1], 0) + int(m[2])
    return out
