/* SPDX-License-Identifier: Apache-2.0 */
/*
 * debug_file - the separate file with the symbols that were stripped from an object.
 *
 * Three places: inside the object (.gnu_debugdata, "minidebuginfo"), by build-id below the debug folders, by the
 * name in .gnu_debuglink. Both the process's own root (a container's image) and ours are searched. What is found
 * must prove that it belongs to the object.
 *
 * Owns: nothing; file descriptors that it returns are the caller's. Thread: any. Limit: debug_file_opts,
 * DEBUG_FILE_EMBEDDED_MAX. Errors: -ENOENT none found, -EBADMSG or -E2BIG for a bad .gnu_debugdata.
 */
#ifndef EVERPROF_OBJECT_DEBUG_FILE_H
#define EVERPROF_OBJECT_DEBUG_FILE_H

#include <stddef.h>
#include <stdint.h>

struct elf;

#define DEBUG_FILE_EMBEDDED_MAX (64u << 20) /* bytes of .gnu_debugdata, decompressed */
#define DEBUG_FILE_LZMA_MAX     (64u << 20) /* memory of the decompressor */
#define DEBUG_FILE_NAME_MAX     255         /* bytes of the name in .gnu_debuglink */

struct debug_file_opts {
	const char *const *dirs; /* debug folders, absolute; NULL: /usr/lib/debug */
	size_t n_dirs;
	size_t crc_bytes; /* a larger file is not read for its checksum; 0: 256 MiB */
};

/* Where to look: folders open with O_PATH or O_RDONLY, FD_CLOSED where there is none, or where something below it is far (base/far_file). */
struct debug_file_roots {
	int process;
	int host;
};

struct debug_link {
	char name[DEBUG_FILE_NAME_MAX + 1];
	uint32_t crc;
};

/* The bytes of a .gnu_debuglink section; pure. -EBADMSG; a name with a slash is one. */
int debug_file__parse_link(const void *bytes, size_t len, struct debug_link *ret_link);

/*
 * The separate debug file of `e`, open for reading. `path` is the object's, as the process sees it (NULL: not
 * known); its folder is searched for debug links, in the process's root only.
 */
int debug_file__open(const struct elf *e, const char *path, const struct debug_file_roots *roots,
		     const struct debug_file_opts *opts, int *ret_fd);
/* The ELF file inside .gnu_debugdata, as a memfd. */
int debug_file__open_embedded(const struct elf *e, int *ret_fd);

#endif
