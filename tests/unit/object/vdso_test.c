/* SPDX-License-Identifier: Apache-2.0 */
/* Truth: the image's own symbol, called at the address that the auxiliary vector gives, tells the time. */
#include <elf.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>
#include <cmocka.h>

#include "user/base/buf.h"
#include "user/object/elf.h"
#include "user/object/object.h"
#include "user/object/vdso.h"

static void the_image_is_the_one_in_memory_and_cannot_change(void **state)
{
	const char *memory = (const char *)getauxval(AT_SYSINFO_EHDR);
	struct stat st;
	char *bytes;
	int fd;

	(void)state;
	assert_int_equal(vdso__open(&fd), 0);
	assert_int_equal(fstat(fd, &st), 0);
	assert_in_range(st.st_size, 1024, VDSO_SIZE_MAX);
	bytes = malloc((size_t)st.st_size);
	assert_int_equal(pread(fd, bytes, (size_t)st.st_size, 0), st.st_size);
	assert_memory_equal(bytes, memory, (size_t)st.st_size);
	assert_int_equal(pwrite(fd, "x", 1, 0), -1);
	assert_int_equal(ftruncate(fd, 0), -1);
	free(bytes);
	close(fd);
}

static uint64_t find_symbol(const struct elf *e, const char *name)
{
	const struct elf_section *dynsym = elf__find_section(e, ".dynsym"),
				 *dynstr = elf__find_section(e, ".dynstr");
	struct buf syms, strs;
	uint64_t value = 0;

	buf__init(&syms, 1 << 20);
	buf__init(&strs, 1 << 20);
	assert_non_null(dynsym);
	assert_non_null(dynstr);
	assert_int_equal(elf__read_section(e, dynsym, 1 << 20, &syms), 0);
	assert_int_equal(elf__read_section(e, dynstr, 1 << 20, &strs), 0);
	for (size_t i = 0; i + sizeof(Elf64_Sym) <= syms.len; i += sizeof(Elf64_Sym)) {
		Elf64_Sym sym;

		memcpy(&sym, syms.data + i, sizeof(sym));
		if (sym.st_name < strs.len && strcmp((char *)strs.data + sym.st_name, name) == 0)
			value = sym.st_value;
	}
	buf__done(&syms);
	buf__done(&strs);
	return value;
}

static void its_symbols_and_bias_lead_to_running_code(void **state)
{
	uint64_t base = getauxval(AT_SYSINFO_EHDR), bias, value;
	int (*gettime)(clockid_t, struct timespec *);
	struct timespec a, b, c;
	struct object o = {0};
	struct elf *e;
	int fd;

	(void)state;
	assert_int_equal(vdso__open(&fd), 0);
	assert_int_equal(object__describe(&o, fd), 0);
	assert_int_equal(o.state, OBJECT_READY);
	assert_int_equal(object__bias(&o, base, 0, &bias), 0);
	assert_int_equal(elf__open(fd, &e), 0);
#if defined(__aarch64__)
	value = find_symbol(e, "__kernel_clock_gettime");
#else
	value = find_symbol(e, "__vdso_clock_gettime");
#endif
	assert_int_not_equal(value, 0);
	gettime = (int (*)(clockid_t, struct timespec *))(uintptr_t)(value + bias);
	clock_gettime(CLOCK_MONOTONIC, &a);
	assert_int_equal(gettime(CLOCK_MONOTONIC, &b), 0);
	clock_gettime(CLOCK_MONOTONIC, &c);
	assert_true(a.tv_sec < b.tv_sec || (a.tv_sec == b.tv_sec && a.tv_nsec <= b.tv_nsec));
	assert_true(b.tv_sec < c.tv_sec || (b.tv_sec == c.tv_sec && b.tv_nsec <= c.tv_nsec));
	elf__free(e);
	object__done(&o);
	close(fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_image_is_the_one_in_memory_and_cannot_change),
		cmocka_unit_test(its_symbols_and_bias_lead_to_running_code),
	};

	return cmocka_run_group_tests_name("vdso", tests, NULL, NULL);
}
