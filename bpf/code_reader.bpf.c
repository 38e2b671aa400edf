// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * code_reader - who reads the code of this file as data, and who would hold up who changes it, now?
 *
 * Problem: a probe is a byte in the code, in each private mapping of the file that may be made executable, whether it is or not (valid_vma asks for VM_MAYEXEC). A
 *   program that reads such a mapping sees the byte: an emulator of the same architecture takes it for a breakpoint of its guest, and ends it; a tool that
 *   copies a library by mapping it copies the byte, too. An instrumenter maps code to be executed, and reads it all the same.
 * Idea: the kernel has a tree of all mappings of a file (address_space.i_mmap), for itself. It is walked here, when somebody asks, just before probes are put in place
 *   and just after: what concerns the pages of the probes is looked at, whatever process it is of; 10 to 20 us where a hundred processes have it. Nothing is paid when nobody asks, nothing has
 *   to be followed, and nobody can be forgotten.
 * To put a probe into a mapping, and to take it away, the kernel waits for the mmap_lock of its process, and has all forks of the machine wait meanwhile (dup_mmap_sem). A process can keep that lock for as long as
 *   a page of a file takes that it waits for, which may be for ever. Everybody has his own for moments all the time, so who asks looks several times, at those that had it the last time.
 * The file is the one that a mapping of the asking process has, so that file systems upon others (overlayfs) need no care: there, too, it is the mapping that tells.
 * Invariants: the walk takes no lock. It reads from the root down only, never up, at most NODES_MAX nodes: it ends, whatever changes meanwhile. What changes may hide a
 *   branch from it for as long as a rotation takes: the second look is the remedy.
 * Rejected: a filter in the link (it knows one process to be probed, none to be left out); following mmap (no place to hook without kprobes; records of perf events come
 *   too late); holding up who maps (a signal to stop is seen by others); all mappings of all processes (a hundred times as many); links for chosen processes (a grace
 *   period each).
 * Names tell instrumenters, which map code to be executed: nothing that the kernel knows of such a mapping does.
 * What it does not do: know who takes his lock right behind the look, or on kernels whose locks are built otherwise (PREEMPT_RT); know an instrumenter of another name, or one that is a library of the program that it instruments; see a reader in time that maps and reads within the time that probes are in place (docs/allocations.md).
 *
 * Reference: kernel/events/uprobes.c, valid_vma, build_map_info; include/linux/interval_tree_generic.h.
 */
#include "bpf/kernel.bpf.h"
#include "bpf/abi.h"
#include "bpf/code_reader.h"

#define NODES_MAX (1u << 17)
#define DEPTH     64 /* twice the height of a balanced tree of 2^32 */

/* Of rw_semaphore.count, kernel/locking/rwsem.c: a writer, or readers; what else there is says who waits. */
#define LOCK_TAKEN (1ul | ~0xfful)

/* Flags of a mapping, include/linux/mm.h. */
#define MAPPING_WRITE     0x00000002ul
#define MAPPING_EXEC      0x00000004ul
#define MAPPING_MAY_EXEC  0x00000040ul
#define MAPPING_MAY_SHARE 0x00000080ul
#define MAPPING_HUGETLB   0x00400000ul
/* Of those whose locks are taken, at the latest when probes are taken away: MAY_EXEC and nothing else; and of those that get probes. */
#define MAPPING_LOCKED (MAPPING_MAY_EXEC | MAPPING_MAY_SHARE | MAPPING_HUGETLB)
#define MAPPING_PROBED (MAPPING_LOCKED | MAPPING_WRITE)

/* The last bytes of a name, the first ones 0 where it is shorter. */
union name_end {
	char text[CODE_READER_NAME];
	__u64 words[CODE_READER_NAME / 8];
};

/* Of a name's end: the last n bytes, up to 8 or more of them. */
#define LAST_FEW(n)                       \
	{                                 \
		0, ~0ull << (8 - (n)) * 8 \
	}
#define LAST_MANY(n)                           \
	{                                      \
		~0ull << (16 - (n)) * 8, ~0ull \
	}

/* Programs that translate code which they map to be executed, by how the names of their files end. */
#define TRANSLATORS 5
static const struct {
	union name_end end;
	__u64 mask[2];
} translators[TRANSLATORS] = {
	/* clang-format off */
	{{"\0\0\0\0-amd64-linux"}, LAST_MANY(12)}, /* valgrind's tools */
	{{"\0\0\0\0-arm64-linux"}, LAST_MANY(12)},
	{{"\0libdynamorio.so"}, LAST_MANY(15)},
	{{"\0\0\0\0\0\0\0\0\0\0\0drrun"}, LAST_FEW(5)},
	{{"\0\0\0\0\0\0\0\0\0\0pinbin"}, LAST_FEW(6)},
	/* clang-format on */
};

/* Nodes that are left to look at. One asks at a time. */
static __u64 nodes[DEPTH];
static __u32 n_nodes;

static __always_inline void code_reader__push(__u64 node)
{
	if (!node)
		return;
	if (n_nodes < DEPTH)
		nodes[n_nodes & (DEPTH - 1)] = node;
	n_nodes++; /* past DEPTH: the tree is no tree, just now */
}

/* The end of the name of the program that runs in this memory. Returns how long the whole is. */
static __always_inline __u32 code_reader__name(struct mm_struct *mm, union name_end *ret)
{
	struct dentry *dentry = BPF_CORE_READ(mm, exe_file, f_path.dentry);
	__u32 len = BPF_CORE_READ(dentry, d_name.len);

	/* a short name is in the entry itself, behind more than so much else */
	bpf_probe_read_kernel(ret, sizeof(*ret), BPF_CORE_READ(dentry, d_name.name) + len - sizeof(*ret));
	return len;
}

static __always_inline int code_reader__is_translator(const union name_end *name)
{
	for (int i = 0; i < TRANSLATORS; i++) {
		__u64 differs = (translators[i].end.words[0] ^ name->words[0]) & translators[i].mask[0];

		differs |= (translators[i].end.words[1] ^ name->words[1]) & translators[i].mask[1];
		if (!differs)
			return 1;
	}
	return 0;
}

static __u64 asked_about; /* of code_reader.held */

static __always_inline void code_reader__hold(struct code_reader *r, struct mm_struct *mm)
{
	__u64 bit = 1ull << ((__u64)mm * 0x9e3779b97f4a7c15ull >> 58);
	unsigned long count = 0;

	if (bpf_core_field_exists(mm->mmap_lock.count))
		count = BPF_CORE_READ(mm, mmap_lock.count.counter);
	if (!(count & LOCK_TAKEN) || !(asked_about & bit))
		return;
	r->held |= bit;
	if (bpf_core_field_exists(mm->owner))
		r->held_pid = BPF_CORE_READ(mm, owner, tgid);
}

static __noinline void code_reader__judge(struct code_reader *r, struct vm_area_struct *vma)
{
	unsigned long flags = BPF_CORE_READ(vma, vm_flags);
	struct mm_struct *mm = BPF_CORE_READ(vma, vm_mm);
	union name_end name = {};
	__u32 len;

	if ((flags & MAPPING_LOCKED) == MAPPING_MAY_EXEC)
		code_reader__hold(r, mm);
	if ((flags & MAPPING_PROBED) != MAPPING_MAY_EXEC)
		return;
	len = code_reader__name(mm, &name);
	if (!(flags & MAPPING_EXEC))
		r->kind = CODE_READER_DATA;
	else if (code_reader__is_translator(&name))
		r->kind = CODE_READER_TRANSLATOR;
	else
		return;
	__builtin_memcpy(r->program, name.text, sizeof(name.text));
	r->program_len = len;
	if (bpf_core_field_exists(mm->owner))
		r->pid = BPF_CORE_READ(mm, owner, tgid);
}

/* One node: its mapping, if that has one of the pages, and what below it may have some. */
static long code_reader__step(__u32 index, struct code_reader *r)
{
	struct vm_area_struct *vma = NULL;
	__u64 node, first, pages;

	if (!n_nodes || n_nodes > DEPTH)
		return 1;
	node = nodes[--n_nodes & (DEPTH - 1)];
	vma = (void *)(node - bpf_core_field_offset(vma->shared.rb));
	if (BPF_CORE_READ(vma, shared.rb_subtree_last) < r->first_page)
		return 0;
	code_reader__push((__u64)BPF_CORE_READ(vma, shared.rb.rb_left));
	first = BPF_CORE_READ(vma, vm_pgoff);
	if (first > r->last_page)
		return 0;
	code_reader__push((__u64)BPF_CORE_READ(vma, shared.rb.rb_right));
	pages = (BPF_CORE_READ(vma, vm_end) - BPF_CORE_READ(vma, vm_start)) >> MAPPING_PAGE_SHIFT;
	r->n_mappings++;
	if (first + pages > r->first_page)
		code_reader__judge(r, vma);
	return 0;
}

static long code_reader__find(struct task_struct *task, struct vm_area_struct *vma, struct code_reader *r)
{
	struct address_space *mapping = BPF_CORE_READ(vma, vm_file, f_mapping);

	r->tree = (__u64)mapping + bpf_core_field_offset(mapping->i_mmap);
	return 0;
}

SEC("?syscall")
int code_reader(struct code_reader *r)
{
	struct code_reader found = *r;
	struct rb_root_cached *tree;

	found.kind = CODE_READER_NONE;
	asked_about = found.held;
	found.held = 0;
	found.held_pid = 0;
	if (!found.tree) /* takes a lock, if it is free */
		bpf_find_vma(bpf_get_current_task_btf(), found.addr, code_reader__find, &found, 0);
	tree = (void *)found.tree;
	n_nodes = 0;
	code_reader__push((__u64)BPF_CORE_READ(tree, rb_root.rb_node));
	if (!tree || bpf_loop(NODES_MAX, code_reader__step, &found, 0) == NODES_MAX || n_nodes > DEPTH)
		found.kind = CODE_READER_UNKNOWN;
	*r = found;
	return 0;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
