//! Host names: green threads look them up on the blocking pool, and nobody else does.

use std::fs;

use greenloop::net::{TcpListener, TcpStream};

use crate::alone::alone;

#[test]
fn only_names_on_green_threads_go_to_the_pool() {
    alone(
        concat!(
            module_path!(),
            "::only_names_on_green_threads_go_to_the_pool"
        ),
        "",
        || {
            let listener = TcpListener::bind("localhost:0").unwrap();
            let addr = listener.local_addr().unwrap();
            let name = format!("localhost:{}", addr.port());
            greenloop::spawn(move || drop(TcpStream::connect(addr).unwrap()))
                .join()
                .unwrap();
            let literal = addr.to_string();
            greenloop::spawn(move || drop(TcpStream::connect(literal).unwrap()))
                .join()
                .unwrap();
            drop(TcpStream::connect(&name).unwrap());
            assert_eq!(pool_threads(), 0);

            greenloop::spawn(move || drop(TcpStream::connect(name).unwrap()))
                .join()
                .unwrap();
            assert_eq!(pool_threads(), 1);
        },
    );
}

/// A job of the pool must not wait for another job: if all of them did, none would end.
#[test]
fn lookups_inside_the_pool_need_no_further_thread_of_it() {
    let listener = TcpListener::bind("localhost:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let connect = move || TcpStream::connect(("localhost", port)).unwrap();
    let jobs: Vec<_> = (0..64)
        .map(|_| greenloop::spawn_blocking(connect))
        .collect();
    jobs.into_iter().for_each(|job| drop(job.join().unwrap()));
}

fn pool_threads() -> usize {
    let tasks = fs::read_dir("/proc/self/task").unwrap();
    let names = tasks.filter_map(|task| fs::read_to_string(task.unwrap().path().join("comm")).ok());
    names
        .filter(|name| name.starts_with("greenloop-block"))
        .count()
}
