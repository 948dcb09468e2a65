//! Names and addresses of hosts: the same answers as on an OS thread, while others run.

mod busy_pool;
#[path = "../../tests/it/within.rs"]
#[allow(dead_code, reason = "shared with tests that use all of it")]
mod within;

use busy_pool::{beside, patch};
use greenloop::{Killed, run, spawn_local, yield_now};
use libc::{AF_INET, c_int, hostent, sockaddr_in};
use std::cell::Cell;
use std::ffi::CStr;
use std::net::{Ipv4Addr, ToSocketAddrs};
use std::ptr;
use std::rc::Rc;
use std::thread;
use within::{LONG, within};

unsafe extern "C" {
    fn gethostbyname(name: *const libc::c_char) -> *mut hostent;
    fn gethostbyname2(name: *const libc::c_char, family: c_int) -> *mut hostent;
    fn gethostbyaddr(address: *const libc::c_void, size: u32, family: c_int) -> *mut hostent;
    fn res_query(
        name: *const libc::c_char,
        class: c_int,
        kind: c_int,
        answer: *mut u8,
        length: c_int,
    ) -> c_int;
    fn __h_errno_location() -> *mut c_int;
}

fn h_errno() -> c_int {
    // SAFETY: the calling thread's own, always valid.
    unsafe { *__h_errno_location() }
}

/// The same on a green thread, where it lets others run, as on an OS thread.
#[track_caller]
fn agrees<T: PartialEq + std::fmt::Debug + Send + 'static>(f: fn() -> T) -> T {
    let (green, ran) = within(LONG, move || beside(f));
    assert!(ran, "nobody else ran meanwhile");
    assert_eq!(green, thread::spawn(f).join().unwrap());
    green
}

fn addresses(host: *mut hostent) -> Option<Vec<Ipv4Addr>> {
    // SAFETY: null, or valid until the next call on this thread; its list ends with null, and its
    // addresses are as long as it says.
    unsafe {
        let host = host.as_ref()?;
        assert_eq!((host.h_addrtype, host.h_length), (AF_INET, 4));
        let list = (0..).map(|index| *host.h_addr_list.add(index));
        let list = list.take_while(|address| !address.is_null());
        Some(
            list.map(|it| Ipv4Addr::from(it.cast::<[u8; 4]>().read()))
                .collect(),
        )
    }
}

#[test]
fn std_resolves() {
    let found = agrees(|| {
        let found = ("localhost", 80).to_socket_addrs().unwrap();
        found.collect::<Vec<_>>()
    });
    assert!(
        found
            .iter()
            .all(|it| it.ip().is_loopback() && it.port() == 80)
    );
    assert!(!found.is_empty());
}

#[test]
fn std_fails_alike() {
    agrees(|| {
        let error = ("no.such.host.invalid", 80).to_socket_addrs().unwrap_err();
        (error.kind(), error.to_string())
    });
}

#[test]
fn addresses_have_names() {
    let (result, name) = agrees(|| {
        // SAFETY: plain data, for which zeros are valid.
        let mut address: sockaddr_in = unsafe { std::mem::zeroed() };
        address.sin_family = AF_INET as _;
        address.sin_addr.s_addr = u32::from(Ipv4Addr::LOCALHOST).to_be();
        let mut name = [0; 256];
        // SAFETY: an address of this size, and room for the name.
        let result = unsafe {
            libc::getnameinfo(
                (&raw const address).cast(),
                size_of_val(&address) as u32,
                name.as_mut_ptr(),
                256,
                ptr::null_mut(),
                0,
                0,
            )
        };
        // SAFETY: zeroed, so it ends.
        let name = unsafe { CStr::from_ptr(name.as_ptr()) };
        (result, name.to_owned())
    });
    assert_eq!(result, 0);
    assert!(!name.is_empty());
}

#[test]
fn gethostbyname_finds_and_fails_alike() {
    // SAFETY: the names are C strings.
    let found = agrees(|| unsafe { addresses(gethostbyname(c"127.0.0.7".as_ptr())) });
    assert_eq!(found, Some(vec![Ipv4Addr::new(127, 0, 0, 7)]));
    // SAFETY: as above.
    agrees(|| unsafe {
        let found = addresses(gethostbyname2(c"no.such.host.invalid".as_ptr(), AF_INET));
        (found, h_errno())
    });
    agrees(|| {
        let address = Ipv4Addr::LOCALHOST.octets();
        // SAFETY: an address of four bytes.
        addresses(unsafe { gethostbyaddr(address.as_ptr().cast(), 4, AF_INET) })
    });
}

#[test]
fn what_gethostbyname_has_found_stays_while_others_ask() {
    patch();
    let all = within(LONG, || {
        run(|| {
            let ask = |last: u8| {
                move || {
                    let name = std::ffi::CString::new(format!("127.0.0.{last}")).unwrap();
                    // SAFETY: a C string.
                    let found = unsafe { gethostbyname(name.as_ptr()) };
                    for _ in 0..20 {
                        yield_now();
                    }
                    addresses(found).unwrap() == [Ipv4Addr::new(127, 0, 0, last)]
                }
            };
            let all: Vec<_> = (1..=20).map(|last| spawn_local(ask(last))).collect();
            all.into_iter().all(|it| it.join().unwrap())
        })
    });
    assert!(all);
}

#[test]
fn queries_fail_alike() {
    agrees(|| {
        let mut answer = [0; 512];
        // SAFETY: room for the answer. A name with an empty label is malformed.
        let result = unsafe { res_query(c"a..b".as_ptr(), 1, 1, answer.as_mut_ptr(), 512) };
        (result, h_errno())
    });
}

#[test]
fn a_kill_waits_for_the_answer() {
    patch();
    let done = within(LONG, || {
        run(|| {
            let done = Rc::new(Cell::new(false));
            let seen = Rc::clone(&done);
            let victim = spawn_local(move || {
                seen.set(("localhost", 80).to_socket_addrs().is_ok());
                greenloop::sleep(LONG);
            });
            yield_now();
            victim.kill();
            assert!(victim.join().unwrap_err().is::<Killed>());
            done.get()
        })
    });
    assert!(done);
}
