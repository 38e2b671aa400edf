// SPDX-License-Identifier: Apache-2.0

import java.util.TreeMap;

/**
 * JavaTree SECONDS tree|map: `tree` is the known shares of tree.h in Java: top1 50, top2 30, top3 20 per cent, on one thread, each too large to be inlined where it is
 * called. `map` sorts strings, as servers do: comparisons by the JVM's own assembly, allocation, garbage. "ready" comes when its methods are compiled.
 */
public class JavaTree {
	private static final int UNITS = 4000;
	private static final long WARM_NS = 2_000_000_000L;
	private static long sink;

	private static void top1(int n) {
		long x = 3, y = 5, z = 7;
		for (int i = 0; i < n; i++) {
			x = x * x * x | 1;
			y = y * x + z;
			z = z * 31 + (y >>> 7);
			x ^= y * 17 + (z << 3);
		}
		sink += x + y * 3 + z * 5;
	}

	private static void top2(int n) {
		long x = 3, y = 5, z = 7;
		for (int i = 0; i < n; i++) {
			x = x * x * x | 1;
			y = y * x + z;
			z = z * 31 + (y >>> 7);
			x ^= y * 17 + (z << 3);
		}
		sink += x + y * 3 + z * 5;
	}

	private static void top3(int n) {
		long x = 3, y = 5, z = 7;
		for (int i = 0; i < n; i++) {
			x = x * x * x | 1;
			y = y * x + z;
			z = z * 31 + (y >>> 7);
			x ^= y * 17 + (z << 3);
		}
		sink += x + y * 3 + z * 5;
	}

	private static void round(int scale) {
		top1(50 * UNITS * scale);
		top2(30 * UNITS * scale);
		top3(20 * UNITS * scale);
	}

	private static void sort(TreeMap<String, Integer> map, int from) {
		for (int i = from; i < from + 20000; i++)
			map.put("key" + i % 5000, i);
		sink += map.size();
	}

	private static void work(boolean isTree, TreeMap<String, Integer> map, long untilNs) {
		for (int n = 0; System.nanoTime() < untilNs; n++) {
			if (isTree)
				round(1 + n % 3);
			else
				sort(map, n);
		}
	}

	public static void main(String[] args) {
		long begin = System.nanoTime();
		boolean isTree = args[1].equals("tree");
		TreeMap<String, Integer> map = new TreeMap<>();

		work(isTree, map, begin + WARM_NS);
		System.out.println("ready " + ProcessHandle.current().pid());
		work(isTree, map, begin + Long.parseLong(args[0]) * 1_000_000_000L);
		System.out.println("sink " + sink);
	}
}
