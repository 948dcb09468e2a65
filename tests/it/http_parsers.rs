//! The parsers of `http_server` that are its own: any split of the input gives the same, and no
//! input makes them panic.

#[allow(dead_code, reason = "http_server uses all of it")]
#[path = "../../examples/common/http_parts/mod.rs"]
mod parts;

use std::mem::MaybeUninit;

use proptest::prelude::*;
use proptest::sample::Index;

use parts::chunked::{ChunkedDecoder, ChunkedError};
use parts::head::{Framing, HeadScanner};
use parts::limits::Limits;
use parts::request::{MAX_HEADERS, Request};
use parts::status::Status;

const LIMIT: usize = 200;

/// What a decoder made of its input: the body and where it ended, if it did.
type Decoded = Result<(Vec<u8>, Option<usize>), ChunkedError>;

/// Decodes the pieces between `cuts`.
fn decode(input: &[u8], cuts: &[usize]) -> Decoded {
    let (mut decoder, mut body, mut used) = (ChunkedDecoder::new(LIMIT), Vec::new(), 0);
    let ends = cuts.iter().copied().chain([input.len()]);
    for end in ends {
        while used < end && !decoder.is_done() {
            used += decoder.decode(&input[used..end], &mut body)?;
        }
    }
    Ok((body, decoder.is_done().then_some(used)))
}

fn encode(chunks: &[Vec<u8>], extension: &str, trailer: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    for chunk in chunks.iter().filter(|chunk| !chunk.is_empty()) {
        bytes.extend(format!("{:X}{extension}\r\n", chunk.len()).bytes());
        bytes.extend(chunk);
        bytes.extend(b"\r\n");
    }
    bytes.extend(format!("0{extension}\r\n{trailer}\r\n").bytes());
    bytes
}

/// The outcome of scanning a head that comes in pieces.
fn scan(bytes: &[u8], cuts: &[usize]) -> Result<Option<usize>, Status> {
    let (mut scanner, limits) = (HeadScanner::default(), small());
    for end in cuts.iter().copied().chain([bytes.len()]) {
        if let Some(len) = scanner.scan(&bytes[..end], &limits)? {
            return Ok(Some(len));
        }
    }
    Ok(None)
}

fn small() -> Limits {
    Limits {
        line: 20,
        head: 60,
        ..Limits::default()
    }
}

/// Bytes that matter to a parser more often than others.
fn telling() -> impl Strategy<Value = Vec<u8>> {
    let byte = prop_oneof![
        4 => prop::sample::select(b"\r\n: ;0123afAF,\t/".to_vec()),
        2 => prop::sample::select(b"GETHOSPhtp1.".to_vec()),
        1 => any::<u8>(),
    ];
    let word = prop::sample::select(vec![
        "\r\n",
        "\r\n\r\n",
        "GET / HTTP/1.1\r\n",
        "Host: a\r\n",
        "5\r\n",
        "0\r\n",
        "hello\r\n",
    ]);
    let part = prop_oneof![
        word.prop_map(|word| word.as_bytes().to_vec()),
        prop::collection::vec(byte, 0..6),
    ];
    prop::collection::vec(part, 0..20).prop_map(|parts| parts.concat())
}

fn places(cuts: &[Index], len: usize) -> Vec<usize> {
    let mut places: Vec<usize> = cuts.iter().map(|cut| cut.index(len + 1)).collect();
    places.sort_unstable();
    places
}

proptest! {
    #[test]
    fn a_body_comes_out_of_its_chunks_however_they_come(
        chunks in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..20), 0..9),
        extension in "(;[a-z]{1,5}(=\"[a-z \t]{0,5}\")?){0,3}",
        trailer in "([A-Z]{1,5}: [ -~]{0,9}\r\n){0,3}",
        rest in telling(),
        cuts in prop::collection::vec(any::<Index>(), 0..9),
    ) {
        let mut bytes = encode(&chunks, &extension, &trailer);
        let end = bytes.len();
        bytes.extend(rest);
        let decoded = decode(&bytes, &places(&cuts, bytes.len()));
        prop_assert_eq!(decoded, Ok((chunks.concat(), Some(end))));
    }

    #[test]
    fn chunks_of_any_kind_are_the_same_however_they_are_split(
        bytes in telling(),
        cuts in prop::collection::vec(any::<Index>(), 0..9),
    ) {
        let all: Vec<usize> = (0..=bytes.len()).collect();
        let whole = decode(&bytes, &[]);
        prop_assert_eq!(&decode(&bytes, &places(&cuts, bytes.len())), &whole);
        prop_assert_eq!(&decode(&bytes, &all), &whole);
        if let Ok((body, _)) = whole {
            prop_assert!(body.len() <= LIMIT);
        }
    }

    #[test]
    fn heads_of_any_kind_end_at_the_same_place_however_they_are_split(
        bytes in telling(),
        cuts in prop::collection::vec(any::<Index>(), 0..9),
    ) {
        let bytes = [b"G".as_slice(), &bytes].concat(); // empty lines are skipped before
        let all: Vec<usize> = (0..=bytes.len()).collect();
        let whole = scan(&bytes, &[]);
        prop_assert_eq!(scan(&bytes, &places(&cuts, bytes.len())), whole);
        prop_assert_eq!(scan(&bytes, &all), whole);
        if let Ok(Some(len)) = whole {
            prop_assert!(len <= small().head && bytes[..len].ends_with(b"\r\n\r\n"));
        }
    }

    #[test]
    fn a_head_is_read_as_one_thing_or_refused(bytes in telling()) {
        let head = [b"GET / HTTP/1.1\r\nHost: a\r\n", bytes.as_slice(), b"\r\n\r\n"].concat();
        let limits = Limits::default();
        if let Ok(Some(len)) = HeadScanner::default().scan(&head, &limits) {
            let mut room = [const { MaybeUninit::uninit() }; MAX_HEADERS];
            let mut other = [const { MaybeUninit::uninit() }; MAX_HEADERS];
            let parsed = Request::parse(&head[..len], &mut room);
            // What is taken at a glance is what is read with care.
            let taken = Request::take(&head, &mut other, &limits);
            let taken = taken.map(|(request, len)| (request.terms(), len));
            prop_assert_eq!(taken, parsed.as_ref().ok().map(|it| (it.terms(), len)));
            if let Ok(request) = parsed {
                prop_assert_eq!((request.method(), request.path()), ("GET", "/"));
                prop_assert_eq!(request.header("host"), Some(&b"a"[..]));
                prop_assert_eq!(request.terms().framing, Framing::Length(0));
            }
        } else {
            let mut room = [const { MaybeUninit::uninit() }; MAX_HEADERS];
            prop_assert!(Request::take(&head, &mut room, &limits).is_none());
        }
    }

    #[test]
    fn lengths_are_read_exactly(length in any::<u64>(), zeros in 0..4_usize) {
        let digits = format!("{}{length}", "0".repeat(zeros));
        let head = format!("POST / HTTP/1.0\r\nContent-Length: {digits}\r\n\r\n");
        let mut room = [const { MaybeUninit::uninit() }; MAX_HEADERS];
        let request = Request::parse(head.as_bytes(), &mut room).unwrap();
        prop_assert_eq!(request.terms().framing, Framing::Length(length));
    }
}
