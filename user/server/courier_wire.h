/* SPDX-License-Identifier: Apache-2.0 */
/*
 * courier_wire - the two messages between agent and courier, over a socketpair of packets.
 *
 * Owns: nothing. Thread: any. Limit: one packet. Errors: none; each side checks magic, sizes and that texts end.
 */
#ifndef EVERPROF_SERVER_COURIER_WIRE_H
#define EVERPROF_SERVER_COURIER_WIRE_H

#include <stdint.h>

#include "user/server/courier.h"

#define COURIER_MAGIC 0x31726372u
#define COURIER_FD    3

struct courier_post {
	uint32_t magic, timeout_ms;
	uint64_t id;
	char url[COURIER_URL_MAX], ca_file[COURIER_CA_MAX];
};

struct courier_result {
	uint32_t magic;
	int32_t status, error; /* of HTTP; of libcurl */
	uint32_t after_s;
	uint64_t id;
	char text[COURIER_TEXT_MAX];
};

#endif
