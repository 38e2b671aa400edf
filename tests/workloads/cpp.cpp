// SPDX-License-Identifier: Apache-2.0
// cpp SECONDS [throw]: names as C++ makes them:
//
//      shop::Box<std::pair<int, char> >::spin(unsigned long) const < shop::(anonymous namespace)::call(…) < main
//
// With `throw` every round throws through five frames, so that samples are inside the exception's own unwinder, which runs on top of
// them: (libgcc, libstdc++) < shop::thrower(int) …
#include <cstdint>
#include <cstring>
#include <stdexcept>
#include <utility>

#include "tests/workloads/work.h"

namespace shop
{
template <typename T> struct Box {
	T value;
	WORK_FN void spin(unsigned long units) const
	{
		work__spin(units);
	}
};

namespace
{
WORK_FN void call(const Box<std::pair<int, char>> &box, unsigned long units)
{
	box.spin(units);
	__asm__ volatile("" ::: "memory");
}
} // namespace

WORK_FN void thrower(int depth)
{
	if (depth == 0)
		throw std::runtime_error("as planned");
	thrower(depth - 1);
	__asm__ volatile("" ::: "memory");
}

WORK_FN int catcher(int n)
{
	int caught = 0;

	for (int i = 0; i < n; i++) {
		try {
			thrower(5);
		} catch (const std::exception &e) {
			caught += e.what()[0] == 'a';
		}
	}
	return caught;
}
} // namespace shop

int main(int argc, char **argv)
{
	bool throws = argc > 2 && !std::strcmp(argv[2], "throw");
	shop::Box<std::pair<int, char>> box = {};
	struct work w;

	work__init(&w, argc, argv);
	work__ready();
	while (work__go(&w)) {
		if (throws)
			shop::catcher(10);
		else
			shop::call(box, 100 * w.scale);
	}
	return work__done();
}
