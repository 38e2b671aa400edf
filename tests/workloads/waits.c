/* SPDX-License-Identifier: Apache-2.0 */
/*
 * waits WAY SECONDS [PATH]: threads that wait in one known way, and say for how long.
 *
 *      way        the thread that waits     for what
 *      sleep      sleeper                   times of 0.2 to 20 ms
 *      mutex      waiter                    a lock that `holder` holds for 1 to 9 ms at a time
 *      cond sem   waiter                    what `holder` gives every 1 to 9 ms
 *      rwlock     waiter                    to read what `holder` writes for 1 to 9 ms at a time
 *      pipe       waiter                    a byte that `holder` writes every 1 to 9 ms
 *      disk       reader                    blocks of the file PATH, past the cache
 *      create     creator                   a new file in PATH: longer where that file system is frozen
 *      write      writer                    a block of a file in PATH: as creator
 *      migrate    nomad                     times of 1 to 4 ms, on another CPU each time
 *      moved      waiter                    a byte, then 15 ms for the first CPU, which `hog` has, and then it is moved to another
 *      contend    contender, 3 times    a lock that another one holds for 5 to 50 us at a time; N is how often it did so
 *      exiting    brief                     20 ms, one thread after the other, each only that
 *      leaving    leaver                    hardly anything: it gives back the 128 MiB that it has mapped as it ends, one process after the other
 *      born       newborn, 32 times         its first CPU; all on the first, 2 ms each, then 32 others
 *      exec       blocker                   until its program is replaced, after half of the time; then the sleeper
 *      starve     hog, four times           a CPU: all on the first
 *      chain      third, second             what second gives, which waits for what first gives every 1 to 9 ms
 *      spin       spinner                   nothing: it works
 *      pause      blocker                   nothing that comes
 *      crowd      idler, 600 times          times of 0.5 to 1 s
 *      swarm      bee, 60 times             times of 0.1 to 3 ms, in 20 stacks
 *      once       blocker                   half of the time; then it works
 *      naps       napper, blocker           times of 0.3 to 1.7 s; the end
 *
 * At its end it prints a line for each thread, or sum of threads, that waited:
 *
 *      truth COMM WAITED_NS DELAY_NS N      off the CPU in N waits; for how much of that it waited for a CPU (the kernel's run delay)
 *
 * and whenever a wait of `once` or a nap is over
 *
 *      woke NS                              by the clock on the wall
 */
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include "tests/workloads/work.h"

#define N_HOGS       4
#define N_IDLERS     600
#define N_NEWBORN    32
#define N_BEES       60
#define N_CONTENDERS 3
#define BLOCK        4096

struct bill {
	uint64_t waited_ns, delay_ns, n;
};

static struct work work;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t given = PTHREAD_COND_INITIALIZER;
static pthread_rwlock_t rwlock = PTHREAD_RWLOCK_INITIALIZER;
static sem_t semaphore;
static int pipe_fds[2];
static volatile int n_given, over;
static uint64_t n_contended;
static const char *path;

static uint64_t run_delay_ns(void)
{
	unsigned long long run = 0, delay = 0;
	FILE *f = fopen("/proc/thread-self/schedstat", "r");

	if (!f || fscanf(f, "%llu %llu", &run, &delay) != 2)
		fprintf(stderr, "waits: no /proc/thread-self/schedstat\n");
	if (f)
		fclose(f);
	return delay;
}

static bool is_over(void)
{
	return over || work__now_ns(CLOCK_MONOTONIC) >= work.end_ns;
}

static uint64_t some_us(uint64_t from, uint64_t to)
{
	static __thread uint64_t x;

	if (!x)
		x = work.random ^ (uint64_t)pthread_self();
	x ^= x << 13;
	x ^= x >> 7;
	x ^= x << 17;
	return from + (x >> 20) % (to - from);
}

static void sleep_us(uint64_t us)
{
	struct timespec ts = {.tv_sec = (time_t)(us / 1000000), .tv_nsec = (long)(us % 1000000) * 1000};

	clock_nanosleep(CLOCK_MONOTONIC, 0, &ts, NULL);
}

/* -- what is waited for -- */
static WORK_FN void wait_for_time(void)
{
	sleep_us(some_us(200, 20000));
}

static WORK_FN void wait_for_mutex(void)
{
	pthread_mutex_lock(&lock);
	pthread_mutex_unlock(&lock);
}

static void hold_mutex(void)
{
	pthread_mutex_lock(&lock);
	sleep_us(some_us(1000, 9000));
	pthread_mutex_unlock(&lock);
	sleep_us(200); /* else it has it again before the other runs */
}

static WORK_FN void wait_for_cond(void)
{
	int before;

	pthread_mutex_lock(&lock);
	before = n_given;
	while (n_given == before && !over)
		pthread_cond_wait(&given, &lock);
	pthread_mutex_unlock(&lock);
}

static void give_cond(void)
{
	sleep_us(some_us(1000, 9000));
	pthread_mutex_lock(&lock);
	n_given++;
	pthread_cond_broadcast(&given);
	pthread_mutex_unlock(&lock);
}

static WORK_FN void wait_for_sem(void)
{
	sem_wait(&semaphore);
}

static void give_sem(void)
{
	sleep_us(some_us(1000, 9000));
	sem_post(&semaphore);
}

static WORK_FN void wait_for_rwlock(void)
{
	pthread_rwlock_rdlock(&rwlock);
	pthread_rwlock_unlock(&rwlock);
}

static void hold_rwlock(void)
{
	pthread_rwlock_wrlock(&rwlock);
	sleep_us(some_us(1000, 9000));
	pthread_rwlock_unlock(&rwlock);
	sleep_us(200);
}

static WORK_FN void wait_for_pipe(void)
{
	char byte;

	if (read(pipe_fds[0], &byte, 1) != 1)
		over = 1;
}

static void give_pipe(void)
{
	sleep_us(some_us(1000, 9000));
	if (write(pipe_fds[1], "x", 1) != 1)
		over = 1;
}

static WORK_FN void wait_for_disk(void)
{
	static int fd = -1;
	static char *block;
	static off_t n_blocks;

	if (fd < 0) {
		fd = open(path, O_RDONLY | O_DIRECT | O_CLOEXEC);
		n_blocks = lseek(fd, 0, SEEK_END) / BLOCK;
		if (fd < 0 || n_blocks < 2 || posix_memalign((void **)&block, BLOCK, BLOCK)) {
			perror(path);
			exit(1);
		}
	}
	if (pread(fd, block, BLOCK, (off_t)some_us(0, (uint64_t)n_blocks) * BLOCK) != BLOCK)
		over = 1;
}

static WORK_FN void wait_for_create(void)
{
	char name[4096];
	int fd;

	snprintf(name, sizeof(name), "%s/created", path);
	fd = open(name, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (fd < 0)
		over = 1;
	close(fd);
	unlink(name);
	sleep_us(2000);
}

static WORK_FN void wait_for_write(void)
{
	static int fd = -1;
	char name[4096];

	if (fd < 0) {
		snprintf(name, sizeof(name), "%s/written", path);
		fd = open(name, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	}
	if (pwrite(fd, name, 1, 0) != 1)
		over = 1;
	sleep_us(2000);
}

static WORK_FN void wait_elsewhere(void)
{
	static int turn;
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(turn++ % (int)sysconf(_SC_NPROCESSORS_ONLN), &set);
	sched_setaffinity(0, sizeof(set), &set);
	sleep_us(some_us(1000, 4000));
}

static WORK_FN void work_without_end(void)
{
	work__spin(100000);
}

static WORK_FN void wait_for_ever(void)
{
	pause();
}

static WORK_FN void wait_idly(void)
{
	sleep_us(some_us(500000, 1000000));
}

static void tell_wake(void)
{
	printf("woke %llu\n", (unsigned long long)work__now_ns(CLOCK_REALTIME));
	fflush(stdout);
}

static WORK_FN void wait_for_nap(void)
{
	sleep_us(some_us(300000, 1700000));
	tell_wake();
}

static WORK_FN void wait_for_end(void)
{
	uint64_t now = work__now_ns(CLOCK_MONOTONIC);

	if (now < work.end_ns)
		sleep_us((work.end_ns - now) / 1000 + 1);
}

static WORK_FN void wait_once(void)
{
	uint64_t now = work__now_ns(CLOCK_MONOTONIC);

	sleep_us((work.end_ns - now) / 2000);
	tell_wake();
	while (work__now_ns(CLOCK_MONOTONIC) < work.end_ns)
		work_without_end();
}

/* -- who waits -- */
struct thread {
	const char *comm;
	void (*step)(void);
	bool is_other; /* the one that is waited for: goes on until the other has ended */
	pthread_t id;
	struct bill bill;
};

static void *thread_body(void *arg)
{
	struct thread *t = arg;
	uint64_t began, cpu, delay;

	pthread_setname_np(pthread_self(), t->comm);
	began = work__now_ns(CLOCK_MONOTONIC);
	cpu = work__now_ns(CLOCK_THREAD_CPUTIME_ID);
	delay = run_delay_ns();
	do {
		t->step();
		t->bill.n++;
	} while (t->is_other ? !over : !is_over());
	over |= !t->is_other;
	t->bill.delay_ns = run_delay_ns() - delay;
	t->bill.waited_ns =
		work__now_ns(CLOCK_MONOTONIC) - began - (work__now_ns(CLOCK_THREAD_CPUTIME_ID) - cpu);
	return NULL;
}

static void start(struct thread *t)
{
	if (pthread_create(&t->id, NULL, thread_body, t)) {
		perror("pthread_create");
		exit(1);
	}
}

static void tell(const char *comm, const struct bill *b)
{
	printf("truth %s %llu %llu %llu\n", comm, (unsigned long long)b->waited_ns,
	       (unsigned long long)b->delay_ns, (unsigned long long)b->n);
	fflush(stdout);
}

/* Until the time is over. */
static void run_threads(struct thread *t, int n)
{
	for (int i = 0; i < n; i++)
		start(&t[i]);
	work__ready();
	for (int i = 0; i < n; i++)
		pthread_join(t[i].id, NULL);
	for (int i = 0; i < n; i++)
		tell(t[i].comm, &t[i].bill);
}

static void wait_20_ms(void)
{
	sleep_us(20000);
}

static void *brief_body(void *arg)
{
	struct bill *sum = arg;
	/* not what it waited for its first CPU */
	uint64_t delay = run_delay_ns(), began = work__now_ns(CLOCK_MONOTONIC);

	wait_20_ms();
	sum->waited_ns += work__now_ns(CLOCK_MONOTONIC) - began;
	sum->delay_ns += run_delay_ns() - delay;
	sum->n++;
	return NULL;
}

/* Threads that are gone before anybody could look for them. */
static void run_exiting(void)
{
	struct bill sum = {0};
	pthread_t id;

	pthread_setname_np(pthread_self(), "maker");
	work__ready();
	while (!is_over()) {
		prctl(PR_SET_NAME, "brief"); /* a new thread has its maker's name */
		if (pthread_create(&id, NULL, brief_body, &sum))
			break;
		prctl(PR_SET_NAME, "maker");
		pthread_join(id, NULL);
	}
	tell("brief", &sum);
}

static void *newborn_body(void *arg)
{
	struct bill *b = arg;

	b->delay_ns = run_delay_ns(); /* it has never run before */
	while (work__now_ns(CLOCK_THREAD_CPUTIME_ID) < 2000000)
		;
	return NULL;
}

static void stay_on_first_cpu(void)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(0, &set);
	sched_setaffinity(0, sizeof(set), &set);
}

/* Threads that have left no CPU before they come to one: each waits for those that were made before it. */
static void run_born(void)
{
	struct bill born[N_NEWBORN] = {0}, sum = {0};
	pthread_t ids[N_NEWBORN];

	stay_on_first_cpu();
	work__ready();
	while (!is_over()) {
		prctl(PR_SET_NAME, "newborn"); /* a new thread has its maker's name */
		for (int i = 0; i < N_NEWBORN; i++) {
			if (pthread_create(&ids[i], NULL, newborn_body, &born[i]))
				exit(1);
		}
		prctl(PR_SET_NAME, "maker");
		for (int i = 0; i < N_NEWBORN; i++) {
			pthread_join(ids[i], NULL);
			sum.delay_ns += born[i].delay_ns;
			sum.n++;
		}
	}
	sum.waited_ns = sum.delay_ns;
	tell("newborn", &sum);
}

static pthread_t moved_id;
static sem_t hog_may;

static void move(pthread_t id, int cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	pthread_setaffinity_np(id, sizeof(set), &set);
}

static void wait_to_be_moved(void)
{
	move(pthread_self(), 0);
	wait_for_pipe();
}

/* As long as it is there nobody else has that CPU. */
static void keep_first_cpu(void)
{
	uint64_t end_ns;

	sched_setscheduler(0, SCHED_FIFO, &(struct sched_param){.sched_priority = 1});
	move(pthread_self(), 0);
	sem_wait(&hog_may);
	end_ns = work__now_ns(CLOCK_MONOTONIC) + 25000000;
	while (work__now_ns(CLOCK_MONOTONIC) < end_ns)
		work_without_end();
}

static void wake_and_move(void)
{
	move(pthread_self(), 1);
	sem_post(&hog_may);
	sleep_us(2000);
	if (write(pipe_fds[1], "x", 1) != 1)
		over = 1;
	sleep_us(15000);
	move(moved_id, 1);
	sleep_us(20000);
}

static void run_moved(void)
{
	struct thread t[] = {{.comm = "waiter", .step = wait_to_be_moved},
			     {.comm = "mover", .step = wake_and_move, .is_other = true},
			     {.comm = "hog", .step = keep_first_cpu, .is_other = true}};

	sem_init(&hog_may, 0, 0);
	start(&t[0]);
	moved_id = t[0].id;
	start(&t[1]);
	start(&t[2]);
	work__ready();
	pthread_join(t[0].id, NULL);
	pthread_join(t[1].id, NULL);
	sem_post(&hog_may); /* it may have looked whether it is over just before it was */
	pthread_join(t[2].id, NULL);
	tell(t[0].comm, &t[0].bill);
}

/* Half of what such a process does it does as it exits. */
static void run_leaving(void)
{
	const size_t bytes = (size_t)128 << 20;
	int fd = memfd_create("leaving", MFD_CLOEXEC), status;

	if (fd < 0 || posix_fallocate(fd, 0, (off_t)bytes))
		exit(1);
	work__ready();
	while (!is_over()) {
		pid_t pid = fork();

		if (!pid) {
			prctl(PR_SET_NAME, "leaver");
			_exit(mmap(NULL, bytes, PROT_READ, MAP_SHARED | MAP_POPULATE, fd, 0) == MAP_FAILED);
		}
		if (waitpid(pid, &status, 0) != pid || status)
			exit(1);
	}
	printf("family_ns %llu\n", (unsigned long long)work__family_ns());
}

static void run_exec(char *program, double seconds)
{
	struct thread blocker = {.comm = "blocker", .step = wait_for_ever};
	struct bill b = {.n = 1};
	char left[32];
	uint64_t began;

	start(&blocker);
	began = work__now_ns(CLOCK_MONOTONIC);
	sleep_us((uint64_t)(seconds * 500000));
	b.waited_ns = work__now_ns(CLOCK_MONOTONIC) - began;
	tell("blocker", &b);
	snprintf(left, sizeof(left), "%.3f", seconds / 2);
	execl("/proc/self/exe", program, "sleep", left, NULL);
	perror("exec");
	exit(1);
}

/* -- who waits for whom: first wakes second, second wakes third -- */
static sem_t links[2];

static WORK_FN void wake_second(void)
{
	sem_post(&links[0]);
}

static WORK_FN void wait_for_first(void)
{
	sem_wait(&links[0]);
}

static WORK_FN void wake_third(void)
{
	sem_post(&links[1]);
}

static WORK_FN void wait_for_second(void)
{
	sem_wait(&links[1]);
}

static void step_first(void)
{
	sleep_us(some_us(1000, 9000));
	wake_second();
}

static void step_second(void)
{
	wait_for_first();
	wake_third();
}

static void run_chain(void)
{
	struct thread t[] = {{.comm = "third", .step = wait_for_second},
			     {.comm = "second", .step = step_second, .is_other = true},
			     {.comm = "first", .step = step_first, .is_other = true}};

	sem_init(&links[0], 0, 0);
	sem_init(&links[1], 0, 0);
	for (int i = 0; i < 3; i++)
		start(&t[i]);
	work__ready();
	pthread_join(t[0].id, NULL);
	pthread_join(t[2].id, NULL);
	wake_second(); /* it may have looked whether it is over just before it was */
	pthread_join(t[1].id, NULL);
	for (int i = 0; i < 3; i++)
		tell(t[i].comm, &t[i].bill);
}

static void run_crowd(void)
{
	struct thread idlers[N_IDLERS];

	for (int i = 0; i < N_IDLERS; i++)
		idlers[i] = (struct thread){.comm = "idler", .step = wait_idly};
	run_threads(idlers, N_IDLERS);
}

/* As many stacks as there are depths. */
static WORK_FN void wait_deeply(uint64_t depth)
{
	if (depth)
		wait_deeply(depth - 1);
	else
		sleep_us(some_us(100, 3000));
	__asm__ volatile(""); /* no jump in place of the call */
}

static void step_bee(void)
{
	wait_deeply(some_us(0, 20));
}

static void run_swarm(void)
{
	struct thread bees[N_BEES];

	for (int i = 0; i < N_BEES; i++)
		bees[i] = (struct thread){.comm = "bee", .step = step_bee};
	run_threads(bees, N_BEES);
}

static void run_naps(void)
{
	struct thread t[] = {{.comm = "napper", .step = wait_for_nap},
			     {.comm = "blocker", .step = wait_for_end}};

	run_threads(t, 2);
}

/* Nothing else makes such a thread give up its CPU. */
static void hold_shortly(void)
{
	pthread_mutex_lock(&lock);
	work__spin(some_us(600, 6000));
	pthread_mutex_unlock(&lock);
	work__spin(some_us(300, 3000));
}

static uint64_t times_blocked(void)
{
	struct rusage usage;

	getrusage(RUSAGE_THREAD, &usage);
	return (uint64_t)usage.ru_nvcsw;
}

/* One step for all of the time: it says how often it waited, which only the kernel knows. */
static void contend(void)
{
	uint64_t n = times_blocked();

	while (!is_over())
		hold_shortly();
	__atomic_fetch_add(&n_contended, times_blocked() - n, __ATOMIC_RELAXED);
}

static void run_contend(void)
{
	struct thread t[N_CONTENDERS];
	struct bill sum = {0};

	for (int i = 0; i < N_CONTENDERS; i++) {
		t[i] = (struct thread){.comm = "contender", .step = contend};
		start(&t[i]);
	}
	work__ready();
	for (int i = 0; i < N_CONTENDERS; i++) {
		pthread_join(t[i].id, NULL);
		sum.waited_ns += t[i].bill.waited_ns;
		sum.delay_ns += t[i].bill.delay_ns;
	}
	sum.n = n_contended;
	tell("contender", &sum);
}

static void run_starve(void)
{
	struct thread hogs[N_HOGS];

	stay_on_first_cpu();
	for (int i = 0; i < N_HOGS; i++)
		hogs[i] = (struct thread){.comm = "hog", .step = work_without_end};
	run_threads(hogs, N_HOGS);
}

static const struct {
	const char *way;
	const char *comm;
	void (*wait)(void);
	void (*other)(void);
} ways[] = {
	{"sleep", "sleeper", wait_for_time, NULL},
	{"mutex", "waiter", wait_for_mutex, hold_mutex},
	{"cond", "waiter", wait_for_cond, give_cond},
	{"sem", "waiter", wait_for_sem, give_sem},
	{"rwlock", "waiter", wait_for_rwlock, hold_rwlock},
	{"pipe", "waiter", wait_for_pipe, give_pipe},
	{"disk", "reader", wait_for_disk, NULL},
	{"create", "creator", wait_for_create, NULL},
	{"write", "writer", wait_for_write, NULL},
	{"migrate", "nomad", wait_elsewhere, NULL},
	{"spin", "spinner", work_without_end, NULL},
	{"pause", "blocker", wait_for_ever, NULL},
	{"once", "blocker", wait_once, NULL},
};

int main(int argc, char **argv)
{
	const char *way = argc > 1 ? argv[1] : "";
	struct thread threads[2] = {0};
	int n = 0;

	work__init(&work, argc - 1, argv + 1);
	path = argc > 3 ? argv[3] : ".";
	sem_init(&semaphore, 0, 0);
	if (pipe(pipe_fds))
		return 1;
	for (size_t i = 0; i < sizeof(ways) / sizeof(*ways); i++) {
		if (strcmp(ways[i].way, way))
			continue;
		threads[n++] = (struct thread){.comm = ways[i].comm, .step = ways[i].wait};
		if (ways[i].other)
			threads[n++] =
				(struct thread){.comm = "holder", .step = ways[i].other, .is_other = true};
	}
	if (n)
		run_threads(threads, n);
	else if (!strcmp(way, "exiting"))
		run_exiting();
	else if (!strcmp(way, "leaving"))
		run_leaving();
	else if (!strcmp(way, "born"))
		run_born();
	else if (!strcmp(way, "moved"))
		run_moved();
	else if (!strcmp(way, "exec"))
		run_exec(argv[0], argc > 2 ? strtod(argv[2], NULL) : 5);
	else if (!strcmp(way, "chain"))
		run_chain();
	else if (!strcmp(way, "contend"))
		run_contend();
	else if (!strcmp(way, "starve"))
		run_starve();
	else if (!strcmp(way, "crowd"))
		run_crowd();
	else if (!strcmp(way, "swarm"))
		run_swarm();
	else if (!strcmp(way, "naps"))
		run_naps();
	else
		return 2;
	return work__done();
}
