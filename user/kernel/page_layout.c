// SPDX-License-Identifier: Apache-2.0
#include "user/kernel/page_layout.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <unistd.h>

#include <bpf/bpf.h>

#include "user/base/clock.h"

/* A page with a word in it that is nowhere else. */
static int new_page(size_t bytes, uint64_t **ret)
{
	uint64_t *page = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (page == MAP_FAILED)
		return -errno;
	if (getrandom(page, sizeof(*page), GRND_NONBLOCK) != sizeof(*page))
		*page = clock__mono_ns() * 0x9e3779b97f4a7c15ull; /* early after boot */
	*ret = page;
	return 0;
}

int page_layout__find(int prog_fd, struct page_layout *ret)
{
	struct page_layout_ask ask = {.n = PAGE_LAYOUT_GIB};
	LIBBPF_OPTS(bpf_test_run_opts, opts, .ctx_in = &ask, .ctx_size_in = sizeof(ask)); /* and out */
	size_t bytes = (size_t)sysconf(_SC_PAGESIZE);
	uint64_t *page = NULL;
	int err;

	if (prog_fd < 0)
		return -EOPNOTSUPP;
	err = new_page(bytes, &page);
	if (err)
		return err;
	ask.addr = (uint64_t)(uintptr_t)page;
	ask.word = *page;
	err = bpf_prog_test_run_opts(prog_fd, &opts);
	munmap(page, bytes);
	if (err)
		return err;
	if (!ask.layout.top_shift)
		return -EOPNOTSUPP;
	*ret = ask.layout;
	return 0;
}
