//! The symbols, a file for each family of calls.

mod acquire;
mod barrier;
mod c11;
mod close;
mod condition;
mod connect;
mod dns;
mod file_lock;
mod fs;
mod futex;
mod identity;
pub(crate) mod io;
mod join;
mod mode;
mod mutex;
mod once;
mod poll;
mod process;
mod rwlock;
mod semaphore;
mod signal;
mod socket;
mod spin;
mod splice;
mod time;
mod until;

/// The names of all hooks; `hook!` sees to it that none is missing.
pub(crate) const NAMES: &[&str] = &[
    "accept",
    "accept4",
    "call_once",
    "clock_nanosleep",
    "close",
    "close_range",
    "closefrom",
    "cnd_broadcast",
    "cnd_signal",
    "cnd_timedwait",
    "cnd_wait",
    "connect",
    "__cxa_thread_atexit_impl",
    "dup2",
    "dup3",
    "epoll_pwait",
    "epoll_pwait2",
    "epoll_wait",
    "exit",
    "fclose",
    "fcntl",
    "fcntl64",
    "fdatasync",
    "flock",
    "_Fork",
    "fstat",
    "fstat64",
    "fstatat",
    "fstatat64",
    "fsync",
    "ftruncate",
    "ftruncate64",
    "getaddrinfo",
    "gethostbyaddr",
    "gethostbyaddr_r",
    "gethostbyname",
    "gethostbyname2",
    "gethostbyname2_r",
    "gethostbyname_r",
    "getnameinfo",
    "initgroups",
    "ioctl",
    "lockf",
    "lockf64",
    "lstat",
    "lstat64",
    "mtx_lock",
    "mtx_timedlock",
    "mtx_unlock",
    "nanosleep",
    "open",
    "open64",
    "openat",
    "openat64",
    "pause",
    "pclose",
    "poll",
    "__poll_chk",
    "ppoll",
    "__ppoll_chk",
    "pread",
    "pread64",
    "preadv",
    "preadv2",
    "preadv64",
    "preadv64v2",
    "pselect",
    "pthread_barrier_wait",
    "pthread_cancel",
    "pthread_clockjoin_np",
    "pthread_cond_broadcast",
    "pthread_cond_clockwait",
    "pthread_cond_signal",
    "pthread_cond_timedwait",
    "pthread_cond_wait",
    "pthread_exit",
    "pthread_getattr_np",
    "pthread_join",
    "pthread_key_create",
    "pthread_key_delete",
    "pthread_mutex_clocklock",
    "pthread_mutex_lock",
    "pthread_mutex_timedlock",
    "pthread_mutex_trylock",
    "pthread_mutex_unlock",
    "pthread_once",
    "pthread_rwlock_clockrdlock",
    "pthread_rwlock_clockwrlock",
    "pthread_rwlock_rdlock",
    "pthread_rwlock_timedrdlock",
    "pthread_rwlock_timedwrlock",
    "pthread_rwlock_unlock",
    "pthread_rwlock_wrlock",
    "pthread_spin_lock",
    "pthread_timedjoin_np",
    "pwrite",
    "pwrite64",
    "pwritev",
    "pwritev2",
    "pwritev64",
    "pwritev64v2",
    "read",
    "__read_chk",
    "readv",
    "recv",
    "__recv_chk",
    "recvfrom",
    "__recvfrom_chk",
    "recvmmsg",
    "recvmsg",
    "rename",
    "res_nquery",
    "res_nquerydomain",
    "res_nsearch",
    "res_nsend",
    "res_query",
    "res_querydomain",
    "res_search",
    "res_send",
    "sched_yield",
    "select",
    "sem_clockwait",
    "sem_post",
    "sem_timedwait",
    "sem_wait",
    "send",
    "sendfile",
    "sendfile64",
    "sendmmsg",
    "sendmsg",
    "sendto",
    "setegid",
    "seteuid",
    "setgid",
    "setgroups",
    "setregid",
    "setresgid",
    "setresuid",
    "setreuid",
    "setuid",
    "sigsuspend",
    "sigtimedwait",
    "sigwait",
    "sigwaitinfo",
    "sleep",
    "splice",
    "stat",
    "stat64",
    "statx",
    "syscall",
    "system",
    "thrd_join",
    "thrd_sleep",
    "thrd_yield",
    "unlink",
    "usleep",
    "wait",
    "wait3",
    "wait4",
    "waitid",
    "waitpid",
    "write",
    "writev",
];

/// Is this the name of a hook?
pub(crate) const fn has(name: &str) -> bool {
    let mut index = 0;
    while index < NAMES.len() {
        if is_same(NAMES[index].as_bytes(), name.as_bytes()) {
            return true;
        }
        index += 1;
    }
    false
}

const fn is_same(one: &[u8], other: &[u8]) -> bool {
    let mut index = 0;
    while index < one.len() && index < other.len() && one[index] == other[index] {
        index += 1;
    }
    index == one.len() && index == other.len()
}

#[cfg(test)]
mod tests {
    use std::fs;

    #[test]
    fn those_without_the_macro_are_named_as_well() {
        // Put together here, so that this file passes.
        let mark = ["#[unsafe(", "no_mangle)]"].concat();
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/src/hooks");
        for file in fs::read_dir(folder).unwrap() {
            let text = fs::read_to_string(file.unwrap().path()).unwrap();
            let symbols = text.split(&mark).skip(1);
            let names = symbols.filter_map(|text| text.split(" fn ").nth(1)?.split('(').next());
            for name in names {
                assert!(super::has(name), "{name} is not in NAMES");
            }
        }
    }
}
