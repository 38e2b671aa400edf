# SPDX-License-Identifier: Apache-2.0
# stage - what the measurements share: a folder, loads to measure under, an agent, and their end. Sourced by each b* script.
#
# Given: $build (the build folder). Makes: $work (a temporary folder). What was started here is ended at exit, by process group.
set -eu
cd "$(dirname "$0")/../.."
build=$(realpath "${BUILD:-build}")
tools=$build/tests/bench
everprof=$build/everprof
work=$(mktemp -d)
chmod 755 "$work"
groups=

# background COMMAND...: in a process group of its own; $last is its pid
background()
{
	setsid "$@" >"$work/log" 2>&1 </dev/null &
	last=$!
	groups="$groups $last"
}

finish()
{
	for group in $groups; do
		kill -s TERM -- "-$group" 2>/dev/null || true
	done
	sleep 0.3
	for group in $groups; do
		kill -s KILL -- "-$group" 2>/dev/null || true
	done
	wait
	groups=
}
trap 'finish; rm -rf "$work"' EXIT
trap 'exit 1' HUP INT TERM

# A translation unit that keeps a C++ compiler busy for some seconds: templates, the standard library, optimisation.
write_source()
{
	cat >"$work/busy.cpp" <<-'EOF'
		#include <algorithm>
		#include <functional>
		#include <iostream>
		#include <map>
		#include <regex>
		#include <sstream>
		#include <unordered_map>
		template <int N> struct sum { static const int v = sum<N - 1>::v + N; };
		template <> struct sum<0> { static const int v = 0; };
		int main(int argc, char **argv)
		{
			std::map<std::string, std::vector<int>> m;
			std::unordered_map<std::string, std::function<int(int)>> f;
			for (int i = 0; i < argc; i++)
				m[argv[i]].push_back(sum<400>::v);
			std::regex word("([a-z]+)([0-9]*)");
			std::smatch match;
			std::string text = argv[0];
			f["a"] = [&](int x) { return x + (int)m.size(); };
			std::stringstream out;
			out << std::regex_match(text, match, word) << f["a"](3);
			std::cout << out.str() << std::endl;
		}
	EOF
}

# Compilations one after the other, as a build has them.
load_compiler()
{
	[ -e "$work/busy.cpp" ] || write_source
	background sh -c 'while :; do g++ -O2 -c "$1" -o /dev/null; done' sh "$work/busy.cpp"
}

# redis-server under its own benchmark; $redis is the server's pid.
load_redis()
{
	background redis-server --port 7991 --save '' --appendonly no --daemonize no --dir "$work"
	redis=$last
	sleep 0.5
	background redis-benchmark -p 7991 -q -l -t set,get,lpush,lrange_100,zadd -n 100000 -P 4
}

load_spin()
{
	background "$build/workloads/recursion" 3600 "${1:-20}"
}

# An agent with defaults and a store of its own; its log is $work/agent.log, its pid $agent.
start_agent()
{
	setsid "$everprof" agent -c profiler.yaml --store "$work/store" "$@" >"$work/agent.log" 2>&1 </dev/null &
	agent=$!
	groups="$groups $agent"
	for _ in $(seq 60); do
		grep -q 'agent: everprof' "$work/agent.log" && return
		sleep 0.25
	done
	echo "bench: the agent did not start:" >&2
	cat "$work/agent.log" >&2
	exit 1
}

# Until the agent has written its first window.
await_window()
{
	for _ in $(seq 150); do
		[ -n "$(find "$work/store/snapshots" -name '*.pb.gz' 2>/dev/null)" ] && return
		sleep 1
	done
	echo "bench: the agent wrote no window:" >&2
	cat "$work/agent.log" >&2
	exit 1
}

# Ends the agent; the loads go on.
end_agent()
{
	kill -s TERM "$agent"
	wait "$agent" || true
	groups=${groups% "$agent"}
	rm -rf "$work/store"
}

# The agent's own statistics go into its log; waits for them.
ask_agent()
{
	before=$(grep -c 'cost: store' "$work/agent.log") || true
	kill -USR1 "$agent"
	for _ in 1 2 3 4 5 6 7 8 9 10; do
		sleep 0.2
		[ "$(grep -c 'cost: store' "$work/agent.log")" -gt "$before" ] && return
	done
	echo "bench: the agent did not answer SIGUSR1" >&2
	exit 1
}

# prefix NAME: every line of standard input, with NAME. in front
prefix()
{
	sed "s/^/$1./"
}

# many N COMMAND...: processes of one kind; where it is not installed, ones that sleep
many()
{
	n=$1
	shift
	command -v "$1" >/dev/null || set -- sleep 3600
	for _ in $(seq "$n"); do
		background "$@"
	done
}

# A small host: some hundred processes of mixed kinds, most of them waiting, that together keep one CPU busy. Nothing is tuned to the second:
# what comes out is measured by whoever starts it.
load_mixed()
{
	many 20 /usr/bin/python3 -c 'import json, re, time, random
while True:
	rows = [{"k%d" % random.randrange(50): "caaat" * random.randrange(20)} for i in range(200)]
	json.loads(re.sub("a+", "b", json.dumps(rows))); time.sleep(random.random() * 0.4)'
	many 15 perl -e 'while (1) { my %h; $h{$_ % 97} .= "x$_" for 1..2000; my $s = join ",", sort values %h; $s =~ s/x(\d)/$1/g; select undef, undef, undef, rand 0.4 }'
	many 8 node -e 'setInterval(() => JSON.parse(JSON.stringify([...Array(2000).keys()].map(x => "k" + x))).sort(), 150)'
	many 5 ruby -e 'loop { (1..2000).map { |i| "k#{i % 97}" }.group_by { |s| s }.map { |k, v| [k, v.size] }.sort.to_h; sleep rand * 0.4 }'
	many 5 php -r 'while (true) { $m = []; for ($i = 0; $i < 2000; $i++) { $k = "k" . ($i % 97); $m[$k] = ($m[$k] ?? 0) + 1; } ksort($m); usleep(200000); }'
	many 15 sh -c 'while :; do date; ls -l /usr/bin; sleep 10; done'
	many 17 sleep 3600
	if command -v java >/dev/null; then
		cat >"$work/Mixed.java" <<-'EOF'
			import java.util.*;
			public class Mixed { public static void main(String[] a) throws Exception { long n = 0; for (;;) { Map<String, Integer> m = new TreeMap<>();
				for (int i = 0; i < 2000; i++) m.merge("k" + i % 100, 1, Integer::sum); n += m.size(); Thread.sleep(100); } } }
		EOF
		many 2 java -Xmx64m "$work/Mixed.java"
	fi
	if command -v redis-server >/dev/null; then
		background redis-server --port 7992 --save '' --appendonly no --dir "$work"
		background sh -c 'while :; do redis-benchmark -p 7992 -q -n 5000 -P 4; sleep 3; done'
	fi
	if command -v nginx >/dev/null && command -v ab >/dev/null; then
		mkdir -p "$work/mixed/www" && head -c 20000 /dev/urandom >"$work/mixed/www/f"
		cat >"$work/mixed/conf" <<-EOF
			user root; daemon off; worker_processes 2; pid $work/mixed/pid; error_log $work/mixed/errors;
			events { worker_connections 256; }
			http { access_log off; gzip on; gzip_types *; server { listen 127.0.0.1:7993; root $work/mixed/www; } }
		EOF
		background nginx -c "$work/mixed/conf"
		background sh -c 'while :; do ab -q -c 4 -n 200 -H "Accept-Encoding: gzip" http://127.0.0.1:7993/f; sleep 1; done'
	fi
	[ -e "$work/busy.cpp" ] || write_source
	background sh -c 'while :; do g++ -O2 -c "$1" -o /dev/null; sleep 20; done' sh "$work/busy.cpp"
}

# record_mixed MINUTES: so many whole windows of the mixed load alone, whatever else runs here, as the store $work/recorded. Ends the load. Prints what share of
# the machine it had, how many processes it was, and for how long.
record_mixed()
{
	groups_root=$(awk '$3 == "cgroup2" {print $2; exit}' /proc/mounts)
	group=/everprof-bench.$$
	mkdir -p "$groups_root$group"
	echo $$ >"$groups_root$group/cgroup.procs"
	load_mixed
	echo $$ >"$groups_root/cgroup.procs"
	sleep 2
	# the ceiling would lower the frequency where others keep the machine busy
	start_agent --store "$work/recorded" --set "targets.include.cgroup=[\"$group*\"]" --set limits.cpu=100% --set server.listen=127.0.0.1:0
	sleep $((60 - $(date +%s) % 60))
	before=$(awk '/usage_usec/ {print $2}' "$groups_root$group/cpu.stat")
	sleep $(($1 * 60))
	echo "mixed.busy $(awk -v before="$before" -v n="$(nproc)" -v s=$(($1 * 60)) '/usage_usec/ {print ($2 - before) / 1e6 / s / n}' "$groups_root$group/cpu.stat")"
	echo "mixed.processes $(wc -l <"$groups_root$group/cgroup.procs")"
	kill -TERM "$agent"
	while kill -0 "$agent" 2>/dev/null; do
		sleep 0.2
	done
	finish
	rmdir "$groups_root$group" 2>/dev/null || true
}
