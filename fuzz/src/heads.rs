//! The scanner of heads, and taking a request apart.

use std::mem::MaybeUninit;

use super::TIME;
use super::head::HeadScanner;
use super::limits::Limits;
use super::request::{MAX_HEADERS, Request};
use super::spelling::spell;
use super::status::Status;

fn limits() -> Limits {
    Limits {
        line: 40,
        head: 300,
        ..Limits::default()
    }
}

/// Scans what grows by so many bytes.
fn scan(bytes: &[u8], size: usize) -> Result<Option<usize>, Status> {
    let (mut scanner, limits) = (HeadScanner::default(), limits());
    for end in (size..bytes.len()).step_by(size).chain([bytes.len()]) {
        if let Some(len) = scanner.scan(&bytes[..end], &limits)? {
            return Ok(Some(len));
        }
    }
    Ok(None)
}

#[test]
fn heads() {
    let target = bolero::check!().with_test_time(TIME);
    target
        .with_type::<(u8, Vec<u8>)>()
        .for_each(|(size, letters)| {
            for bytes in [letters.clone(), spell(letters)] {
                if bytes.first().is_some_and(u8::is_ascii_graphic) {
                    try_head(&bytes, usize::from(*size) + 1);
                }
            }
        });
}

fn try_head(bytes: &[u8], size: usize) {
    let whole = scan(bytes, bytes.len());
    assert_eq!(scan(bytes, 1), whole);
    assert_eq!(scan(bytes, size), whole);
    let mut rooms = [[const { MaybeUninit::uninit() }; MAX_HEADERS]; 2];
    let [room, other] = &mut rooms;
    let taken = Request::take(bytes, room, &limits());
    let Ok(Some(len)) = whole else {
        assert!(taken.is_none(), "taken at a glance, not with care");
        return;
    };
    assert!(len <= limits().head && bytes[..len].ends_with(b"\r\n\r\n"));
    let parsed = Request::parse(&bytes[..len], other).ok();
    assert_eq!(taken.is_some(), parsed.is_some());
    if let (Some((taken, end)), Some(parsed)) = (taken, parsed) {
        assert_eq!(end, len);
        assert_eq!(taken.terms(), parsed.terms());
        let about = |it: &Request<'_>| (it.method().to_owned(), it.path().to_owned());
        assert_eq!(about(&taken), about(&parsed));
        assert!(parsed.path().bytes().all(|byte| byte.is_ascii_graphic()));
    }
}
