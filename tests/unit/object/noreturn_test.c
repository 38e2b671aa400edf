// SPDX-License-Identifier: Apache-2.0
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include "user/object/elf.h"
#include "user/object/noreturn.h"

static void names_are_told_apart(void **state)
{
	static const char *const never[] = {"_Exit",
					    "abort",
					    "verrx",
					    "__stack_chk_fail",
					    "_Unwind_Resume",
					    "_ZSt20__throw_out_of_rangePKc",
					    "exit"};
	static const char *const others[] = {"",          "malloc", "aborted",           "exit_group",
					     "_ZSt4cout", "perror", "__throw_something", "on_exit"};

	(void)state;
	for (size_t i = 0; i < sizeof(never) / sizeof(never[0]); i++)
		assert_true(noreturn__is_name(never[i]));
	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++)
		assert_false(noreturn__is_name(others[i]));
}

/* What objdump says of the stub, and nm of the function. */
static uint64_t ask(const char *folder, const char *command)
{
	unsigned long long vaddr = 0;
	char text[256];
	FILE *p;

	snprintf(text, sizeof(text), "cd %s && %s", folder, command);
	p = popen(text, "r");
	assert_non_null(p);
	assert_int_equal(fscanf(p, "%llx", &vaddr), 1);
	pclose(p);
	return vaddr;
}

static void stubs_and_exported_functions_are_found(void **state)
{
	char folder[] = "/tmp/noreturn.XXXXXX", command[512];
	struct noreturn n = {0};
	struct elf *e;
	int fd;

	(void)state;
	assert_non_null(mkdtemp(folder));
	snprintf(command, sizeof(command),
		 "cd %s && printf 'void abort(void); int puts(const char *);\\n"
		 "int f(int x) { if (x) abort(); puts(\"x\"); return 1; }\\n"
		 "void errx(int a) { for (;;) puts(\"y\"); }\\n' >a.c && "
		 "gcc -O1 -w -fno-builtin -fPIC -shared -o a.so a.c && strip a.so",
		 folder);
	assert_int_equal(system(command), 0);
	snprintf(command, sizeof(command), "%s/a.so", folder);
	fd = open(command, O_RDONLY | O_CLOEXEC);
	assert_true(fd >= 0);
	assert_int_equal(elf__open(fd, &e), 0);
	assert_int_equal(noreturn__load(e, &n), 0);
	assert_true(noreturn__has(&n, ask(folder, "objdump -d a.so | sed -n 's/ <abort@plt>:$//p'")));
	assert_true(noreturn__has(&n, ask(folder, "nm -D a.so | sed -n 's/ T errx$//p'")));
	assert_false(noreturn__has(&n, ask(folder, "objdump -d a.so | sed -n 's/ <puts@plt>:$//p'")));
	assert_false(noreturn__has(&n, ask(folder, "nm -D a.so | sed -n 's/ T f$//p'")));
	assert_int_equal(n.n, 2);
	noreturn__done(&n);
	assert_false(noreturn__has(&n, 0));
	elf__free(e);
	close(fd);
	snprintf(command, sizeof(command), "rm -r %s", folder);
	assert_int_equal(system(command), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(names_are_told_apart),
		cmocka_unit_test(stubs_and_exported_functions_are_found),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
