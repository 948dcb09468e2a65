//! What headers say of the body: one thing, or they are refused.

use httparse::Header;

use super::TIME;
use super::head::{Framing, Terms};

const LINES: [(&str, &str); 20] = [
    ("Host", "a"),
    ("HOST", "b:1"),
    ("Host", "a b"),
    ("Content-Length", "0"),
    ("content-length", "7"),
    ("Content-Length", "007"),
    ("Content-Length", "+7"),
    ("Content-Length", "7, 7"),
    ("Content-Length", "18446744073709551616"),
    ("Content-Length", ""),
    ("Transfer-Encoding", "chunked"),
    ("transfer-encoding", "CHUNKED"),
    ("Transfer-Encoding", "gzip, chunked"),
    ("Transfer-Encoding", "chunked, gzip"),
    ("Connection", "close"),
    ("Connection", "keep-alive, x"),
    ("Expect", "100-continue"),
    ("Expect", "a miracle"),
    ("Content-Length-", "7"),
    ("X", "y"),
];

/// More lines would mostly be one mistake or another.
const MOST: usize = 5;

#[test]
fn terms() {
    let target = bolero::check!().with_test_time(TIME);
    let target = target.with_type::<(bool, Vec<(u8, u8)>)>();
    target.for_each(|(is_old, letters)| {
        let spelled = letters.iter().take(MOST).map(|(line, noise)| {
            let (name, value) = LINES[usize::from(*line) % LINES.len()];
            let mut value = value.as_bytes().to_vec();
            if noise % 16 == 0 {
                value.push(*noise);
            }
            (name, value)
        });
        let spelled: Vec<_> = spelled.collect();
        let headers = spelled.iter().map(|(name, value)| Header { name, value });
        let headers: Vec<Header<'_>> = headers.collect();
        if let Ok(terms) = Terms::of(u8::from(!is_old), &headers) {
            agree(&headers, *is_old, terms);
        }
    });
}

/// What was not refused can be read in one way alone.
fn agree(headers: &[Header<'_>], is_old: bool, terms: Terms) {
    let all = |name: &str| -> Vec<&[u8]> {
        let named = headers
            .iter()
            .filter(|it| it.name.eq_ignore_ascii_case(name));
        named.map(|it| it.value).collect()
    };
    let (lengths, codings) = (all("Content-Length"), all("Transfer-Encoding"));
    match terms.framing {
        Framing::Chunked => {
            assert!(lengths.is_empty() && codings.len() == 1 && !is_old);
            assert!(codings[0].trim_ascii().eq_ignore_ascii_case(b"chunked"));
        }
        Framing::Length(length) => {
            assert!(codings.is_empty() && lengths.len() <= 1);
            let said = lengths.first().copied().unwrap_or(b"0");
            let digits: Vec<u8> = said.iter().copied().skip_while(|it| *it == b'0').collect();
            let digits = if digits.is_empty() {
                b"0".to_vec()
            } else {
                digits
            };
            assert_eq!(length.to_string().into_bytes(), digits);
        }
    }
    assert!(all("Host").len() == 1 || is_old && all("Host").is_empty());
}
