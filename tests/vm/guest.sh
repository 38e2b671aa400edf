#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# guest.sh - what is asked of a kernel: everything that everprof says of itself there goes into log, one line a question into results
# ("ok|bad WHAT: figure"). It judges counts and stacks, never times.
set -u
out=/mnt/out
. $out/settings
cd "$root" || exit 1
everprof=$build/everprof
workloads=$build/workloads
results=$out/results
exec >$out/log 2>&1
: >$results

# say ok|bad WHAT FIGURE
say()
{
	echo "$1 $2: $3" >>$results
}

uname -a
say ok kernel "$(uname -r)"

$everprof doctor
status=$?
[ $status -eq 0 ] && say ok "doctor" "status 0" || say bad "doctor" "status $status: $($everprof doctor 2>&1 | grep -iE 'no |not|fail' | head -n 1)"

# -- does the verifier take the programs at all?
if ! $everprof record -v -d 1s -o /tmp/first.pb.gz; then
	say bad "load" "$(tail -n 3 $out/log | tr '\n' ' ')"
	exit 1
fi
say ok "load" "all programs"

# -- a known program: samples by time, one stack whole, names
for program in calltree recursion calltree_static threads signal_handler; do
	[ -x "$workloads/$program" ] || continue
	if $everprof record -d 0 -o /tmp/$program.folded -- "$workloads/$program" 3 >/tmp/said 2>/tmp/errors; then
		cat /tmp/errors
		# values are nanoseconds; one sample stands for a 99th of a second
		cpu=$(sed -n 's/^cpu_ns //p' /tmp/said)
		awk -v cpu="${cpu:-0}" '
			{n += $NF}
			/\[truncated: / {cut += $NF}
			/\]\+0x[0-9a-f]+ [0-9]+$/ {nameless += $NF}
			END {
				want = cpu * 99 / 1e9
				n *= 99 / 1e9
				difference = n > want ? n - want : want - n
				good = want > 50 && difference <= 0.02 * want + 3 * sqrt(want) && cut * 99 / 1e9 <= 0.02 * n && nameless * 99 / 1e9 <= 0.02 * n
				printf "%s %.0f samples, %.0f by the accounts of the kernel, %.0f cut, %.0f whose leaf has no name", good ? "ok" : "bad", n, want,
					cut * 99 / 1e9, nameless * 99 / 1e9
			}' /tmp/$program.folded >/tmp/verdict
		verdict=$(cut -d ' ' -f 1 /tmp/verdict)
		say "$verdict" "record $program" "$(cut -d ' ' -f 2- /tmp/verdict)"
		[ "$verdict" = ok ] || head -n 20 /tmp/$program.folded
	else
		cat /tmp/errors
		say bad "record $program" "$(head -n 1 /tmp/errors)"
	fi
done

# waits WAY COMM STATE [INTERVAL]: time off the CPU as that thread says it itself, by passes alone where the kernel has no task work. Threads that
# end before a pass has asked for their accounts stay as sampled, one in INTERVAL seconds of waiting: three standard errors of that are allowed.
waits()
{
	if ! $everprof record -e offcpu -o /tmp/waits.pb.gz -- "$workloads/waits" "$1" 5 >/tmp/said 2>/tmp/errors; then
		cat /tmp/errors
		say bad "waits $1" "$(head -n 1 /tmp/errors)"
		return
	fi
	cat /tmp/errors
	$everprof top --idle -n 0 --by thread /tmp/waits.pb.gz | tee /tmp/by_thread
	$everprof top --idle -n 0 --by state /tmp/waits.pb.gz | tee /tmp/by_state
	awk -v comm="$2" -v state="$3" -v interval="${4:-0}" '
		function seconds(s) { return s ~ /ms$/ ? s / 1000 : s ~ /us$/ ? s / 1e6 : s + 0 }
		$1 == "truth" && $2 == comm {want += $3 / 1e9}
		$6 == comm && $7 ~ /^[(][0-9]+[)]$/ {have += seconds($1)}
		NF == 6 && $6 == state {of_state += seconds($1)}
		END {
			difference = have > want ? have - want : want - have
			good = want && difference <= 0.03 * want + 0.02 + 3 * sqrt(want * interval) && of_state >= 0.85 * want
			printf "%s %s %.3f s, %.3f s by itself; %.3f s %s in all", good ? "ok" : "bad", comm, have, want, of_state, state
		}' /tmp/said /tmp/by_thread /tmp/by_state >/tmp/verdict
	say "$(cut -d ' ' -f 1 /tmp/verdict)" "waits $1" "$(cut -d ' ' -f 2- /tmp/verdict)"
}

waits sleep sleeper blocked
waits mutex waiter blocked
waits pipe waiter blocked
waits exiting brief blocked 0.02
waits starve hog preempted

# event NAME [ARGUMENT...]: is it taken, and is there anything in it?
event()
{
	event=$1
	shift
	$everprof record -e "$event" -o /tmp/event.pb.gz "$@" >/tmp/said 2>/tmp/errors
	status=$?
	cat /tmp/errors
	$everprof top -n 3 /tmp/event.pb.gz
	line=$(grep -a 'pb.gz: ' /tmp/errors | tail -n 1)
	line=${line#*: }
	told=$(grep -a "^warning: $event: " /tmp/errors | head -n 1)
	case $line in
	"0 samples"*) line=${told:+none: ${told#warning: $event: }} ;;
	esac
	case "$status $line" in
	"0 none: "*) say ok "record -e $event" "$line" ;;
	"0 "*samples*) say ok "record -e $event" "$line" ;;
	*) say bad "record -e $event" "status $status, no samples: $(head -n 1 /tmp/errors)" ;;
	esac
}

event memory -- "$workloads/touch" anonymous 64
event alloc -- "$workloads/allocs" steady 4
event lock -- "$workloads/waits" mutex 3
event threadcreate -- "$workloads/waits" exiting 3
event threads -d 2s
event kmem -- "$workloads/touch" names 20
if [ -x "$workloads/goroutines" ]; then
	"$workloads/goroutines" 1 /tmp/goroutines.pb &
	go=$!
	sleep 3
	event goroutine -d 2s -p $go
	kill $go
fi

# -- the whole machine
"$workloads/calltree" 30 >/dev/null &
$everprof record -d 3s -o /tmp/all.pb.gz && $everprof top -n 10 /tmp/all.pb.gz
line=$($everprof record -d 3s -o /tmp/all.folded 2>&1 | tail -n 1)
echo "$line"
say ok "record of the machine" "${line#*: }"
kill %1 2>/dev/null

# -- what processes use: resident memory as the kernel's own file has it
"$workloads/calltree" 60 >/dev/null &
busy=$!
$everprof agent -c profiler.yaml --set server.listen=127.0.0.1:6969 --store /tmp/usage_store >/tmp/usage.log 2>&1 &
agent=$!
sleep 15
rss=$(curl -s -m 20 "http://127.0.0.1:6969/metrics/usage?pid=$busy" | sed -n "s/^everprof_process_resident_bytes{.*} //p")
pages=$(cut -d ' ' -f 2 /proc/$busy/statm)
[ "${rss:-none}" = $((pages * 4096)) ] && say ok usage "$rss bytes resident" || say bad usage "${rss:-nothing} bytes resident, $((pages * 4096)) by /proc"
cat /tmp/usage.log
kill $agent $busy
wait $agent

# -- pressure: does the kernel watch windows of a second, and tell more than its sums do?
TEST_FILTER='pressure_*' "$build/tests/unit/pipeline/usage_truth_test" >/tmp/pressure 2>&1
status=$?
cat /tmp/pressure
line=$(grep 'of a window of' /tmp/pressure)
case "$status $line" in
"0 "*"of a window of 1000 ms") say ok pressure "$line" ;;
*) say bad pressure "status $status, ${line:-no trigger}" ;;
esac

# -- the agent: statistics, a window on disk, a clean end
$everprof agent -c profiler.yaml --set profiling.window=3s --store /tmp/store >/tmp/agent.log 2>&1 &
agent=$!
"$workloads/calltree" 8 >/dev/null
kill -USR1 $agent
sleep 2
kill $agent
wait $agent
status=$?
cat /tmp/agent.log
files=$(find /tmp/store/snapshots -name '*.pb.gz' | wc -l)
[ $status -eq 0 ] && [ "$files" -ge 2 ] && say ok agent "$files windows, status 0" || say bad agent "$files windows, status $status"
refused=$(sed -n "s/.*refuses the program '\([a-z_]*\)'.*/\1/p" /tmp/agent.log | tr '\n' ' ')
[ -z "$refused" ] && say ok verifier "takes every program" || say bad verifier "refuses ${refused% }"
exit 0
