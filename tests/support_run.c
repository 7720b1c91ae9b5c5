/* SPDX-License-Identifier: BSD-2-Clause */
/* The runner of the tests, children and threads: see support.h. */
#include "support.h"

#include <fcntl.h>
#include <pthread.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>

#define TESTS_MAX 256
#define REASON_BYTES 256
#define SKIP_STATUS 77

static struct test tests[TESTS_MAX];
static size_t tests_count;

/* Shared with the child that runs a test. */
static char *skip_reason;

void test_register(const char *name, test_body *body, unsigned int seconds)
{
	if (tests_count == TESTS_MAX)
		abort();
	tests[tests_count++] = (struct test){ name, body, seconds };
}

void test_skip(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(skip_reason, REASON_BYTES, format, args);
	va_end(args);
	skip();
	abort();
}

void test_say(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	fputc('\n', stderr);
}

bool test_is_sanitized(void)
{
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
	return true;
#else
	return false;
#endif
}

static const struct test *running;

/* cmocka catches SIGSEGV and its like and goes on; a test of ours had better die. */
static void run_body(void **state)
{
	static const int caught[] = { SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGSYS };

	for (size_t i = 0; i < COUNT_OF(caught); i++)
		signal(caught[i], SIG_DFL);
	running->body(state);
}

static int run_here(const struct test *test)
{
	const struct CMUnitTest one = { test->name, run_body, NULL, NULL, NULL };

	running = test;
	cmocka_set_message_output(CM_OUTPUT_STDOUT);
	return _cmocka_run_group_tests(test->name, &one, 1, NULL, NULL);
}

/* Where others have the processors, a test gets its seconds a few times over. */
#define PATIENCE 4

static unsigned int seconds;
static int patience = PATIENCE;

static bool machine_is_busy(void)
{
	char load[8] = "";
	const int fd = open("/proc/loadavg", O_RDONLY | O_CLOEXEC);
	const ssize_t n = read(fd, load, sizeof(load) - 1);

	close(fd);
	return n > 0 && atoi(load) > sysconf(_SC_NPROCESSORS_ONLN);
}

static void on_alarm(int signal_)
{
	const int saved = errno;

	if (patience-- > 0 && machine_is_busy()) {
		alarm(seconds);
	} else {
		signal(signal_, SIG_DFL);
		kill(getpid(), signal_);
	}
	errno = saved;
}

static void limit_time(const struct test *test)
{
	const struct sigaction action = { .sa_handler = on_alarm, .sa_flags = SA_RESTART };

	seconds = test->seconds * (test_is_sanitized() ? 10 : 1);
	sigaction(SIGALRM, &action, NULL);
	alarm(seconds);
}

static void run_in_child(const struct test *test, int output)
{
	const struct rlimit no_core = { 0, 0 };
	int failed;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	setrlimit(RLIMIT_CORE, &no_core);
	dup2(output, STDOUT_FILENO);
	dup2(output, STDERR_FILENO);
	close(output);
	setvbuf(stdout, NULL, _IOLBF, 0);
	limit_time(test);
	failed = run_here(test);
	fflush(stdout);
	if (skip_reason[0])
		_exit(SKIP_STATUS);
	_exit(failed ? 1 : 0);
}

static void print_output(int output)
{
	FILE *lines = fdopen(output, "r");
	char line[1024];

	if (!lines)
		return;
	rewind(lines);
	while (fgets(line, sizeof(line), lines))
		printf("# %s%s", line, strchr(line, '\n') ? "" : "\n");
	fclose(lines);
}

static bool print_result(size_t number, const struct test *test, int status)
{
	const bool left = WIFEXITED(status);

	if (left && WEXITSTATUS(status) == 0) {
		printf("ok %zu - %s\n", number, test->name);
		return true;
	}
	if (left && WEXITSTATUS(status) == SKIP_STATUS) {
		printf("ok %zu - %s # SKIP %s\n", number, test->name, skip_reason);
		return true;
	}
	printf("not ok %zu - %s\n", number, test->name);
	if (WIFSIGNALED(status))
		printf("# %s\n", WTERMSIG(status) == SIGALRM
					 ? "took too long"
					 : strsignal(WTERMSIG(status)));
	return false;
}

static bool run_one(size_t number, const struct test *test)
{
	const int output = memfd_create("test output", 0);
	bool passed;
	pid_t child;
	int status;

	skip_reason[0] = '\0';
	fflush(stdout);
	child = fork();
	if (child == 0)
		run_in_child(test, output);
	if (child < 0 || waitpid(child, &status, 0) != child)
		abort();
	passed = print_result(number, test, status);
	if (passed && !getenv("TEST_TELL"))
		close(output);
	else
		print_output(output);
	fflush(stdout);
	return passed;
}

static bool is_wanted(const struct test *test, int argc, char **argv)
{
	return argc < 2 || strstr(test->name, argv[1]);
}

int main(int argc, char **argv)
{
	size_t wanted = 0, number = 0, failed = 0;

	skip_reason = mmap(NULL, REASON_BYTES, PROT_READ | PROT_WRITE,
			   MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (skip_reason == MAP_FAILED)
		return 99;
	for (size_t i = 0; i < tests_count; i++)
		wanted += is_wanted(&tests[i], argc, argv);
	printf("1..%zu\n", wanted);
	for (size_t i = 0; i < tests_count; i++) {
		if (!is_wanted(&tests[i], argc, argv))
			continue;
		if (getenv("TEST_HERE"))
			failed += run_here(&tests[i]) != 0;
		else
			failed += !run_one(++number, &tests[i]);
	}
	return failed != 0;
}

/* --------------------------------------------------------------------------- children */

int child_status(void (*fn)(void *), void *arg)
{
	const pid_t child = fork();
	int status;

	if (child == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		alarm(TEST_SECONDS);
		fn(arg);
		_exit(0);
	}
	assert_true(child > 0);
	while (waitpid(child, &status, 0) < 0)
		assert_int_equal(errno, EINTR);
	return status;
}

void assert_child_passes(void (*fn)(void *), void *arg)
{
	const int status = child_status(fn, arg);

	if (WIFSIGNALED(status))
		test_say("the child died of signal %d", WTERMSIG(status));
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
}

void assert_child_dies(int signal, void (*fn)(void *), void *arg)
{
	const int status = child_status(fn, arg);

	if (WIFEXITED(status))
		test_say("the child left with status %d", WEXITSTATUS(status));
	assert_true(WIFSIGNALED(status));
	assert_int_equal(WTERMSIG(status), signal);
}

void load_byte(void *address)
{
	(void)*(volatile char *)address;
}

void store_byte(void *address)
{
	*(volatile char *)address = 1;
}

/* ---------------------------------------------------------------------------- threads */

pthread_t thread_begin(void *(*fn)(void *), void *arg)
{
	pthread_t thread;

	assert_int_equal(pthread_create(&thread, NULL, fn, arg), 0);
	return thread;
}

void *thread_end(pthread_t thread)
{
	void *said;

	assert_int_equal(pthread_join(thread, &said), 0);
	return said;
}

void on_plain_thread(void *(*fn)(void *), void *arg)
{
	thread_end(thread_begin(fn, arg));
}

/*
 * Polled, so that announcing is safe in a signal handler and nothing hides a pointer in
 * it.
 */
void moment_announce(struct moment *moment)
{
	atomic_store(&moment->come, 1);
}

void moment_await(struct moment *moment)
{
	while (!atomic_load(&moment->come))
		sleep_ms(1);
}

uint64_t now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

void sleep_ms(unsigned int ms)
{
	struct timespec rest = { ms / 1000, (long)(ms % 1000) * 1000000 };

	/* The collector stops threads with signals. */
	while (nanosleep(&rest, &rest) && errno == EINTR)
		;
}

bool wait_until(bool (*fn)(void *), void *arg, unsigned int ms)
{
	const uint64_t end = now_ms() + ms;

	while (!fn(arg)) {
		if (now_ms() > end)
			return fn(arg);
		sleep_ms(2);
	}
	return true;
}
