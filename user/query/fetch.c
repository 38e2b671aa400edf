/* SPDX-License-Identifier: Apache-2.0 */
#include "user/query/fetch.h"

#include <curl/curl.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "user/base/buf.h"
#include "user/base/err.h"

#define CONNECT_SECONDS 10L
#define ANSWER_SECONDS  60L
#define RECORDING_MAX   86400L
#define REDIRECTS_MAX   3L
#define REASON_MAX      200 /* of what a server says that it has not */

bool fetch__is_url(const char *path)
{
	return !strncmp(path, "http://", 7) || !strncmp(path, "https://", 8);
}

/* What it takes to record, where that is asked for. */
static long recording_seconds(const char *url)
{
	const char *at = strpbrk(url, "?");
	long seconds = 0;

	while (at && strncmp(at + 1, "seconds=", 8))
		at = strchr(at + 1, '&');
	if (at)
		seconds = strtol(at + 9, NULL, 10);
	return seconds > 0 && seconds < RECORDING_MAX ? seconds : 0;
}

static size_t take(char *bytes, size_t size, size_t n, void *ctx)
{
	buf__append(ctx, bytes, size * n);
	return buf__err(ctx) ? 0 : size * n;
}

/* Its first line, as far as it can be printed. */
static void refused(const char *url, long status, struct buf *answer, struct err *e)
{
	const char *text = buf__str(answer);
	int len = 0;

	while (len < REASON_MAX && (text[len] & 0x80 || (text[len] >= ' ' && text[len] != 0x7f)))
		len++;
	err__set(e, -EIO, "'%s' answers %ld%s%.*s", url, status, len ? ": " : "", len, text);
}

int fetch__url(const char *url, size_t limit, struct buf *to, struct err *e)
{
	CURL *curl = curl_easy_init();
	long status = 0;
	CURLcode code;
	int err = 0;

	if (!curl)
		return err__set(e, -ENOMEM, "'%s': out of memory", url);
	curl_easy_setopt(curl, CURLOPT_URL, url);
	curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https");
	curl_easy_setopt(curl, CURLOPT_REDIR_PROTOCOLS_STR, "http,https");
	curl_easy_setopt(curl, CURLOPT_FOLLOWLOCATION, 1L);
	curl_easy_setopt(curl, CURLOPT_MAXREDIRS, REDIRECTS_MAX);
	curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT, CONNECT_SECONDS);
	curl_easy_setopt(curl, CURLOPT_TIMEOUT, ANSWER_SECONDS + recording_seconds(url));
	curl_easy_setopt(curl, CURLOPT_MAXFILESIZE_LARGE, (curl_off_t)limit);
	curl_easy_setopt(curl, CURLOPT_USERAGENT, "everprof/" EVERPROF_VERSION);
	curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, take);
	curl_easy_setopt(curl, CURLOPT_WRITEDATA, to);
	code = curl_easy_perform(curl);
	curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
	curl_easy_cleanup(curl);
	if (code == CURLE_FILESIZE_EXCEEDED || buf__err(to) == -E2BIG)
		err = err__set(e, -E2BIG, "'%s': more than %zu MiB", url, limit >> 20);
	else if (code)
		err = err__set(e, code == CURLE_OPERATION_TIMEDOUT ? -ETIMEDOUT : -EIO,
			       "cannot read '%s': %s", url, curl_easy_strerror(code));
	else if (status != 200)
		refused(url, status, to, e);
	return code || err ? err : status == 200 ? 0 : -EIO;
}
