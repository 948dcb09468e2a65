//! `spell`: makes bytes that a parser of HTTP takes some interest in of any bytes.

const WORDS: [&str; 24] = [
    "\r\n",
    "\r\n\r\n",
    "\n",
    "\r",
    ": ",
    " ",
    "\t",
    ",",
    ";",
    "0",
    "5",
    "1f",
    "ffffffff",
    "GET / HTTP/1.1\r\n",
    "POST http://a/b?c HTTP/1.0\r\n",
    "Host: a\r\n",
    "Content-Length: ",
    "Transfer-Encoding: chunked\r\n",
    "Connection: close\r\n",
    "Expect: 100-continue\r\n",
    "X: y\r\n",
    "0\r\n\r\n",
    "5\r\nhello\r\n",
    "hello",
];

/// An odd byte is a word, another one stands for itself halved.
pub(crate) fn spell(letters: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for letter in letters {
        let half = letter / 2;
        if letter % 2 == 0 {
            bytes.push(half);
        } else {
            bytes.extend(WORDS[usize::from(half) % WORDS.len()].bytes());
        }
    }
    bytes
}
