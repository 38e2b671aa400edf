/* SPDX-License-Identifier: Apache-2.0 */
/*
 * jit_rule SECONDS [silent|late]: writes machine code that keeps a number in the frame pointer into anonymous memory, as qemu does, and tells debuggers the one rule
 * for all of it (gdb's JIT interface), at once, late (when it has worked for 50 ms) or not at all:
 *
 *      (no name) < jit_call < main
 */
#include <elf.h>
#include <stddef.h>
#include <sys/mman.h>

#include "tests/workloads/work.h"

#define LATE_NS    50000000ull
#define CODE_BYTES (256 * 1024) /* whole pages of rows lie within, wherever it begins */

typedef void (*jit_fn)(uint64_t units);

static const unsigned char code_bytes[] = {
	0x55,                                     /* push %rbp */
	0x48, 0x81, 0xec, 0x08, 0x01, 0x00, 0x00, /* sub $264,%rsp: the CFA is at %rsp + 280 */
	0xbd, 0x01, 0x00, 0x00, 0x00,             /* mov $1,%ebp */
	0xb8, 0x03, 0x00, 0x00, 0x00,             /* mov $3,%eax */
	0x48, 0x0f, 0xaf, 0xc0,                   /* 1: imul %rax,%rax */
	0x48, 0x0f, 0xaf, 0xc0,                   /*    imul %rax,%rax */
	0x48, 0xff, 0xcf,                         /*    dec %rdi */
	0x75, 0xf3,                               /*    jnz 1b: back 13 */
	0x48, 0x81, 0xc4, 0x08, 0x01, 0x00, 0x00, /* add $264,%rsp */
	0x5d,                                     /* pop %rbp */
	0xc3,                                     /* ret */
};

/* .debug_frame of one CIE and one FDE. */
struct __attribute__((packed)) frame_rules {
	uint32_t cie_len, cie_id;
	uint8_t version, augmentation, code_align, data_align, ra_register, padding[3];
	uint32_t fde_len, fde_cie;
	uint64_t from, len;
	uint8_t program[8];
};

static const char section_names[] = "\0.text\0.debug_frame\0.shstrtab";

struct image {
	Elf64_Ehdr header;
	Elf64_Phdr segment;
	Elf64_Shdr sections[4];
	struct frame_rules rules;
	char names[sizeof(section_names)];
};

/* As the interface has them. */
struct jit_code_entry {
	struct jit_code_entry *next, *prev;
	const void *image;
	uint64_t image_len;
};

struct jit_descriptor {
	uint32_t version, action;
	struct jit_code_entry *concerned, *first;
};

struct jit_descriptor __jit_debug_descriptor = {.version = 1};
void __jit_debug_register_code(void);

void WORK_FN __jit_debug_register_code(void)
{
	__asm__ volatile("" ::: "memory");
}

static void tell(const void *code)
{
	static struct jit_code_entry entry;
	static struct image image;

	image = (struct image){
		.header = {.e_ident = {ELFMAG0, ELFMAG1, ELFMAG2, ELFMAG3, ELFCLASS64, ELFDATA2LSB,
				       EV_CURRENT},
			   .e_type = ET_EXEC,
			   .e_machine = EM_X86_64,
			   .e_version = EV_CURRENT,
			   .e_phoff = offsetof(struct image, segment),
			   .e_shoff = offsetof(struct image, sections),
			   .e_ehsize = sizeof(Elf64_Ehdr),
			   .e_phentsize = sizeof(Elf64_Phdr),
			   .e_phnum = 1,
			   .e_shentsize = sizeof(Elf64_Shdr),
			   .e_shnum = 4,
			   .e_shstrndx = 3},
		.segment = {.p_type = PT_LOAD,
			    .p_flags = PF_X,
			    .p_vaddr = (uint64_t)code,
			    .p_memsz = CODE_BYTES},
		.sections = {[1] = {.sh_name = 1,
				    .sh_type = SHT_NOBITS,
				    .sh_flags = SHF_ALLOC | SHF_EXECINSTR,
				    .sh_addr = (uint64_t)code,
				    .sh_size = CODE_BYTES},
			     [2] = {.sh_name = 7,
				    .sh_type = SHT_PROGBITS,
				    .sh_offset = offsetof(struct image, rules),
				    .sh_size = sizeof(struct frame_rules)},
			     [3] = {.sh_name = 20,
				    .sh_type = SHT_STRTAB,
				    .sh_offset = offsetof(struct image, names),
				    .sh_size = sizeof(section_names)}},
		.rules = {.cie_len = 12,
			  .cie_id = UINT32_MAX,
			  .version = 1,
			  .code_align = 1,
			  .data_align = 0x78, /* -8 */
			  .ra_register = 16,
			  .fde_len = 28,
			  .from = (uint64_t)code,
			  .len = CODE_BYTES,
			  /* def_cfa rsp, 280; rip at cfa - 8; rbp at cfa - 16 */
			  .program = {0x0c, 7, 0x98, 0x02, 0x90, 1, 0x86, 2}},
	};
	memcpy(image.names, section_names, sizeof(section_names));
	entry = (struct jit_code_entry){.image = &image, .image_len = sizeof(image)};
	__jit_debug_descriptor.first = __jit_debug_descriptor.concerned = &entry;
	__jit_debug_descriptor.action = 1;
	__jit_debug_register_code();
}

static WORK_FN void jit_call(jit_fn fn, uint64_t units)
{
	fn(units);
	__asm__ volatile("" ::: "memory");
}

int main(int argc, char **argv)
{
	unsigned char *code = mmap(NULL, CODE_BYTES, PROT_READ | PROT_WRITE | PROT_EXEC,
				   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	const char *mode = argc < 3 ? "at once" : argv[2];
	struct work w;
	jit_fn fn;

	work__init(&w, argc, argv);
	if (code == MAP_FAILED) {
		perror("mmap");
		return 1;
	}
	memcpy(code, code_bytes, sizeof(code_bytes));
	*(void **)&fn = code;
	work__ready();
	if (!strcmp(mode, "late"))
		for (uint64_t end_ns = work__now_ns(CLOCK_MONOTONIC) + LATE_NS;
		     work__now_ns(CLOCK_MONOTONIC) < end_ns;)
			jit_call(fn, 400 * w.scale);
	if (strcmp(mode, "silent"))
		tell(code);
	while (work__go(&w))
		jit_call(fn, 400 * w.scale);
	return work__done();
}
