/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include <elf.h>
#include <cmocka.h>

#include "user/object/object.h"

/* The address in the object of the first byte of a mapping of that file offset, wherever it lies. */
static int vaddr_at(const struct object *o, uint64_t pgoff, uint64_t *ret_vaddr)
{
	uint64_t start = 0x7f1234560000, bias;
	int r = object__bias(o, start, pgoff, &bias);

	if (r == 0)
		*ret_vaddr = start - bias;
	return r;
}

static void assert_vaddr(const struct object *o, uint64_t pgoff, uint64_t vaddr)
{
	uint64_t got = 0;

	assert_int_equal(vaddr_at(o, pgoff, &got), 0);
	assert_int_equal(got, vaddr);
}

static void bias_follows_the_segment_that_holds_the_offset(void **state)
{
	struct object_segment segments[] = {
		{.offset = 0x1000, .vaddr = 0x401000, .filesz = 0x2345, .memsz = 0x2345},
		{.offset = 0x8000, .vaddr = 0x609000, .filesz = 0x1000, .memsz = 0x5000},
	};
	struct object o = {.segments = segments, .n_segments = 2};
	uint64_t vaddr = 7;

	(void)state;
	assert_vaddr(&o, 0x1000, 0x401000);
	/* a second mapping of one page out of the middle */
	assert_vaddr(&o, 0x2000, 0x402000);
	/* the last page is mapped whole */
	assert_vaddr(&o, 0x3000, 0x403000);
	assert_vaddr(&o, 0x8000, 0x609000);
	assert_int_equal(vaddr_at(&o, 0x4000, &vaddr), -ENOENT);
	assert_int_equal(vaddr_at(&o, 0, &vaddr), -ENOENT);
	/* what has no bytes in the file is not mapped from it */
	assert_int_equal(vaddr_at(&o, 0x9000, &vaddr), -ENOENT);
	assert_int_equal(vaddr, 7);
	assert_true(object__covers(&o, 0x3fff));
	assert_false(object__covers(&o, 0x4000));
}

static void a_segment_may_start_in_the_middle_of_a_page(void **state)
{
	struct object_segment segment = {.offset = 0x1770, .vaddr = 0x2770, .filesz = 0x100, .memsz = 0x100};
	struct object o = {.segments = &segment, .n_segments = 1};

	(void)state;
	/* the loader maps the page from its start */
	assert_vaddr(&o, 0x1000, 0x2000);
}

static void in_a_page_of_two_segments_the_one_that_starts_there_is_meant(void **state)
{
	struct object_segment a = {.offset = 0, .vaddr = 0x10000, .filesz = 0x1800, .memsz = 0x1800};
	struct object_segment b = {.offset = 0x1800, .vaddr = 0x22800, .filesz = 0x1000, .memsz = 0x1000};
	struct object_segment forward[] = {a, b}, backward[] = {b, a};
	struct object o = {.segments = forward, .n_segments = 2}, p = {.segments = backward, .n_segments = 2};

	(void)state;
	assert_vaddr(&o, 0, 0x10000);
	assert_vaddr(&o, 0x1000, 0x22000);
	assert_vaddr(&o, 0x2000, 0x23000);
	assert_vaddr(&p, 0, 0x10000);
	assert_vaddr(&p, 0x1000, 0x22000);
	assert_vaddr(&p, 0x2000, 0x23000);
}

static void without_segments_the_offset_stands_for_the_address(void **state)
{
	struct object o = {.flags = OBJECT_VADDR_IS_OFFSET, .state = OBJECT_GONE};

	(void)state;
	assert_vaddr(&o, 0, 0);
	assert_vaddr(&o, 0x123000, 0x123000);
}

/* A file of one executable segment with these numbers. */
static enum object_state describe(Elf64_Phdr ph, uint16_t machine, struct object *ret_object)
{
	Elf64_Ehdr eh = {
		.e_type = ET_DYN,
		.e_machine = machine,
		.e_version = EV_CURRENT,
		.e_phoff = sizeof(eh),
		.e_ehsize = sizeof(eh),
		.e_phentsize = sizeof(ph),
		.e_phnum = 1,
		.e_shentsize = sizeof(Elf64_Shdr),
	};
	int fd = memfd_create("object", 0);

	memcpy(eh.e_ident, "\177ELF\2\1\1", 7);
	assert_int_equal(pwrite(fd, &eh, sizeof(eh), 0), sizeof(eh));
	assert_int_equal(pwrite(fd, &ph, sizeof(ph), sizeof(eh)), sizeof(ph));
	assert_int_equal(ftruncate(fd, 0x4000), 0);
	memset(ret_object, 0, sizeof(*ret_object));
	assert_int_equal(object__describe(ret_object, fd), 0);
	close(fd);
	return ret_object->state;
}

#if defined(__aarch64__)
#define NATIVE EM_AARCH64
#define OTHER  EM_X86_64
#else
#define NATIVE EM_X86_64
#define OTHER  EM_AARCH64
#endif

static void absurd_segments_make_a_damaged_object(void **state)
{
	Elf64_Phdr good = {.p_type = PT_LOAD,
			   .p_flags = PF_R | PF_X,
			   .p_offset = 0x1000,
			   .p_vaddr = 0x5000,
			   .p_filesz = 0x1000,
			   .p_memsz = 0x1000,
			   .p_align = 0x1000};
	Elf64_Phdr bad[5];
	struct object o;

	(void)state;
	assert_int_equal(describe(good, NATIVE, &o), OBJECT_READY);
	assert_int_equal(o.n_segments, 1);
	assert_vaddr(&o, 0x1000, 0x5000);
	object__done(&o);
	for (int i = 0; i < 5; i++)
		bad[i] = good;
	bad[0].p_vaddr = 1ull << 40;            /* does not fit a frame */
	bad[1].p_vaddr = FRAME_VADDR_MASK - 16; /* nor does its end */
	bad[2].p_vaddr = UINT64_MAX - 0x800;    /* wraps around */
	bad[3].p_offset = UINT64_MAX - 0x800;
	bad[4].p_memsz = 0x10; /* smaller than what is read into it */
	for (int i = 0; i < 5; i++) {
		uint64_t vaddr;

		assert_int_equal(describe(bad[i], NATIVE, &o), OBJECT_DAMAGED);
		assert_true(o.error < 0);
		assert_int_equal(o.n_segments, 0);
		assert_int_equal(vaddr_at(&o, 0x1000, &vaddr), 0);
		object__done(&o);
	}
	good.p_flags = PF_R;
	assert_int_equal(describe(good, NATIVE, &o), OBJECT_DAMAGED);
	object__done(&o);
	good.p_flags = PF_X;
	assert_int_equal(describe(good, OTHER, &o), OBJECT_FOREIGN);
	object__done(&o);
}

static void build_ids_are_printed_in_hex_and_states_by_name(void **state)
{
	struct object o = {.build_id = {0x00, 0xff, 0x1a}, .build_id_len = 3};
	char hex[2 * ELF_BUILD_ID_MAX + 1];

	(void)state;
	object__format_build_id(&o, hex);
	assert_string_equal(hex, "00ff1a");
	o.build_id_len = 0;
	object__format_build_id(&o, hex);
	assert_string_equal(hex, "");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(bias_follows_the_segment_that_holds_the_offset),
		cmocka_unit_test(a_segment_may_start_in_the_middle_of_a_page),
		cmocka_unit_test(in_a_page_of_two_segments_the_one_that_starts_there_is_meant),
		cmocka_unit_test(without_segments_the_offset_stands_for_the_address),
		cmocka_unit_test(absurd_segments_make_a_damaged_object),
		cmocka_unit_test(build_ids_are_printed_in_hex_and_states_by_name),
	};

	return cmocka_run_group_tests_name("object", tests, NULL, NULL);
}
