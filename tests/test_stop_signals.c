/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Signals of the host's that come while it is stopped, or as it is: each arrives, once.
 */
#include "stopping.h"

#include <fcntl.h>
#include <sched.h>
#include <sys/epoll.h>
#include <sys/syscall.h>

#include "os/thread.h"

/* ------------------------------------------------------------------ signals meanwhile */

#define LIST 4096

static struct {
	_Atomic int count;
	int value[LIST];
} handled;

static void note_signal(int signal UNUSED, siginfo_t *info, void *context UNUSED)
{
	const int n = handled.count;

	handled.value[n % LIST] = info->si_value.sival_int;
	handled.count = n + 1;
}

static void handle(int signal)
{
	struct sigaction action = { .sa_sigaction = note_signal, .sa_flags = SA_SIGINFO };

	assert_int_equal(sigaction(signal, &action, NULL), 0);
}

struct sending {
	pid_t host;
	pid_t tid;
	int signal;
	int times;
	int handled_meanwhile;
};

static bool all_handled(void *arg)
{
	return handled.count >= *(int *)arg;
}

static void send_to_thread(struct stop *s UNUSED, void *arg)
{
	struct sending *sending = arg;

	for (int i = 0; i < sending->times; i++) {
		siginfo_t info = { .si_signo = sending->signal, .si_code = SI_QUEUE };

		info.si_value.sival_int = i;
		syscall(SYS_rt_tgsigqueueinfo, sending->host, sending->tid,
			sending->signal, &info);
	}
	thread_nap(5 * NS_PER_MS);
	sending->handled_meanwhile = handled.count;
}

static void assert_handled_after(int signal, int times)
{
	struct sending sending = { .host = getpid(), .signal = signal, .times = times };
	struct spinner spinner = { 0 };

	handle(signal);
	spinner_begin(&spinner);
	sending.tid = spinner.tid;
	assert_int_equal(stop_for(send_to_thread, &sending), 0);
	assert_int_equal(sending.handled_meanwhile, 0);
	assert_true(wait_until(all_handled, &times, 10000));
	sleep_ms(20);
	assert_int_equal(handled.count, times);
	for (int i = 0; i < times; i++)
		assert_int_equal(handled.value[i], i);
	spinner_end(&spinner);
}

TEST(a_signal_sent_meanwhile_is_delivered_once_afterwards)
{
	assert_handled_after(SIGUSR1, 1);
}

TEST(queued_signals_sent_meanwhile_are_all_delivered_in_order)
{
	assert_handled_after(SIGRTMIN + 3, 5);
}

static void send_to_process(struct stop *s UNUSED, void *arg)
{
	const struct sending *sending = arg;

	kill(sending->host, sending->signal);
}

TEST(a_signal_sent_to_the_process_meanwhile_is_delivered_once)
{
	struct sending sending = { .host = getpid(), .signal = SIGUSR2 };
	struct spinner spinner = { 0 };
	int once = 1;

	handle(SIGUSR2);
	spinner_begin(&spinner);
	assert_int_equal(stop_for(send_to_process, &sending), 0);
	assert_true(wait_until(all_handled, &once, 10000));
	sleep_ms(20);
	assert_int_equal(handled.count, 1);
	spinner_end(&spinner);
}

static void be_ended_meanwhile(void *arg UNUSED)
{
	struct sending sending = { .host = getpid(), .signal = SIGTERM };
	struct spinner spinner = { 0 };

	spinner_begin(&spinner);
	(void)stop_for(send_to_process, &sending);
	sleep_ms(10000);
}

TEST(a_signal_that_ends_the_process_does)
{
	need_companion();
	assert_child_dies(SIGTERM, be_ended_meanwhile, NULL);
}

/* One thread sends numbered signals to another the whole time, never too many at once. */
struct stream {
	struct spinner to;
	_Atomic bool end;
	int sent;
};

static void *send_on(void *arg)
{
	struct stream *stream = arg;

	while (!stream->end && stream->sent < LIST) {
		if (stream->sent - handled.count < 20 &&
		    pthread_sigqueue(stream->to.thread, SIGRTMIN + 3,
				     (union sigval){ .sival_int = stream->sent }) == 0)
			stream->sent++;
	}
	return NULL;
}

/* So some meet the thread just as it is being stopped. */
TEST(signals_that_come_all_the_time_are_each_delivered_once_in_order)
{
	struct stream stream = { 0 };
	pthread_t sender;

	handle(SIGRTMIN + 3);
	spinner_begin(&stream.to);
	sender = thread_begin(send_on, &stream);
	for (int i = 0; i < 300 && stream.sent < LIST; i++)
		assert_int_equal(stop_for(NULL, NULL), 0);
	stream.end = true;
	thread_end(sender);
	assert_true(wait_until(all_handled, &stream.sent, 10000));
	assert_int_equal(handled.count, stream.sent);
	for (int i = 0; i < stream.sent; i++)
		assert_int_equal(handled.value[i], i);
	spinner_end(&stream.to);
}

/* ------------------------------------------------------------------ signals and calls */

/* A thread in epoll_wait(). */
struct waiter {
	int ms;
	int result;
	int error;
	_Atomic pid_t tid;
	_Atomic bool returned;
	pthread_t thread;
};

static void *wait_for_events(void *arg)
{
	struct waiter *waiter = arg;
	const int epoll = epoll_create1(EPOLL_CLOEXEC);
	struct epoll_event event;

	waiter->tid = thread_tid();
	errno = 0;
	waiter->result = epoll_wait(epoll, &event, 1, waiter->ms);
	waiter->error = errno;
	waiter->returned = true;
	close(epoll);
	return NULL;
}

static void waiter_begin(struct waiter *waiter)
{
	waiter->thread = thread_begin(wait_for_events, waiter);
	while (!waiter->tid)
		sleep_ms(1);
	sleep_ms(20); /* until it sleeps */
}

static bool has_returned(void *arg)
{
	return ((struct waiter *)arg)->returned;
}

TEST(a_signal_of_the_hosts_still_interrupts)
{
	struct sending sending = { .host = getpid(), .signal = SIGUSR1, .times = 1 };
	struct waiter waiter = { .ms = -1 };

	handle(SIGUSR1);
	waiter_begin(&waiter);
	sending.tid = waiter.tid;
	assert_int_equal(stop_for(send_to_thread, &sending), 0);
	assert_true(wait_until(has_returned, &waiter, 10000));
	thread_end(waiter.thread);
	assert_int_equal(waiter.result, -1);
	assert_int_equal(waiter.error, EINTR);
	assert_int_equal(handled.count, 1);
}

TEST(one_that_is_ignored_does_not)
{
	struct sending sending = { .host = getpid(), .signal = SIGURG, .times = 1 };
	struct waiter waiter = { .ms = 300 };

	waiter_begin(&waiter);
	sending.tid = waiter.tid;
	assert_int_equal(stop_for(send_to_thread, &sending), 0);
	sending.signal = SIGUSR1;
	signal(SIGUSR1, SIG_IGN);
	assert_int_equal(stop_for(send_to_thread, &sending), 0);
	thread_end(waiter.thread);
	assert_int_equal(waiter.result, 0);
}

/*
 * A thread opens the signal in its call only, so that each signal must interrupt a call,
 * also where a stop meets it; it is sent again only after that.
 */
struct counting {
	_Atomic int interrupted;
	_Atomic int in_vain;
	_Atomic bool end;
	_Atomic int stop_failed;
};

static void *count_interruptions(void *arg)
{
	const int epoll = epoll_create1(EPOLL_CLOEXEC);
	struct counting *c = arg;
	struct epoll_event event;
	sigset_t blocked, none;

	sigemptyset(&none);
	sigemptyset(&blocked);
	sigaddset(&blocked, SIGUSR1);
	pthread_sigmask(SIG_BLOCK, &blocked, NULL);
	while (!c->end) {
		if (epoll_pwait(epoll, &event, 1, -1, &none) != -1 || errno != EINTR)
			continue;
		c->in_vain += handled.count == c->interrupted;
		c->interrupted = handled.count;
	}
	close(epoll);
	return NULL;
}

static void *stop_on(void *arg)
{
	struct counting *c = arg;

	while (!c->end && !c->stop_failed)
		c->stop_failed = stop_for(NULL, NULL);
	return NULL;
}

static bool is_interrupted(void *arg)
{
	struct counting *c = arg;

	return c->interrupted == handled.count;
}

#define SIGNALS 400

TEST(each_signal_interrupts_one_call_and_nothing_else_does)
{
	struct counting c = { 0 };
	pthread_t counter, stopper;

	need_companion();
	handle(SIGUSR1);
	counter = thread_begin(count_interruptions, &c);
	sleep_ms(20);
	stopper = thread_begin(stop_on, &c);
	for (int i = 1; i <= SIGNALS; i++) {
		pthread_kill(counter, SIGUSR1);
		assert_true(wait_until(all_handled, &i, 10000));
		assert_true(wait_until(is_interrupted, &c, 10000));
	}
	c.end = true;
	pthread_kill(counter, SIGUSR1);
	thread_end(counter);
	thread_end(stopper);
	assert_int_equal(c.in_vain, 0);
	assert_int_equal(c.stop_failed, 0);
}

/* ------------------------------------------------------------------------ job control */

static char state_of(pid_t pid)
{
	char path[64], text[256];
	const char *name_end;
	ssize_t n;
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	n = read(fd, text, sizeof(text) - 1);
	close(fd);
	text[n > 0 ? n : 0] = '\0';
	name_end = strrchr(text, ')');
	return name_end ? name_end[2] : '?';
}

struct progress {
	struct spinner spinner;
	_Atomic int stops;
};

/* In a child, which its parent stops and continues. */
static void *stop_from_thread(void *arg)
{
	struct progress *progress = arg;

	for (;;) {
		child_check(stop_for(NULL, NULL) == 0);
		progress->stops++;
		sleep_ms(1);
	}
	return NULL;
}

static void live_on(struct progress *progress)
{
	spinner_begin(&progress->spinner);
	stop_from_thread(progress);
}

static bool is_stopped(void *arg)
{
	return state_of(*(pid_t *)arg) == 'T';
}

static void assert_goes_on(struct progress *progress)
{
	const int stops = progress->stops;
	const uint64_t end = now_ms() + 10000;

	assert_spins(&progress->spinner);
	while (progress->stops < stops + 2) {
		assert_true(now_ms() < end);
		sleep_ms(1);
	}
}

TEST(a_process_that_is_suspended_stays_so_and_goes_on_when_continued)
{
	struct progress *progress = mmap(NULL, page_size(), PROT_READ | PROT_WRITE,
					 MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	uint64_t count;
	pid_t child;

	need_companion();
	child = fork();
	if (child == 0)
		live_on(progress);
	while (!progress->stops)
		sleep_ms(1);
	for (int i = 0; i < 20; i++) {
		assert_goes_on(progress);
		kill(child, SIGSTOP);
		assert_true(wait_until(is_stopped, &child, 10000));
		sleep_ms(10); /* until a companion that was at it has let go */
		count = progress->spinner.count;
		sleep_ms(10);
		assert_int_equal(progress->spinner.count, count);
		assert_int_equal(state_of(child), 'T');
		kill(child, SIGCONT);
	}
	assert_goes_on(progress);
	kill(child, SIGKILL);
}

struct suspended {
	pid_t host;
	char before;
	char after;
	int result;
};

static void suspend(struct stop *s UNUSED, void *arg)
{
	const struct suspended *suspended = arg;

	kill(suspended->host, SIGSTOP);
}

static void *resume_later(void *arg)
{
	struct suspended *suspended = arg;

	/* Another process: all threads of this one are to be suspended. */
	if (fork() == 0) {
		sleep_ms(300);
		kill(suspended->host, SIGCONT);
		_exit(0);
	}
	return NULL;
}

TEST(one_that_is_suspended_meanwhile_is_suspended_afterwards)
{
	struct suspended suspended = { .host = getpid() };
	struct spinner spinner = { 0 };
	uint64_t before = now_ms();

	spinner_begin(&spinner);
	resume_later(&suspended);
	assert_int_equal(stop_for(suspend, &suspended), 0);
	assert_true(now_ms() - before >= 250);
	assert_spins(&spinner);
	spinner_end(&spinner);
}
