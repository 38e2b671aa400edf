/* SPDX-License-Identifier: Apache-2.0 */
/* The server of a real agent behind TLS: by certificates it is told who may come in. */
#include "tests/e2e/e2e.h"
#include "tests/support/agent.h"

static void shell(const char *const *argv, const char *want)
{
	struct run run = {0};
	int status = -1;

	assert_int_equal(run__to_end(&run, 30000, &status, argv), 0);
	if (status || (want && strcmp(run__out(&run), want)))
		fail_msg("%s: exit status %d, '%s', %s", argv[0], status, run__out(&run), run__errors(&run));
	run__done(&run);
}

/* A key and a certificate that vouches for itself: <dir>/NAME.key, <dir>/NAME.pem */
static void make_certificate(struct recording *r, const char *name)
{
	char key[200], pem[200], subject[100];

	snprintf(key, sizeof(key), "%s/%s.key", r->dir, name);
	snprintf(pem, sizeof(pem), "%s/%s.pem", r->dir, name);
	snprintf(subject, sizeof(subject), "/CN=%s", name);
	shell(ARGS("/usr/bin/openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", key,
		   "-out", pem, "-days", "2", "-subj", subject),
	      NULL);
}

static void only_certificates_that_are_known_come_in(void **state)
{
	struct recording *r = *state;
	char more[800], config[1200], url[100], known[200], known_key[200], other[200], other_key[200];
	int port;

	make_certificate(r, "server");
	make_certificate(r, "known");
	make_certificate(r, "other");
	snprintf(
		more, sizeof(more),
		"  tls_certificate: %s/server.pem\n  tls_key: %s/server.key\n  tls_client_ca: %s/known.pem\n",
		r->dir, r->dir, r->dir);
	snprintf(config, sizeof(config),
		 "profiling:\n  output: {directory: %s/store}\nserver:\n  listen: 127.0.0.1:0\n%s", r->dir,
		 more);
	agent__write_config(r, config);
	agent__launch(r);
	port = agent__expect_port(r, "https");
	snprintf(url, sizeof(url), "https://localhost:%d/healthz", port);
	snprintf(known, sizeof(known), "%s/known.pem", r->dir);
	snprintf(known_key, sizeof(known_key), "%s/known.key", r->dir);
	snprintf(other, sizeof(other), "%s/other.pem", r->dir);
	snprintf(other_key, sizeof(other_key), "%s/other.key", r->dir);
#define CURL                                                                                                \
	"/usr/bin/curl", "-s", "-k", "-m", "20", "--retry", "20", "--retry-connrefused", "-o", "/dev/null", \
		"-w", "%{http_code}"
	shell(ARGS(CURL, url), "403");
	shell(ARGS(CURL, "--cert", known, "--key", known_key, url), "200");
	shell(ARGS(CURL, "--cert", other, "--key", other_key, url), "403");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		e2e_test(only_certificates_that_are_known_come_in),
	};

	return cmocka_run_group_tests_name("certificate", tests, NULL, NULL);
}
