# SPDX-License-Identifier: Apache-2.0
# bash completion: commands, their options, and files where a file is wanted.
_everprof()
{
	local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD - 1]} words=
	COMPREPLY=()
	case $prev in
	-c | -o) return ;;
	--store)
		mapfile -t COMPREPLY < <(compgen -d -- "$cur")
		return
		;;
	-p)
		mapfile -t COMPREPLY < <(compgen -W "$(cd /proc && echo [0-9]*)" -- "$cur")
		return
		;;
	--sort) words='flat cum' ;;
	--by) words='function file binary thread comm process container wait state syscall idle memory'
		;;
	--event | -e) words='cpu offcpu memory kmem threads goroutine threadcreate' ;;
	esac
	if [ -z "$words" ] && [ "$COMP_CWORD" -eq 1 ]; then
		words='agent record top flamegraph merge diff doctor config --help --version'
	elif [ -z "$words" ]; then
		case ${COMP_WORDS[1]} in
		agent) words='-c --set --store --listen --help' ;;
		record) words='-e -d -F -o -p --comm --cgroup --container --exclude --idle --help' ;;
		top) words='-n --sort --type --focus --by --idle --stacks --wall --check --event --from --to --help' ;;
		flamegraph) words='-o --type --by --threshold --base --idle --event --from --to --help' ;;
		merge) words='-o --idle --event --from --to --help' ;;
		diff) words='-o -n --sort --by --type --by-time --idle --event --from --to --help' ;;
		doctor) words='--config --set --store --json --help' ;;
		config) words='check show --help' ;;
		esac
	fi
	mapfile -t COMPREPLY < <(compgen -W "$words" -- "$cur")
}
complete -o default -F _everprof everprof
