// SPDX-License-Identifier: Apache-2.0
/* empty_hook OBJECT - attaches the program of the object, says "on", and stays until it is told to end. */
#include <stdio.h>
#include <unistd.h>

#include <bpf/libbpf.h>

int main(int argc, char **argv)
{
	struct bpf_object *o = argc == 2 ? bpf_object__open_file(argv[1], NULL) : NULL;

	if (!o || bpf_object__load(o) || !bpf_program__attach(bpf_object__next_program(o, NULL))) {
		fprintf(stderr, "empty_hook: cannot attach '%s'\n", argc == 2 ? argv[1] : "");
		return 1;
	}
	puts("on");
	fflush(stdout);
	pause();
	return 0;
}
