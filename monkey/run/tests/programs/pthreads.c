/* A C program that never heard of green threads: what pthreads promise. */
#define _GNU_SOURCE
#include <errno.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <threads.h>
#include <time.h>
#include <unistd.h>

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static int ready, ended, cleaned;
static sem_t semaphore;
static pthread_key_t key;
static _Thread_local int local = 5;

static void on_end(void *value) { __sync_fetch_and_add(&ended, *(int *)value); free(value); }

static void *counted(void *argument)
{
	int *value = malloc(sizeof *value);
	*value = (int)(long)argument;
	pthread_setspecific(key, value);
	local += *value;
	pthread_mutex_lock(&lock);
	while (!ready)
		pthread_cond_wait(&changed, &lock);
	pthread_mutex_unlock(&lock);
	sem_wait(&semaphore);
	sem_post(&semaphore);
	return (void *)(long)local;
}

static void cleanup(void *argument) { cleaned += (int)(long)argument; }

static void leave(void) { pthread_exit((void *)77); }

static void *leaves(void *argument)
{
	(void)argument;
	pthread_cleanup_push(cleanup, (void *)1);
	pthread_cleanup_push(cleanup, (void *)2);
	leave();
	pthread_cleanup_pop(0);
	pthread_cleanup_pop(0);
	return NULL;
}

static void *detached(void *argument)
{
	(void)argument;
	pthread_detach(pthread_self());
	usleep(1000);
	sem_post(&semaphore);
	return NULL;
}

static void *itself(void *argument)
{
	pthread_t *id = argument;
	while (!__atomic_load_n(id, __ATOMIC_SEQ_CST))
		sched_yield();
	char name[16];
	pthread_setname_np(pthread_self(), "a long name 15b");
	pthread_getname_np(pthread_self(), name, sizeof name);
	pthread_attr_t attributes;
	void *low;
	size_t size;
	int here;
	pthread_getattr_np(pthread_self(), &attributes);
	pthread_attr_getstack(&attributes, &low, &size);
	int inside = (char *)&here > (char *)low && (char *)&here < (char *)low + size;
	printf("self %d, name %s, stack %d %d, join %d\n", pthread_equal(*id, pthread_self()), name,
	       inside, size >= 1 << 20, pthread_join(pthread_self(), NULL));
	return NULL;
}

static int c11(void *argument) { return *(int *)argument + 1; }

static volatile sig_atomic_t caught;
static void on_signal(int number) { caught += number; }

static void *waits_for_signals(void *argument)
{
	int number = 0;
	sigwait(argument, &number);
	return (void *)(long)number;
}

static void signals(void)
{
	sigset_t set, old;
	struct sigaction action = { .sa_handler = on_signal };
	sigaction(SIGUSR1, &action, NULL);
	raise(SIGUSR1);
	printf("raised %d\n", caught == SIGUSR1);
	kill(getpid(), SIGUSR1);
	printf("killed %d\n", caught == 2 * SIGUSR1);
	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	pthread_sigmask(SIG_BLOCK, &set, &old);
	kill(getpid(), SIGUSR1);
	printf("blocked %d\n", caught == 2 * SIGUSR1);
	sigsuspend(&old);
	printf("suspended %d\n", caught == 3 * SIGUSR1);
	pthread_t thread;
	void *number;
	pthread_create(&thread, NULL, waits_for_signals, &set);
	usleep(1000);
	kill(getpid(), SIGUSR1);
	pthread_join(thread, &number);
	printf("waited %d\n", (long)number == SIGUSR1 && caught == 3 * SIGUSR1);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
}

static void children(void)
{
	int status = 0;
	pid_t child = fork();
	if (!child) {
		pthread_t thread;
		void *value = NULL;
		ready = 1;
		pthread_create(&thread, NULL, counted, (void *)3L);
		pthread_join(thread, &value);
		exit((int)(long)value);
	}
	waitpid(child, &status, 0);
	printf("child %d\n", WEXITSTATUS(status));
	printf("system %d\n", WEXITSTATUS(system("exit 3")));
	child = fork();
	if (!child) {
		execl("/bin/sh", "sh", "-c",
		      "grep '^SigBlk:.0000000000000000$' /proc/self/status >/dev/null", NULL);
		_exit(99);
	}
	waitpid(child, &status, 0);
	printf("unblocked %d\n", WEXITSTATUS(status));
	FILE *pipe = popen("grep -c '^SigBlk:.0000000000000000$' /proc/self/status", "r");
	char line[10] = "";
	if (!fgets(line, sizeof line, pipe))
		puts("nothing");
	printf("popen %d %d\n", atoi(line), pclose(pipe));
	printf("system %d\n", system("grep '^SigBlk:.0000000000000000$' /proc/self/status >/dev/null"));
}

int main(void)
{
	enum { COUNT = 50 };
	pthread_t threads[COUNT];
	void *value;
	long sum = 0;
	setvbuf(stdout, NULL, _IOLBF, 0);
	pthread_key_create(&key, on_end);
	sem_init(&semaphore, 0, 1);
	for (long i = 0; i < COUNT; i++)
		pthread_create(&threads[i], NULL, counted, (void *)i);
	pthread_mutex_lock(&lock);
	ready = 1;
	pthread_cond_broadcast(&changed);
	pthread_mutex_unlock(&lock);
	for (int i = 0; i < COUNT; i++) {
		pthread_join(threads[i], &value);
		sum += (long)value;
	}
	printf("sum %ld, local %d, ended %d\n", sum, local, ended);

	pthread_create(&threads[0], NULL, leaves, NULL);
	pthread_join(threads[0], &value);
	printf("left %ld, cleaned %d\n", (long)value, cleaned);

	sem_wait(&semaphore);
	pthread_create(&threads[0], NULL, detached, NULL);
	sem_wait(&semaphore);
	sem_post(&semaphore);
	pthread_attr_t attributes;
	pthread_attr_init(&attributes);
	pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
	pthread_attr_setstacksize(&attributes, 4 << 20);
	sem_wait(&semaphore);
	pthread_create(&threads[0], &attributes, counted, NULL);
	printf("join of a detached one %d, detach %d\n", pthread_join(threads[0], NULL) == EINVAL,
	       pthread_detach(threads[0]) == EINVAL);
	sem_post(&semaphore);

	pthread_t id = 0;
	pthread_create(&threads[0], NULL, itself, &id);
	__atomic_store_n(&id, threads[0], __ATOMIC_SEQ_CST);
	pthread_join(threads[0], NULL);

	sem_wait(&semaphore);
	pthread_create(&threads[0], NULL, counted, NULL);
	struct timespec soon;
	clock_gettime(CLOCK_REALTIME, &soon);
	soon.tv_nsec += 20000000;
	soon.tv_sec += soon.tv_nsec / 1000000000;
	soon.tv_nsec %= 1000000000;
	printf("timed %d, try %d\n", pthread_timedjoin_np(threads[0], NULL, &soon) == ETIMEDOUT,
	       pthread_tryjoin_np(threads[0], NULL) == EBUSY);
	sem_post(&semaphore);
	printf("join %d\n", pthread_join(threads[0], &value));

	thrd_t thread;
	int result = 0, argument = 41;
	thrd_create(&thread, c11, &argument);
	thrd_join(thread, &result);
	printf("c11 %d, main's number %d\n", result, gettid() == getpid());
	signals();
	children();
	return 42;
}
