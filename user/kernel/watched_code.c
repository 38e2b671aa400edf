// SPDX-License-Identifier: Apache-2.0
#include "user/kernel/watched_code.h"

#include <errno.h>
#include <sys/mman.h>
#include <unistd.h>

#include <bpf/bpf.h>

int watched_code__init(struct watched_code *w, int file_fd, uint64_t first_offset, uint64_t last_offset)
{
	size_t page_bytes = (size_t)sysconf(_SC_PAGESIZE);
	/* shared: no probe is put into it, and it is no reader itself */
	void *page = mmap(NULL, page_bytes, PROT_READ, MAP_SHARED, file_fd, 0);

	if (page == MAP_FAILED)
		return -errno;
	*w = (struct watched_code){
		.page = page,
		.first_page = first_offset / page_bytes,
		.last_page = last_offset / page_bytes,
	};
	return 0;
}

void watched_code__done(struct watched_code *w)
{
	if (w->page)
		munmap(w->page, (size_t)sysconf(_SC_PAGESIZE));
	w->page = NULL;
}

int watched_code__ask(struct watched_code *w, int prog_fd, struct code_reader *answer)
{
	struct code_reader r = {.addr = (uintptr_t)w->page,
				.tree = w->tree,
				.first_page = w->first_page,
				.last_page = w->last_page,
				.held = answer->held};
	/* the kernel writes the answer over the question */
	LIBBPF_OPTS(bpf_test_run_opts, opts, .ctx_in = &r, .ctx_size_in = sizeof(r));
	int err = bpf_prog_test_run_opts(prog_fd, &opts);

	if (err)
		return err;
	w->tree = r.tree;
	*answer = r;
	return 0;
}
