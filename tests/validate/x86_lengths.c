// SPDX-License-Identifier: Apache-2.0
/*
 * x86_lengths NAME: reads a disassembly by objdump (-d -w --insn-width=15) and compares the length of each instruction with ours. Writes a row of a table,
 * to standard error the differences, at most DIFFERENCES_MAX of them; exits 1 where more than one in 10,000 differs.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "user/object/x86_insn.h"

#define DIFFERENCES_MAX 40
#define BYTES_MAX       24

/* The bytes between the first and the second tab; 0 where the line is no instruction. */
static size_t read_bytes(const char *line, uint8_t bytes[BYTES_MAX], const char **ret_text)
{
	const char *at = strstr(line, ":\t");
	size_t n = 0;

	if (!at || line[0] != ' ')
		return 0;
	at += 2;
	while (n < BYTES_MAX) {
		char *end;
		unsigned long value = strtoul(at, &end, 16);

		if (end != at + 2)
			break;
		bytes[n++] = (uint8_t)value;
		at = end + (*end == ' ');
	}
	while (*at == ' ' || *at == '\t')
		at++;
	*ret_text = at;
	return n;
}

int main(int argc, char **argv)
{
	uint64_t n_same = 0, n_bad = 0, n_fwait = 0, n_differ = 0;
	char line[1024];

	if (argc != 2)
		return 2;
	while (fgets(line, sizeof(line), stdin)) {
		uint8_t bytes[BYTES_MAX];
		struct x86_insn in;
		const char *text;
		size_t n = read_bytes(line, bytes, &text);

		if (n == 0)
			continue;
		if (strstr(text, "(bad)") || text[0] == '.' || *text == '\0' || *text == '\n')
			n_bad++;
		else if (x86_insn__parse(bytes, n, &in) == 0 && in.len == n)
			n_same++;
		else if (bytes[0] == 0x9b || (n == 1 && (bytes[0] & 0xf0) == 0x40))
			n_fwait++; /* objdump reads a wait with what follows, and a prefix without anything, as one */
		else if (n_differ++ < DIFFERENCES_MAX)
			fprintf(stderr, "%s: %s", argv[1], line);
	}
	printf("| %s | %llu | %llu | %llu | %llu |\n", argv[1], (unsigned long long)(n_same + n_differ),
	       (unsigned long long)n_differ, (unsigned long long)n_bad, (unsigned long long)n_fwait);
	return n_differ * 10000 > n_same + n_differ || n_same == 0;
}
