/* The first frame of a thread, and the calls with a varying number of arguments. */

#define _GNU_SOURCE
#include <pthread.h>
#include <stdarg.h>
#include <stddef.h>
#include <unistd.h>

/* setjmp(3), as pthread.h has it for cleanup handlers: the C library's own pthread_exit jumps here
 * once it has unwound the frames above. */
extern int set_jump(void *buffer, int mask) __asm__("__sigsetjmp") __attribute__((returns_twice));
extern void __pthread_register_cancel(__pthread_unwind_buf_t *buffer);
extern void __pthread_unregister_cancel(__pthread_unwind_buf_t *buffer);

/* Calls start(argument). *left says whether it has ended by pthread_exit. */
void *greenloop_run_call(void *(*start)(void *), void *argument, volatile int *left)
{
	__pthread_unwind_buf_t buffer;
	if (set_jump(buffer.__cancel_jmp_buf, 0)) {
		*left = 1;
		__pthread_unregister_cancel(&buffer);
		return NULL;
	}
	__pthread_register_cancel(&buffer);
	void *value = start(argument);
	__pthread_unregister_cancel(&buffer);
	return value;
}

struct program {
	int (*main)(int, char **, char **);
	int count;
	char **arguments;
	char **environment;
};

/* main as a thread's function. */
void *greenloop_run_main(void *program)
{
	const struct program *it = program;
	return (void *)(long)it->main(it->count, it->arguments, it->environment);
}

static size_t count(va_list rest)
{
	size_t count = 1;
	while (va_arg(rest, char *))
		count++;
	return count;
}

static void collect(char **all, const char *first, va_list rest)
{
	*all++ = (char *)first;
	if (first)
		while ((*all++ = va_arg(rest, char *)))
			;
}

/* All arguments into an array `all`; `rest` is left behind their end. */
#define COLLECT(first)                                                                             \
	va_list rest;                                                                              \
	va_start(rest, first);                                                                     \
	size_t length = first ? count(rest) + 1 : 1;                                               \
	va_end(rest);                                                                              \
	char *all[length];                                                                         \
	va_start(rest, first);                                                                     \
	collect(all, first, rest)

int greenloop_run_execl(const char *path, const char *first, ...)
{
	COLLECT(first);
	va_end(rest);
	return execv(path, all);
}

int greenloop_run_execlp(const char *file, const char *first, ...)
{
	COLLECT(first);
	va_end(rest);
	return execvp(file, all);
}

int greenloop_run_execle(const char *path, const char *first, ...)
{
	COLLECT(first);
	char **environment = va_arg(rest, char **);
	va_end(rest);
	return execve(path, all, environment);
}
