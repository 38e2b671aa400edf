// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <fcntl.h>
#include <link.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/auxv.h>
#include <zlib.h>
#include <zstd.h>

#include <cmocka.h>

#include "tests/support/elf_image.h"
#include "user/base/buf.h"
#include "user/object/elf.h"

#define LIMIT (1u << 20)

static struct elf_image image;

static const uint8_t gnu_id[20] = {0x01, 0x02, 0x03, 0x04, 0x05, 0x06, 0x07, 0x08, 0x09, 0x0a,
				   0x0b, 0x0c, 0x0d, 0x0e, 0x0f, 0x10, 0x11, 0x12, 0x13, 0x14};

/* Opens the image; the descriptor is closed again when it is no ELF for us. */
static int open_image(struct elf **ret_elf)
{
	int fd = elf_image__fd(&image), err = elf__open(fd, ret_elf);

	if (err)
		close(fd);
	return err;
}

static void close_elf(struct elf *e)
{
	int fd = elf__fd(e);

	elf__free(e);
	close(fd);
}

static size_t note(uint8_t *to, const char *name, uint32_t name_len, uint32_t type, const void *desc,
		   uint32_t desc_len)
{
	Elf64_Nhdr n = {.n_namesz = name_len, .n_descsz = desc_len, .n_type = type};

	memcpy(to, &n, sizeof(n));
	memcpy(to + sizeof(n), name, name_len);
	memcpy(to + sizeof(n) + ((name_len + 3) & ~3u), desc, desc_len);
	return sizeof(n) + ((name_len + 3) & ~3u) + ((desc_len + 3) & ~3u);
}

static void own_executable_is_read_as_the_kernel_loaded_it(void **state)
{
	const ElfW(Phdr) *ours = (const void *)getauxval(AT_PHDR);
	const struct elf_section *text;
	int fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
	uint64_t bias = 0, vaddr, offset, left;
	struct elf *e;

	(void)state;
	assert_int_equal(elf__open(fd, &e), 0);
	assert_int_equal(elf__machine(e), EM_X86_64);
	assert_int_equal(elf__n_segments(e), getauxval(AT_PHNUM));
	for (uint32_t i = 0; i < elf__n_segments(e); i++) {
		assert_int_equal(elf__segment(e, i)->type, ours[i].p_type);
		assert_int_equal(elf__segment(e, i)->vaddr, ours[i].p_vaddr);
		if (ours[i].p_type == PT_PHDR)
			bias = (uint64_t)ours - ours[i].p_vaddr;
	}
	assert_null(elf__segment(e, elf__n_segments(e)));
	assert_int_equal(elf__entry(e) + bias, getauxval(AT_ENTRY));
	text = elf__find_section(e, ".text");
	assert_non_null(text);
	assert_int_equal(elf__offset_to_vaddr(e, text->offset, &vaddr), 0);
	assert_int_equal(vaddr, text->vaddr);
	assert_int_equal(elf__vaddr_to_offset(e, text->vaddr, &offset, &left), 0);
	assert_int_equal(offset, text->offset);
	assert_true(left >= text->size);
	assert_null(elf__find_section(e, ".no.such.section"));
	close_elf(e);
}

static void code_read_by_address_is_the_code_that_runs(void **state)
{
	int fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
	struct buf code;
	uint64_t bias;
	struct elf *e;

	(void)state;
	assert_int_equal(elf__open(fd, &e), 0);
	bias = getauxval(AT_ENTRY) - elf__entry(e);
	buf__init(&code, LIMIT);
	assert_int_equal(elf__read_vaddr(e, (uint64_t)open_image - bias, 16, &code), 0);
	assert_int_equal(code.len, 16);
	assert_memory_equal(code.data, (const void *)open_image, 16);
	assert_int_equal(elf__read_vaddr(e, 0x7fffffff0000, 16, &code), -ENOENT);
	buf__done(&code);
	close_elf(e);
}

static void other_files_are_refused_by_kind(void **state)
{
	struct elf *e = NULL;
	int fd;

	(void)state;
	fd = memfd_create("empty", 0);
	assert_int_equal(elf__open(fd, &e), -ENOEXEC);
	close(fd);
	fd = open("/dev/null", O_RDONLY);
	assert_int_equal(elf__open(fd, &e), -ENOEXEC);
	close(fd);
	elf_image__init(&image, ET_DYN, EM_X86_64);
	image.head.e_ident[0] = '#';
	assert_int_equal(open_image(&e), -ENOEXEC);
	elf_image__init(&image, ET_DYN, EM_X86_64);
	image.head.e_ident[EI_CLASS] = ELFCLASS32;
	assert_int_equal(open_image(&e), -EOPNOTSUPP);
	elf_image__init(&image, ET_DYN, EM_X86_64);
	image.head.e_ident[EI_DATA] = ELFDATA2MSB;
	assert_int_equal(open_image(&e), -EOPNOTSUPP);
	elf_image__init(&image, ET_DYN, EM_S390);
	assert_int_equal(open_image(&e), -EOPNOTSUPP);
	assert_null(e);
	elf_image__init(&image, ET_DYN, EM_AARCH64);
	assert_int_equal(open_image(&e), 0);
	close_elf(e);
}

static void tables_outside_of_the_file_are_damage_or_left_out(void **state)
{
	struct elf *e;

	(void)state;
	elf_image__init(&image, ET_DYN, EM_X86_64);
	elf_image__segment(&image, PT_LOAD, PF_X, 0x1000, 0, 100);
	image.head.e_phoff = UINT64_MAX - 10;
	assert_int_equal(open_image(&e), -EBADMSG);
	elf_image__init(&image, ET_DYN, EM_X86_64);
	image.head.e_phnum = ELF_SEGMENTS_MAX + 1;
	image.head.e_phoff = 64;
	assert_int_equal(open_image(&e), -E2BIG);
	/* without its section headers a file still serves its segments */
	elf_image__init(&image, ET_DYN, EM_X86_64);
	elf_image__segment(&image, PT_LOAD, PF_X, 0x1000, 0, 100);
	image.head.e_shoff = UINT64_MAX - 63;
	assert_int_equal(open_image(&e), 0);
	assert_int_equal(elf__n_sections(e), 0);
	assert_int_equal(elf__n_segments(e), 1);
	close_elf(e);
}

static void counts_that_overflow_stand_in_the_first_section(void **state)
{
	struct elf *e;

	(void)state;
	elf_image__init(&image, ET_DYN, EM_X86_64);
	elf_image__segment(&image, PT_LOAD, PF_X, 0x1000, 0, 100);
	elf_image__segment(&image, PT_NOTE, PF_R, 0, 0, 0);
	image.head.e_phnum = PN_XNUM;
	image.sections[0].sh_info = 2;
	image.head.e_shstrndx = SHN_XINDEX;
	image.sections[0].sh_link = 1;
	assert_int_equal(open_image(&e), 0);
	assert_int_equal(elf__n_segments(e), 2);
	assert_string_equal(elf__section(e, 1)->name, ".shstrtab");
	close_elf(e);
}

static void absurd_section_names_are_empty(void **state)
{
	struct elf *e;

	(void)state;
	elf_image__init(&image, ET_DYN, EM_X86_64);
	elf_image__section(&image, ".text", SHT_PROGBITS, 0x1000, 0, 0)->sh_name = 0xfffffff0;
	assert_int_equal(open_image(&e), 0);
	assert_string_equal(elf__section(e, 1)->name, "");
	close_elf(e);
}

static void sections_outside_of_the_file_are_damage(void **state)
{
	struct buf to;
	struct elf *e;

	(void)state;
	buf__init(&to, LIMIT);
	elf_image__init(&image, ET_DYN, EM_X86_64);
	elf_image__section(&image, ".a", SHT_PROGBITS, 0, UINT64_MAX - 7, 8);
	elf_image__section(&image, ".b", SHT_PROGBITS, 0, 64, UINT64_MAX);
	elf_image__section(&image, ".c", SHT_NOBITS, 0, 64, 100);
	elf_image__section(&image, ".d", SHT_PROGBITS, 0, 64, 900000);
	assert_int_equal(open_image(&e), 0);
	assert_int_equal(elf__read_section(e, elf__find_section(e, ".a"), LIMIT, &to), -EBADMSG);
	assert_int_equal(elf__read_section(e, elf__find_section(e, ".b"), LIMIT, &to), -E2BIG);
	assert_int_equal(elf__read_section(e, elf__find_section(e, ".c"), LIMIT, &to), -ENOENT);
	assert_int_equal(elf__read_section(e, elf__find_section(e, ".d"), LIMIT, &to), -EBADMSG);
	assert_int_equal(to.len, 0);
	close_elf(e);
	buf__done(&to);
}

/* A section of `len` zero bytes, compressed. */
static void add_compressed(const char *name, uint32_t type, size_t len, uint64_t claimed)
{
	static uint8_t plain[LIMIT], packed[LIMIT];
	Elf64_Chdr head = {.ch_type = type, .ch_size = claimed, .ch_addralign = 1};
	uLongf n = sizeof(packed) - sizeof(head);

	if (type == ELFCOMPRESS_ZLIB)
		assert_int_equal(compress(packed + sizeof(head), &n, plain, len), Z_OK);
	else
		n = ZSTD_compress(packed + sizeof(head), n, plain, len, 1);
	memcpy(packed, &head, sizeof(head));
	elf_image__section(&image, name, SHT_PROGBITS, 0, elf_image__add(&image, packed, n + sizeof(head)),
			   n + sizeof(head))
		->sh_flags = SHF_COMPRESSED;
}

static int read_by_name(const struct elf *e, const char *name, size_t limit, size_t *ret_len)
{
	struct buf to;
	int err;

	buf__init(&to, limit);
	err = elf__read_section(e, elf__find_section(e, name), limit, &to);
	for (size_t i = 0; !err && i < to.len; i++)
		assert_int_equal(to.data[i], 0);
	*ret_len = to.len;
	buf__done(&to);
	return err;
}

static void compressed_sections_are_read_within_the_limit(void **state)
{
	struct elf *e;
	size_t len;

	(void)state;
	elf_image__init(&image, ET_DYN, EM_X86_64);
	add_compressed(".zlib", ELFCOMPRESS_ZLIB, 100000, 100000);
	add_compressed(".zstd", 2, 100000, 100000);
	add_compressed(".lies_low", ELFCOMPRESS_ZLIB, 100000, 50);
	add_compressed(".lies_low_zstd", 2, 100000, 50);
	add_compressed(".lies_high", ELFCOMPRESS_ZLIB, 50, 100000);
	add_compressed(".bomb", ELFCOMPRESS_ZLIB, 1000000, UINT64_MAX);
	add_compressed(".kind", 77, 100, 100);
	assert_int_equal(open_image(&e), 0);
	assert_int_equal(read_by_name(e, ".zlib", 100000, &len), 0);
	assert_int_equal(len, 100000);
	assert_int_equal(read_by_name(e, ".zstd", 100000, &len), 0);
	assert_int_equal(len, 100000);
	assert_int_equal(read_by_name(e, ".zlib", 99999, &len), -E2BIG);
	assert_int_equal(read_by_name(e, ".lies_low", LIMIT, &len), -EBADMSG);
	assert_int_equal(read_by_name(e, ".lies_low_zstd", LIMIT, &len), -EBADMSG);
	assert_int_equal(read_by_name(e, ".lies_high", LIMIT, &len), -EBADMSG);
	assert_int_equal(read_by_name(e, ".bomb", LIMIT, &len), -E2BIG);
	assert_int_equal(read_by_name(e, ".kind", LIMIT, &len), -EOPNOTSUPP);
	close_elf(e);
}

static void old_zdebug_sections_are_decompressed(void **state)
{
	static uint8_t plain[5000],
		packed[6000] = {'Z', 'L', 'I', 'B', 0, 0, 0, 0, 0, 0, 5000 >> 8, 5000 & 255};
	uLongf n = sizeof(packed) - 12;
	struct elf *e;
	size_t len;

	(void)state;
	assert_int_equal(compress(packed + 12, &n, plain, sizeof(plain)), Z_OK);
	elf_image__init(&image, ET_DYN, EM_X86_64);
	elf_image__section(&image, ".zdebug_frame", SHT_PROGBITS, 0, elf_image__add(&image, packed, n + 12),
			   n + 12);
	assert_int_equal(open_image(&e), 0);
	assert_int_equal(read_by_name(e, ".zdebug_frame", LIMIT, &len), 0);
	assert_int_equal(len, 5000);
	close_elf(e);
}

static void build_id_is_found_behind_other_notes(void **state)
{
	uint8_t notes[256], id[ELF_BUILD_ID_MAX];
	size_t at, len = 0;
	struct elf *e;

	(void)state;
	at = note(notes, "GNU", 4, NT_GNU_ABI_TAG, "\0\0\0\0\3\0\0\0", 8);
	at += note(notes + at, "stapsdt", 8, 3, "xyz", 3);
	at += note(notes + at, "GNU", 4, NT_GNU_BUILD_ID, gnu_id, sizeof(gnu_id));
	for (int by_section = 0; by_section < 2; by_section++) {
		uint64_t offset;

		elf_image__init(&image, ET_DYN, EM_X86_64);
		offset = elf_image__add(&image, notes, at);
		if (by_section)
			elf_image__section(&image, ".note", SHT_NOTE, 0, offset, at);
		else
			elf_image__segment(&image, PT_NOTE, PF_R, 0, offset, at);
		assert_int_equal(open_image(&e), 0);
		assert_int_equal(elf__build_id(e, id, &len), 0);
		assert_int_equal(len, sizeof(gnu_id));
		assert_memory_equal(id, gnu_id, len);
		close_elf(e);
	}
}

/* Else 65,536 headers over one block of empty notes are four gigabytes to look through, for a file of four megabytes. */
static void a_build_id_is_sought_in_256_kib_of_notes_and_no_more(void **state)
{
	static const struct {
		uint32_t size, n;
		int found;
	} before[] = {{64u << 10, 3, 0},
		      {64u << 10, 4, -ENOENT},
		      {1, 12, 0},
		      {1u << 20, 3, 0},
		      {1u << 20, 4, -ENOENT}};
	static uint8_t empty[64u << 10];
	uint8_t id_note[64], id[ELF_BUILD_ID_MAX];
	size_t at = note(id_note, "GNU", 4, NT_GNU_BUILD_ID, gnu_id, sizeof(gnu_id)), len;

	(void)state;
	for (size_t i = 0; i < sizeof(before) / sizeof(before[0]); i++) {
		struct elf *e;
		uint64_t offset;

		elf_image__init(&image, ET_DYN, EM_X86_64);
		offset = elf_image__add(&image, empty, sizeof(empty));
		for (uint32_t k = 0; k < before[i].n; k++)
			elf_image__section(&image, ".n", SHT_NOTE, 0, offset, before[i].size);
		elf_image__section(&image, ".note.gnu.build-id", SHT_NOTE, 0,
				   elf_image__add(&image, id_note, at), at);
		assert_int_equal(open_image(&e), 0);
		assert_int_equal(elf__build_id(e, id, &len), before[i].found);
		close_elf(e);
	}
}

static void go_build_ids_are_shortened_and_stay_different(void **state)
{
	const char *texts[2] = {
		"aaaaaaaaaaaaaaaaaaaa/bbbbbbbbbbbbbbbbbbbb/cccccccccccccccccccc/dddddddddddddddddddd",
		"aaaaaaaaaaaaaaaaaaaa/bbbbbbbbbbbbbbbbbbbb/cccccccccccccccccccc/dddddddddddddddddddX"};
	uint8_t notes[256], ids[2][ELF_BUILD_ID_MAX];
	struct elf *e;

	(void)state;
	for (int i = 0; i < 2; i++) {
		size_t len = 0, at = note(notes, "Go\0", 4, 4, texts[i], strlen(texts[i]));

		elf_image__init(&image, ET_EXEC, EM_X86_64);
		elf_image__section(&image, ".note.go.buildid", SHT_NOTE, 0, elf_image__add(&image, notes, at),
				   at);
		assert_int_equal(open_image(&e), 0);
		assert_int_equal(elf__build_id(e, ids[i], &len), 0);
		assert_int_equal(len, 20);
		close_elf(e);
	}
	assert_memory_not_equal(ids[0], ids[1], 20);
}

/* A linker writes one into a program of Go's and C's, in any order; the kernel and debug files know it by GNU's. */
static void gnu_s_build_id_is_preferred_to_go_s(void **state)
{
	uint8_t notes[256], id[ELF_BUILD_ID_MAX];
	size_t go = note(notes, "Go\0", 4, 4, "aaaa/bbbb/cccc/dddd", 19), len = 0;
	size_t gnu = note(notes + go, "GNU", 4, NT_GNU_BUILD_ID, gnu_id, sizeof(gnu_id));
	struct elf *e;

	(void)state;
	for (int how = 0; how < 3; how++) {
		uint64_t offset;

		elf_image__init(&image, ET_EXEC, EM_X86_64);
		offset = elf_image__add(&image, notes, go + gnu);
		if (how == 0) { /* a block of both */
			elf_image__section(&image, ".note", SHT_NOTE, 0, offset, go + gnu);
		} else if (how == 1) {
			elf_image__section(&image, ".note.go.buildid", SHT_NOTE, 0, offset, go);
			elf_image__section(&image, ".note.gnu.build-id", SHT_NOTE, 0, offset + go, gnu);
		} else {
			elf_image__segment(&image, PT_NOTE, PF_R, 0, offset, go);
			elf_image__segment(&image, PT_NOTE, PF_R, 0, offset + go, gnu);
		}
		assert_int_equal(open_image(&e), 0);
		assert_int_equal(elf__build_id(e, id, &len), 0);
		assert_int_equal(len, sizeof(gnu_id));
		assert_memory_equal(id, gnu_id, len);
		close_elf(e);
	}
}

static void hostile_notes_give_no_build_id(void **state)
{
	static const Elf64_Nhdr hostile[] = {
		{.n_namesz = UINT32_MAX, .n_descsz = 20, .n_type = NT_GNU_BUILD_ID},
		{.n_namesz = 4, .n_descsz = UINT32_MAX, .n_type = NT_GNU_BUILD_ID},
		{.n_namesz = 4, .n_descsz = 65, .n_type = NT_GNU_BUILD_ID},
		{.n_namesz = 4, .n_descsz = 0, .n_type = NT_GNU_BUILD_ID},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(hostile) / sizeof(hostile[0]); i++) {
		uint8_t notes[sizeof(hostile[0]) + 4 + 68] = {0}, id[ELF_BUILD_ID_MAX];
		struct elf *e;
		size_t len;

		memcpy(notes, &hostile[i], sizeof(hostile[i]));
		memcpy(notes + sizeof(hostile[i]), "GNU", 4);
		elf_image__init(&image, ET_DYN, EM_X86_64);
		elf_image__section(&image, ".note", SHT_NOTE, 0, elf_image__add(&image, notes, sizeof(notes)),
				   sizeof(notes));
		assert_int_equal(open_image(&e), 0);
		assert_int_equal(elf__build_id(e, id, &len), -ENOENT);
		close_elf(e);
	}
}

static void a_file_that_shrinks_gives_damage_not_a_signal(void **state)
{
	static uint8_t bytes[8192];
	struct buf to;
	struct elf *e;

	(void)state;
	buf__init(&to, LIMIT);
	elf_image__init(&image, ET_DYN, EM_X86_64);
	elf_image__section(&image, ".data", SHT_PROGBITS, 0, elf_image__add(&image, bytes, sizeof(bytes)),
			   sizeof(bytes));
	assert_int_equal(open_image(&e), 0);
	assert_int_equal(ftruncate(elf__fd(e), ELF_IMAGE_DATA + 100), 0);
	assert_int_equal(elf__read_section(e, elf__find_section(e, ".data"), LIMIT, &to), -EBADMSG);
	buf__done(&to);
	close_elf(e);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(own_executable_is_read_as_the_kernel_loaded_it),
		cmocka_unit_test(code_read_by_address_is_the_code_that_runs),
		cmocka_unit_test(other_files_are_refused_by_kind),
		cmocka_unit_test(tables_outside_of_the_file_are_damage_or_left_out),
		cmocka_unit_test(counts_that_overflow_stand_in_the_first_section),
		cmocka_unit_test(absurd_section_names_are_empty),
		cmocka_unit_test(sections_outside_of_the_file_are_damage),
		cmocka_unit_test(compressed_sections_are_read_within_the_limit),
		cmocka_unit_test(old_zdebug_sections_are_decompressed),
		cmocka_unit_test(build_id_is_found_behind_other_notes),
		cmocka_unit_test(a_build_id_is_sought_in_256_kib_of_notes_and_no_more),
		cmocka_unit_test(go_build_ids_are_shortened_and_stay_different),
		cmocka_unit_test(gnu_s_build_id_is_preferred_to_go_s),
		cmocka_unit_test(hostile_notes_give_no_build_id),
		cmocka_unit_test(a_file_that_shrinks_gives_damage_not_a_signal),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
