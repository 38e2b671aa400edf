// SPDX-License-Identifier: Apache-2.0
/*
 * reference FILE: the same work again and again, and in FILE, how many rounds of it that was and the CPU time that it took, two words of 64 bits.
 *
 * Problem: a virtual machine is faster by some per cent in one second than in the next, and what is to be measured is smaller.
 * Idea: beside the program that is measured, on its CPU and taking turns with it, runs one that allocates nothing; by how much that was slower, the other one was, too, for reasons
 *   that are none of what is measured. A round is what an allocator does at its best: a block is put on a list in memory, and taken off.
 */
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#define ROUNDS 20000 /* some 0.1 ms */
#define BLOCKS 64

struct block {
	struct block *volatile next;
};

struct done {
	volatile uint64_t rounds, cpu_ns;
};

static void work(struct block *volatile *free_list)
{
	for (int i = 0; i < ROUNDS; i++) {
		struct block *volatile b = *free_list;

		*free_list = b->next;
		b->next = *free_list;
		*free_list = b;
	}
}

static struct done *map(const char *path)
{
	int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	struct done *d = MAP_FAILED;

	if (fd >= 0 && !ftruncate(fd, sizeof(*d)))
		d = mmap(NULL, sizeof(*d), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	return d;
}

int main(int argc, char **argv)
{
	struct done *done = argc == 2 ? map(argv[1]) : MAP_FAILED;
	static struct block blocks[BLOCKS];
	struct block *volatile free_list = blocks;
	pid_t parent = getppid();

	if (done == MAP_FAILED) {
		fprintf(stderr, "usage: reference FILE\n");
		return 2;
	}
	for (int i = 0; i < BLOCKS - 1; i++)
		blocks[i].next = &blocks[i + 1];
	while (getppid() == parent) {
		struct timespec cpu;

		work(&free_list);
		clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &cpu);
		done->rounds += ROUNDS;
		done->cpu_ns = (uint64_t)cpu.tv_sec * 1000000000u + (uint64_t)cpu.tv_nsec;
	}
	return 0;
}
