# SPDX-License-Identifier: Apache-2.0
"""pyallocs SECONDS: blocks of CPython's own allocator, all below the 512 bytes that it passes on to malloc; says how many, as allocs does."""
import itertools
import resource
import sys
import time

HEAD = sys.getsizeof(b"")  # of any bytes object
SMALL, LARGE = 67, 400
ROUND = 200


def take_small():
    for _ in itertools.repeat(None, ROUND):
        bytes(SMALL)


def take_large(text):
    for _ in itertools.repeat(None, ROUND):
        text * LARGE


print("ready", flush=True)
end, rounds = time.monotonic() + float(sys.argv[1]), 0
while time.monotonic() < end:
    take_small()
    take_large(b"x")
    rounds += 1
    time.sleep(0.0003)
print("truth small", rounds * ROUND, rounds * ROUND * (HEAD + SMALL))
print("truth large", rounds * ROUND, rounds * ROUND * (HEAD + LARGE))
used = resource.getrusage(resource.RUSAGE_SELF)
print("cpu_ns", int((used.ru_utime + used.ru_stime) * 1e9))
