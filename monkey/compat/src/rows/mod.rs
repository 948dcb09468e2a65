//! The rows: what each does, and what it needs.

mod databases;
mod locks;
mod runtimes;
mod system;
mod web;

/// One unmodified crate or library, and a job that takes about 200 ms.
pub struct Row {
    pub name: &'static str,
    /// What it needs and does not find.
    pub missing: fn() -> Option<Missing>,
    /// The job with this number, and its answer.
    pub job: fn(usize) -> String,
}

/// What is not there.
pub struct Missing(pub String);

const fn row(name: &'static str, job: fn(usize) -> String) -> Row {
    Row {
        name,
        missing: || None,
        job,
    }
}

pub const ALL: &[Row] = &[
    row("std_sleep", system::sleep),
    row("std_tcp_stream", system::tcp_stream),
    row("std_tcp_listener", system::tcp_listener),
    row("std_udp_socket", system::udp_socket),
    row("std_unix_stream", system::unix_stream),
    Row {
        name: "to_socket_addrs",
        missing: system::slow_names_missing,
        job: system::to_socket_addrs,
    },
    row("command_output", system::command_output),
    row("stdin_of_a_child", system::stdin_of_a_child),
    row("ureq_http", web::ureq_http),
    row("ureq_rustls", web::ureq_rustls),
    row("ureq_native_tls", web::ureq_native_tls),
    row("libcurl", web::libcurl),
    row("reqwest_blocking", web::reqwest_blocking),
    row("tungstenite", web::tungstenite),
    row("tiny_http", web::tiny_http),
    Row {
        name: "redis_blpop",
        missing: databases::redis_missing,
        job: databases::redis_blpop,
    },
    Row {
        name: "diesel_libpq",
        missing: databases::postgres_missing,
        job: databases::diesel_libpq,
    },
    Row {
        name: "postgres",
        missing: databases::postgres_missing,
        job: databases::postgres,
    },
    Row {
        name: "r2d2_libpq",
        missing: databases::postgres_missing,
        job: databases::r2d2_libpq,
    },
    Row {
        name: "mysql",
        missing: databases::mariadb_missing,
        job: databases::mysql,
    },
    Row {
        name: "diesel_libmariadb",
        missing: databases::mariadb_missing,
        job: databases::diesel_libmariadb,
    },
    row("tokio_current_thread", runtimes::tokio_current_thread),
    row("tokio_multi_thread", runtimes::tokio_multi_thread),
    row("tokio_shared", runtimes::tokio_shared),
    row("rayon", runtimes::rayon),
    row("parking_lot", locks::parking_lot),
    row("crossbeam_channel", locks::crossbeam_channel),
    row("std_mpsc", locks::mpsc),
    row("std_mutex", locks::mutex),
    row("std_condvar", locks::condvar),
    row("std_barrier", locks::barrier),
    row("std_park", locks::park),
    row("std_scope", locks::scope),
    row("cpp_condition_variable", locks::cpp_condition_variable),
];
