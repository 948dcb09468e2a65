//! Frames: a length, and JSON of that length.

use std::io::ErrorKind;

use serde::{Deserialize, Serialize};

use super::TIME;
use super::frame;

/// No head is longer.
const LONGEST: usize = 64 * 1024;

#[derive(Debug, Deserialize, PartialEq, Serialize)]
struct Head {
    name: String,
    size: u64,
    parts: Vec<i32>,
}

#[test]
fn frames() {
    let target = bolero::check!().with_test_time(TIME);
    target
        .with_type::<(Option<u32>, Vec<u8>)>()
        .for_each(|(length, bytes)| {
            let announced =
                length.map_or(bytes.len(), |it| it as usize % (3 * bytes.len() + 70_000));
            let framed = [&(announced as u32).to_be_bytes()[..], bytes].concat();
            for bytes in [bytes, &framed] {
                receive(bytes);
            }
        });
}

/// A head, an end, or an error that says which.
fn receive(bytes: &[u8]) {
    let mut rest = bytes;
    match frame::receive::<serde_json::Value>(&mut rest) {
        Ok(None) => assert!(bytes.is_empty()),
        Ok(Some(_)) => assert!((5..=4 + LONGEST).contains(&(bytes.len() - rest.len()))),
        Err(error) => {
            let announced = bytes
                .first_chunk()
                .map(|it| u32::from_be_bytes(*it) as usize);
            if announced.is_some_and(|it| it > LONGEST) {
                assert_eq!(
                    error.kind(),
                    ErrorKind::InvalidData,
                    "no room is made for it"
                );
            }
            let kinds = [ErrorKind::InvalidData, ErrorKind::UnexpectedEof];
            assert!(kinds.contains(&error.kind()), "{error:?}");
        }
    }
}

#[test]
fn frames_that_were_sent() {
    let target = bolero::check!().with_test_time(TIME);
    let target = target.with_type::<Vec<(String, u64, Vec<i32>)>>();
    target.for_each(|heads| {
        let heads = heads
            .iter()
            .cloned()
            .map(|(name, size, parts)| Head { name, size, parts });
        let (heads, mut bytes): (Vec<Head>, _) = (heads.collect(), Vec::new());
        for head in &heads {
            frame::send(&mut bytes, head).unwrap();
        }
        let mut stream = bytes.as_slice();
        for head in &heads {
            assert_eq!(frame::receive(&mut stream).unwrap().as_ref(), Some(head));
        }
        assert!(frame::receive::<Head>(&mut stream).unwrap().is_none());
    });
}
