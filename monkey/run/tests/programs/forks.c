/* A C program that never heard of green threads: forks that go on, and descriptors. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static void bye(void) { puts("bye"); }

static void *sleeps(void *argument)
{
	int *pipe = argument;
	struct timespec moment = { .tv_nsec = 2000000 };
	nanosleep(&moment, NULL);
	return (void *)(long)write(pipe[1], "abc", 3);
}

static int works(void)
{
	int both[2];
	char buffer[10];
	pthread_t thread;
	void *value;
	if (pipe(both) || pthread_create(&thread, NULL, sleeps, both))
		return -1;
	int count = read(both[0], buffer, sizeof buffer);
	pthread_join(thread, &value);
	close(both[0]);
	close(both[1]);
	return count + (int)(long)value;
}

static void ended(const char *what, pid_t child)
{
	int status;
	waitpid(child, &status, 0);
	printf("%s: %d\n", what, WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status));
	fflush(stdout);
}

static void *forks(void *argument)
{
	pid_t child;
	if (!(child = fork()))
		pthread_exit(argument);
	ended("left", child);
	if (!(child = fork()))
		return argument;
	ended("returned", child);
	if (!(child = fork()))
		exit(works());
	ended("worked", child);
	if (!(child = fork()))
		pause();
	kill(child, SIGTERM);
	ended("killed", child);
	if (!(child = vfork())) {
		execlp("echo", "echo", "of", "vfork", NULL);
		_exit(1);
	}
	ended("vfork", child);
	if (!(child = fork())) {
		char *environment[] = { "ONLY=this", NULL };
		execle("/usr/bin/env", "env", NULL, environment);
	}
	ended("execle", child);
	if (!(child = fork())) {
		if (daemon(1, 1) == 0)
			_exit(0);
	}
	ended("daemon", child);
	return NULL;
}

int main(void)
{
	pthread_t thread;
	atexit(bye);
	pthread_create(&thread, NULL, forks, NULL);
	pthread_join(thread, NULL);
	closefrom(3);
	for (int fd = 3; fd < 2000; fd++)
		if (close(fd) == 0)
			puts("open");
	printf("first %d, works %d\n", open("/dev/null", O_RDONLY), works());
	return 0;
}
