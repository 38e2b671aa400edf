# SPDX-License-Identifier: Apache-2.0
# bash completion: commands, their verbs and options, and files where a file is wanted (tests/lint/docs holds it against the sources).
_everprof()
{
	local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD - 1]} words=
	local range='--event --from --to' target='-p --pid --comm --cgroup --container --unit --pod'
	COMPREPLY=()
	case $prev in
	-c | --config | -o | --output | --base) return ;;
	--store)
		mapfile -t COMPREPLY < <(compgen -d -- "$cur")
		return
		;;
	-p | --pid)
		mapfile -t COMPREPLY < <(compgen -W "$(cd /proc && echo [0-9]*)" -- "$cur")
		return
		;;
	--sort) words='flat cum' ;;
	--clock) words='auto cycles cpu-clock' ;;
	--by) words='function file binary thread comm process container wait state syscall idle memory' ;;
	--event | -e) words='cpu offcpu memory alloc kmem heap lock threads goroutine threadcreate' ;;
	esac
	if [ -z "$words" ] && [ "$COMP_CWORD" -eq 1 ]; then
		words='agent record top flamegraph captures merge diff rules doctor config --help --version'
	elif [ -z "$words" ]; then
		case ${COMP_WORDS[1]} in
		agent) words='-c --config --set --store --listen' ;;
		record) words="-e --event -d --duration -F --frequency -o --output $target --process --exe --exclude --clock --no-kernel --idle --waker -q --quiet -v --verbose" ;;
		top) words="-n --rows --sort --by --idle --focus --type --stacks --wall --check $range" ;;
		flamegraph) words="-o --output --type --by --threshold --base --idle $range" ;;
		captures) words="list show pin unpin delete trigger --store -c --config --rule $target -e --event --before --after -F --frequency --cause --wait" ;;
		merge) words="-o --output --idle $range" ;;
		diff) words="-o --output -n --rows --sort --by --type --by-time --idle $range" ;;
		rules) words='list check test --json --store -c --config --set' ;;
		doctor) words='-c --config --set --store --json' ;;
		config) words='check show reference -c --config --set' ;;
		esac
		words="$words --help"
	fi
	mapfile -t COMPREPLY < <(compgen -W "$words" -- "$cur")
}
complete -o default -F _everprof everprof
