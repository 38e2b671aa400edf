# SPDX-License-Identifier: Apache-2.0
"""agent - a real agent under test: started in a folder of its own, watched from outside through /proc, ended or killed.

What it costs is what the kernel says of the process, not what it says of itself. All it leaves behind is removed.
"""
import collections
import contextlib
import glob
import os
import re
import shutil
import signal
import stat
import subprocess
import tempfile
import time

import pprof

CONFIG = """profiling:
  window: {window}
  cpu: {{frequency: {hz}}}
  offcpu: {{enabled: false}}
  memory: {{enabled: false}}
  alloc: {{enabled: false}}
  output: {{directory: '{dir}/store'}}
server: {{listen: 'off'}}
"""
TICKS = os.sysconf("SC_CLK_TCK")
START_CPU_SECONDS, START_SECONDS = 5, 300
Cost = collections.namedtuple("Cost", "rss_kib fds cpu_s")
Taken = collections.namedtuple("Taken", "at cpu_s memory_bytes own_bytes map_bytes")


class Dead(Exception):
    pass


class Agent:
    def __init__(self, everprof, window="2s", hz=99, wrap=(), limits=None, environ=None):
        self.dir = tempfile.mkdtemp(prefix="everprof-validate.")
        self.config = os.path.join(self.dir, "profiler.yaml")
        with open(self.config, "w", encoding="ascii") as f:
            f.write(CONFIG.format(window=window, hz=hz, dir=self.dir))
        self.argv = [*wrap, everprof, "agent", "-c", self.config]
        self.limits, self.environ = limits, environ
        self.process = None

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        if self.process and self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        shutil.rmtree(self.dir, ignore_errors=True)

    def start(self):
        """Returns once it says that it samples; Dead where it ends before, or takes more than any start does. That goes by its CPU time, which it needs some 1 s of: how long
        it waits for that is up to who else wants the CPUs."""
        self.log_path = os.path.join(self.dir, "log")
        with open(self.log_path, "ab") as log:
            at = log.tell()
            self.process = subprocess.Popen(self.argv, stdin=subprocess.DEVNULL, stdout=log, stderr=log, preexec_fn=self.limits,
                                            env={**os.environ, **(self.environ or {})})
        until = time.monotonic() + START_SECONDS
        while "agent: everprof " not in self.log(at):
            cpu_s = self.cost().cpu_s
            if cpu_s > START_CPU_SECONDS or time.monotonic() > until:
                raise Dead(f"does not start within {cpu_s:.1f} s of CPU time: {self.log(at)}")
            time.sleep(0.01)

    def log(self, at=0):
        with open(self.log_path, errors="replace", encoding="utf-8") as f:
            f.seek(at)
            return f.read()

    def expect_alive(self):
        if self.process.poll() is not None:
            raise Dead(f"ended with status {self.process.returncode}: {self.log()[-2000:]}")

    def signal(self, number):
        self.expect_alive()
        self.process.send_signal(number)

    def end(self, seconds=30):
        """SIGTERM; the exit status."""
        self.signal(signal.SIGTERM)
        try:
            return self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            raise Dead(f"does not end within {seconds} s: {self.log()[-2000:]}") from None

    def cost(self):
        self.expect_alive()
        proc = f"/proc/{self.process.pid}"
        with open(proc + "/status", encoding="utf-8") as f:
            rss = int(re.search(r"VmRSS:\s*(\d+)", f.read())[1])
        with open(proc + "/stat", encoding="utf-8") as f:
            fields = f.read().rpartition(")")[2].split()
        return Cost(rss, len(os.listdir(proc + "/fd")), (int(fields[11]) + int(fields[12])) / TICKS)

    def taken(self):
        """All that the limits count, as the kernel tells it: CPU seconds of the agent, of those that hold its probes and, where the kernel is asked to measure them, of
        its BPF programs; resident memory without pages of maps and the maps, together and of each."""
        pids, cpu, bpf_ns, resident, maps = [self.process.pid], 0, 0, 0, {}
        for path in glob.glob("/proc/[0-9]*/stat"):
            with contextlib.suppress(OSError), open(path, encoding="utf-8", errors="replace") as f:
                head, _, rest = f.read().rpartition(")")
                if int(rest.split()[1]) == self.process.pid and head.endswith("(everprof-probe"):
                    pids.append(int(path.split("/")[2]))
        self.expect_alive()
        for pid in pids:
            with contextlib.suppress(OSError):
                with open(f"/proc/{pid}/stat", encoding="utf-8") as f:
                    cpu += sum(int(x) for x in f.read().rpartition(")")[2].split()[11:15])  # with children that ended
                with open(f"/proc/{pid}/smaps", encoding="utf-8", errors="replace") as f:
                    for area in re.split(r"^(?=[0-9a-f]+-[0-9a-f]+ )", f.read(), flags=re.M):
                        kind = r"^Rss:\s*(\d+)" if pid == self.process.pid else r"^Pss:\s*(\d+)"
                        resident += 0 if not area or "bpf" in area.split("\n")[0] else int(re.search(kind, area, re.M)[1]) * 1024
        for path in glob.glob(f"/proc/{self.process.pid}/fdinfo/*"):
            with contextlib.suppress(OSError), open(path, encoding="ascii") as f:
                info = dict(re.findall(r"^(map_id|prog_id|prog_type|memlock|run_time_ns):\s*(\d+)", f.read(), re.M))
            if "prog_type" in info or "map_id" in info:
                maps[info.get("map_id") or "prog " + info["prog_id"]] = int(info.get("memlock", 0))
                bpf_ns += int(info.get("run_time_ns", 0))
        return Taken(time.monotonic(), cpu / TICKS + bpf_ns / 1e9, resident + sum(maps.values()), resident, sum(maps.values()))

    def children_kib(self):
        """Of the processes that it started, what they do not share: who serves, who delivers, who holds probes."""
        sum_kib = 0
        with contextlib.suppress(OSError), open(f"/proc/{self.process.pid}/task/{self.process.pid}/children", encoding="ascii") as f:
            for pid in f.read().split():
                with contextlib.suppress(OSError), open(f"/proc/{pid}/smaps_rollup", encoding="ascii") as rollup:
                    sum_kib += int(re.search(r"^Pss:\s*(\d+)", rollup.read(), re.M)[1])
        return sum_kib

    def descriptors(self):
        """Of what it has open: files that somebody else runs or has, {(device, inode): how often}; of control groups, how many; of anything else, how many."""
        at, files, groups, others = f"/proc/{self.process.pid}/fd", collections.Counter(), 0, 0
        for fd in os.listdir(at):
            with contextlib.suppress(OSError):
                path, who = os.readlink(f"{at}/{fd}"), os.stat(f"{at}/{fd}")
                if "/cgroup/" in path:
                    groups += 1
                elif stat.S_ISREG(who.st_mode) and not path.startswith(("/proc/", "/sys/", self.dir)):
                    files[who.st_dev, who.st_ino] += 1
                else:
                    others += 1
        return files, groups, others

    def told(self, pattern, seconds=30):
        """The groups of the pattern in the statistics that it says when it is asked for them."""
        at = os.path.getsize(self.log_path)
        self.signal(signal.SIGUSR1)
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            m = re.search("cost: .*?" + pattern, self.log(at))
            if m:
                return m.groups()
            self.expect_alive()
            time.sleep(0.05)
        raise Dead(f"it does not say {pattern}")

    def says(self):
        """CPU seconds since the start as the agent accounts them itself: its threads and probe holders, its BPF programs."""
        return sum(map(float, self.told(r"cpu [\d.]+ % of one CPU \(([\d.]+) s in [\d.]+ s\), bpf [\d.]+ % \(([\d.]+) s\)")))

    def bpf_ids(self):
        """Ids of the maps and programs that it holds: {('map', 7), …}."""
        ids = set()
        for path in glob.glob(f"/proc/{self.process.pid}/fdinfo/*"):
            try:
                with open(path, encoding="ascii") as f:
                    ids |= {(kind, int(n)) for kind, n in re.findall(r"^(map|prog|link)_id:\s*(\d+)", f.read(), re.M)}
            except OSError:
                pass
        return ids

    def files(self):
        return sorted(glob.glob(self.dir + "/store/snapshots/*/*.pb.gz"))

    def settle(self, seconds=40):
        """Until a window that began after this moment is on disk: then all before it are."""
        now, until = time.gmtime(time.time() + 1), time.monotonic() + seconds
        name = time.strftime("%Y-%m-%d/%H%M%SZ", now)
        while not any(path.split("/snapshots/")[1] >= name for path in self.files()):
            self.expect_alive()
            if time.monotonic() > until:
                raise Dead(f"no window within {seconds} s")
            time.sleep(0.2)

    def read(self, since):
        """Samples and losses of the windows that were not in `since`, a list of files."""
        samples, lost = [], collections.Counter()
        for path in self.files():
            if path not in since:
                s, comments = pprof.read(path)
                samples += s
                lost.update(pprof.losses(comments))
        return samples, lost


def bpf_left(ids, seconds=10):
    """Those that are still there after that time; the kernel frees them a moment after the last user is gone."""
    until = time.monotonic() + seconds
    while True:
        left = [i for i in ids if subprocess.run(["bpftool", i[0], "show", "id", str(i[1])], stdout=subprocess.DEVNULL,
                                                 stderr=subprocess.DEVNULL, check=False).returncode == 0]
        if not left or time.monotonic() > until:
            return left
        time.sleep(0.2)


def commit():
    return subprocess.run(["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=False).stdout.strip() or "none"
