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
	for _ in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do
		grep -q 'agent: everprof' "$work/agent.log" && return
		sleep 0.25
	done
	echo "bench: the agent did not start:" >&2
	cat "$work/agent.log" >&2
	exit 1
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
