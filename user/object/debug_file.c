/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Problem: distributions ship binaries without .symtab and the symbols in another file, perhaps in another package,
 * image or root. A file of the right name may be of another build, and in a container it may be whatever its owner
 * likes.
 *
 * Idea: candidates by convention, proof by content.
 *
 *      by build-id      <dir>/.build-id/ab/cdef….debug                       in the process's root, then in ours
 *      by debug link    <folder>/NAME  <folder>/.debug/NAME                  in the process's root
 *                       <dir>/<folder>/NAME                                  in the process's root, then in ours
 *
 * Proof: where the object has a build-id, the candidate must have the same one; its checksum is not computed then,
 * for twenty bytes that both files state prove more than four do, and the file may have gigabytes. Where the object
 * has none, the CRC-32 of the whole candidate must be the one of the link. The object itself is no candidate.
 *
 * The embedded file is decompressed in memory under two limits, one for the output and one for the decompressor's
 * dictionary, and handed on as a memfd, so that there is one way to read ELF.
 *
 * Hostile input: a debug link's name must be a plain name; every path is resolved below its root (openat2
 * RESOLVE_IN_ROOT), so that neither ".." nor links lead out; only regular files are opened.
 *
 * Cost: a few failing opens a file, once a build-id.
 *
 * What it does not do: debuginfod (nothing is fetched), .gnu_debugaltlink (its file holds no symbols).
 *
 * Reference: GDB manual, "Debugging Information in Separate Files" and "MiniDebugInfo".
 */
#include "user/object/debug_file.h"

#include <elf.h>
#include <errno.h>
#include <limits.h>
#include <lzma.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#include "user/base/buf.h"
#include "user/base/far_file.h"
#include "user/base/io.h"
#include "user/object/elf.h"

#define CRC_BYTES_DEFAULT (256u << 20)
#define CRC_CHUNK         (128u << 10)
#define LINK_SECTION_MAX  4096
#define UNPACK_CHUNK      (256u << 10)

static const char *const default_dirs[] = {"/usr/lib/debug"};

struct search {
	const struct elf *object;
	uint8_t build_id[ELF_BUILD_ID_MAX];
	size_t build_id_len; /* 0: none */
	uint32_t crc;
	bool has_crc;
	size_t crc_bytes;
};

int debug_file__parse_link(const void *bytes, size_t len, struct debug_link *ret_link)
{
	const char *name = bytes;
	size_t name_len = strnlen(name, len),
	       at = (name_len + 4) & ~(size_t)3; /* the NUL, then aligned to 4 */
	struct debug_link link = {0};

	if (name_len == 0 || name_len == len || name_len > DEBUG_FILE_NAME_MAX || at > len || len - at < 4)
		return -EBADMSG;
	if (memchr(name, '/', name_len) || !strcmp(name, ".") || !strcmp(name, ".."))
		return -EBADMSG;
	memcpy(link.name, name, name_len);
	memcpy(&link.crc, (const uint8_t *)bytes + at, sizeof(link.crc));
	*ret_link = link;
	return 0;
}

static bool is_same_file(int a, int b)
{
	struct stat sa, sb;

	return fstat(a, &sa) == 0 && fstat(b, &sb) == 0 && sa.st_dev == sb.st_dev && sa.st_ino == sb.st_ino;
}

static bool has_build_id(int fd, const struct search *s)
{
	uint8_t id[ELF_BUILD_ID_MAX];
	struct elf *e;
	size_t len;
	bool same;

	if (elf__open(fd, &e))
		return false;
	same = elf__build_id(e, id, &len) == 0 && len == s->build_id_len && memcmp(id, s->build_id, len) == 0;
	elf__free(e);
	return same;
}

static bool has_crc(int fd, const struct search *s)
{
	uint8_t *chunk;
	uLong crc = crc32(0, NULL, 0);
	off_t offset = 0;
	struct stat st;
	ssize_t n = -1;

	if (fstat(fd, &st) || (uint64_t)st.st_size > s->crc_bytes)
		return false;
	chunk = malloc(CRC_CHUNK);
	while (chunk && (uint64_t)offset <= s->crc_bytes && (n = pread(fd, chunk, CRC_CHUNK, offset)) > 0) {
		crc = crc32(crc, chunk, (uInt)n);
		offset += n;
	}
	free(chunk);
	return n == 0 && (uint32_t)crc == s->crc;
}

/* Opens root/path if it is the file that is sought. */
static int try_open(const struct search *s, int root, const char *path, int *ret_fd)
{
	int fd = FD_CLOSED, err;
	bool proven;

	if (root == FD_CLOSED)
		return -ENOENT;
	err = far_file__open_in_root(NULL, root, path, &fd);
	if (err)
		return -ENOENT; /* whatever it was: this candidate is none */
	if (is_same_file(fd, elf__fd(s->object)))
		proven = false;
	else if (s->build_id_len)
		proven = has_build_id(fd, s);
	else
		proven = s->has_crc && has_crc(fd, s);
	if (!proven) {
		io__close(&fd);
		return -ENOENT;
	}
	*ret_fd = fd;
	return 0;
}

static int open_by_build_id(const struct search *s, const struct debug_file_roots *roots,
			    const char *const *dirs, size_t n_dirs, int *ret_fd)
{
	char path[PATH_MAX], hex[2 * ELF_BUILD_ID_MAX + 1];

	if (s->build_id_len < 2)
		return -ENOENT;
	for (size_t i = 0; i < s->build_id_len; i++)
		snprintf(hex + 2 * i, 3, "%02x", s->build_id[i]);
	for (size_t i = 0; i < n_dirs; i++) {
		int n = snprintf(path, sizeof(path), "%s/.build-id/%.2s/%s.debug", dirs[i], hex, hex + 2);

		if (n >= (int)sizeof(path))
			continue;
		if (try_open(s, roots->process, path, ret_fd) == 0 ||
		    try_open(s, roots->host, path, ret_fd) == 0)
			return 0;
	}
	return -ENOENT;
}

static int open_by_link(const struct search *s, const char *name, const char *path,
			const struct debug_file_roots *roots, const char *const *dirs, size_t n_dirs,
			int *ret_fd)
{
	static const char *const beside[] = {"", "/.debug"};
	const char *slash = strrchr(path, '/');
	char candidate[PATH_MAX];
	int folder_len;

	if (path[0] != '/' || !slash || strlen(path) >= PATH_MAX)
		return -ENOENT;
	folder_len = (int)(slash - path);
	for (size_t i = 0; i < 2; i++) {
		int n = snprintf(candidate, sizeof(candidate), "%.*s%s/%s", folder_len, path, beside[i],
				 name);

		if (n < (int)sizeof(candidate) && try_open(s, roots->process, candidate, ret_fd) == 0)
			return 0;
	}
	for (size_t i = 0; i < n_dirs; i++) {
		int n = snprintf(candidate, sizeof(candidate), "%s%.*s/%s", dirs[i], folder_len, path, name);

		if (n >= (int)sizeof(candidate))
			continue;
		if (try_open(s, roots->process, candidate, ret_fd) == 0 ||
		    try_open(s, roots->host, candidate, ret_fd) == 0)
			return 0;
	}
	return -ENOENT;
}

static int read_link(const struct elf *e, struct debug_link *ret_link)
{
	const struct elf_section *section = elf__find_section(e, ".gnu_debuglink");
	struct buf bytes;
	int err;

	if (!section)
		return -ENOENT;
	buf__init(&bytes, LINK_SECTION_MAX);
	err = elf__read_section(e, section, LINK_SECTION_MAX, &bytes);
	if (!err)
		err = debug_file__parse_link(bytes.data, bytes.len, ret_link);
	buf__done(&bytes);
	return err;
}

int debug_file__open(const struct elf *e, const char *path, const struct debug_file_roots *roots,
		     const struct debug_file_opts *opts, int *ret_fd)
{
	bool is_default = !opts || !opts->dirs;
	const char *const *dirs = is_default ? default_dirs : opts->dirs;
	size_t n_dirs = is_default ? 1 : opts->n_dirs;
	struct search s = {.object = e,
			   .crc_bytes = opts && opts->crc_bytes ? opts->crc_bytes : CRC_BYTES_DEFAULT};
	struct debug_link link;

	if (elf__build_id(e, s.build_id, &s.build_id_len))
		s.build_id_len = 0;
	if (open_by_build_id(&s, roots, dirs, n_dirs, ret_fd) == 0)
		return 0;
	if (!path || read_link(e, &link))
		return -ENOENT;
	s.crc = link.crc;
	s.has_crc = true;
	return open_by_link(&s, link.name, path, roots, dirs, n_dirs, ret_fd);
}

/* -- the embedded file -- */

static int decode_error(lzma_ret ret)
{
	switch (ret) {
	case LZMA_OK:
	case LZMA_STREAM_END:
		return 0;
	case LZMA_MEM_ERROR:
		return -ENOMEM;
	case LZMA_MEMLIMIT_ERROR:
		return -E2BIG;
	default:
		return -EBADMSG; /* LZMA_BUF_ERROR too: the input ended before the stream did */
	}
}

/* Decodes piece by piece: memory is one chunk, whatever the stream claims to hold. */
static int decode(lzma_stream *xz, uint8_t *chunk, int fd)
{
	uint64_t total = 0;
	lzma_ret ret;
	int err;

	do {
		size_t n;

		xz->next_out = chunk;
		xz->avail_out = UNPACK_CHUNK;
		ret = lzma_code(xz, LZMA_FINISH);
		n = UNPACK_CHUNK - xz->avail_out;
		total += n;
		err = decode_error(ret);
		if (!err && total > DEBUG_FILE_EMBEDDED_MAX)
			err = -E2BIG;
		if (!err)
			err = io__write_full(fd, chunk, n);
	} while (!err && ret != LZMA_STREAM_END);
	return err;
}

/* xz bytes to a memfd. */
static int unpack(const struct buf *packed, int *ret_fd)
{
	lzma_stream xz = LZMA_STREAM_INIT;
	uint8_t *chunk = malloc(UNPACK_CHUNK);
	int fd = FD_CLOSED, err;

	if (!chunk)
		return -ENOMEM;
	err = decode_error(lzma_stream_decoder(&xz, DEBUG_FILE_LZMA_MAX, 0));
	if (err)
		goto out;
	xz.next_in = packed->data;
	xz.avail_in = packed->len;
	fd = memfd_create("everprof-debugdata", MFD_CLOEXEC);
	err = fd < 0 ? -errno : decode(&xz, chunk, fd);
	if (err)
		goto out;
	*ret_fd = fd;
	fd = FD_CLOSED;
out:
	lzma_end(&xz);
	io__close(&fd);
	free(chunk);
	return err;
}

int debug_file__open_embedded(const struct elf *e, int *ret_fd)
{
	const struct elf_section *section = elf__find_section(e, ".gnu_debugdata");
	struct buf packed;
	int err;

	if (!section)
		return -ENOENT;
	buf__init(&packed, DEBUG_FILE_EMBEDDED_MAX);
	err = elf__read_section(e, section, DEBUG_FILE_EMBEDDED_MAX, &packed);
	if (!err)
		err = unpack(&packed, ret_fd);
	buf__done(&packed);
	return err;
}
