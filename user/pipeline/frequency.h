/* SPDX-License-Identifier: Apache-2.0 */
/*
 * frequency - how often the clocks tick: as configured, more where somebody asks for a while, less where the governor orders it.
 *
 * Owns: nothing. Thread: any. Limit: none. Errors: none.
 */
#ifndef EVERPROF_PIPELINE_FREQUENCY_H
#define EVERPROF_PIPELINE_FREQUENCY_H

#include <stddef.h>
#include <stdint.h>

/*
 * An order below the configured frequency is never exceeded, whoever asks for more. One of the configured frequency gives up nothing: that is what the governor orders where it has
 * shed something else, or has taken all back.
 */
static inline uint32_t frequency__allowed(uint32_t configured_hz, uint32_t ordered_hz,
					  const uint32_t *raised_hz, size_t n_raised)
{
	uint32_t hz = configured_hz;

	if (ordered_hz < configured_hz)
		return ordered_hz;
	for (size_t i = 0; i < n_raised; i++)
		if (raised_hz[i] > hz)
			hz = raised_hz[i];
	return hz;
}

#endif
