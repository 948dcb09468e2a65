//! Which headers go on to the other side: all but those that are meant for the next hop alone (RFC
//! 9110, 7.6.1).

use httparse::Header;

/// They end here, whether or not `Connection` names them.
const FOR_THE_NEXT_HOP: [&str; 7] = [
    "Connection",
    "Keep-Alive",
    "Proxy-Authenticate",
    "Proxy-Authorization",
    "Proxy-Connection",
    "TE",
    "Upgrade",
];

/// Whoever names these as meant for us alone wants the target to take the body for a request.
const NEEDED: [&str; 3] = ["Host", "Content-Length", "Transfer-Encoding"];

/// Appends those that go on, except those that are `replaced`.
pub(crate) fn pass_on(headers: &[Header<'_>], replaced: &[&str], out: &mut Vec<u8>) {
    let passed = headers.iter().filter(|header| {
        !is_one_of(header.name, &FOR_THE_NEXT_HOP)
            && !is_one_of(header.name, replaced)
            && (is_one_of(header.name, &NEEDED) || !is_named(header.name, headers))
    });
    for header in passed {
        let parts = [header.name.as_bytes(), b": ", header.value, b"\r\n"];
        out.extend_from_slice(&parts.concat());
    }
}

/// The values of all headers of that name.
pub(crate) fn values<'a>(
    headers: &'a [Header<'a>],
    name: &'a str,
) -> impl Iterator<Item = &'a [u8]> {
    let named = headers
        .iter()
        .filter(move |header| header.name.eq_ignore_ascii_case(name));
    named.map(|header| header.value)
}

fn is_one_of(name: &str, names: &[&str]) -> bool {
    names.iter().any(|one| one.eq_ignore_ascii_case(name))
}

/// Does `Connection` name it?
fn is_named(name: &str, headers: &[Header<'_>]) -> bool {
    let mut options =
        values(headers, "Connection").flat_map(|value| value.split(|byte| *byte == b','));
    options.any(|option| option.trim_ascii().eq_ignore_ascii_case(name.as_bytes()))
}
