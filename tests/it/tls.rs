//! TLS: what a stream carries, how it ends, what cuts it, and both directions at once.

use std::io::{self, ErrorKind, Read, Write};
use std::sync::Arc;
use std::time::Duration;

use greenloop::net::tls::{Duplex, TlsAcceptor, TlsConnector, TlsStream, TlsVersion};
use greenloop::net::unix::UnixStream;
use greenloop::net::{Shutdown, SocketAddr, StreamServer, TcpListener, TcpStream};
use greenloop::{Builder, Killed, joinall, run, scope, spawn, timeout, yield_now};

use crate::authority::{Authority, shake};
use crate::everywhere::{everywhere, in_hub};
use crate::within::{LONG, within};

const TICK: Duration = Duration::from_millis(20);

#[test]
fn what_is_written_comes_on_every_kind_of_thread() {
    everywhere(|| {
        let (mut client, mut server) = Authority::new().pair();
        client.write_all(b"question").unwrap();
        client.shutdown().unwrap();
        let mut text = String::new();
        server.read_to_string(&mut text).unwrap();
        assert_eq!(text, "question");
        server.write_all(b"answer").unwrap(); // after the client's end
        server.shutdown().unwrap();
        text.clear();
        client.read_to_string(&mut text).unwrap();
        assert_eq!(text, "answer");
        assert_eq!(client.read(&mut [0; 1]).unwrap(), 0, "the end stays");
        assert_eq!(client.protocol_version(), TlsVersion::Tls13);
        assert_eq!(server.protocol_version(), TlsVersion::Tls13);
        assert_eq!(server.server_name().as_deref(), Some("localhost"));
        assert_eq!(client.server_name(), None);
        assert_eq!(client.peer_certificates().len(), 1);
        assert!(server.peer_certificates().is_empty());
    });
}

#[test]
fn two_hundred_connections_at_once() {
    within(LONG, || {
        let authority = Authority::new();
        let (acceptor, connector) = (authority.acceptor(), authority.connector());
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let server = spawn(move || {
            for stream in listener.incoming().flatten() {
                let acceptor = acceptor.clone();
                spawn(move || echo(&acceptor.accept(stream).unwrap()).unwrap());
            }
        });
        let everyone = Arc::new(greenloop::sync::Barrier::new(200));
        let clients = (0..200).map(|n| {
            let (connector, everyone) = (connector.clone(), everyone.clone());
            spawn(move || {
                let stream = TcpStream::connect(address).unwrap();
                let mut stream = connector.connect("localhost", stream).unwrap();
                everyone.wait(); // all are connected now
                assert_eq!(ask(&mut stream, &format!("I am client {n}")), "");
            })
        });
        for client in joinall(clients) {
            client.unwrap();
        }
        server.kill();
    });
}

#[test]
fn a_stream_server_does_the_handshake_in_its_handler() {
    within(LONG, || {
        let authority = Authority::new();
        let acceptor = authority.acceptor();
        let handler = move |stream: TcpStream, _: SocketAddr| echo(&acceptor.accept(stream)?);
        let server = StreamServer::bind("127.0.0.1:0", handler).unwrap();
        server.start().unwrap();
        let slow = TcpStream::connect(server.local_addr()).unwrap(); // says nothing at all
        let stream = TcpStream::connect(server.local_addr()).unwrap();
        let mut stream = authority.connector().connect("localhost", stream).unwrap();
        assert_eq!(ask(&mut stream, "hello"), "");
        drop(slow);
        assert!(server.stop(LONG));
    });
}

/// Sends back what comes until the peer's end.
fn echo<S: Duplex>(stream: &TlsStream<S>) -> io::Result<()> {
    io::copy(&mut &*stream, &mut &*stream)?;
    stream.shutdown()
}

/// Asks an echo, which has to say the same and then end; returns what it said beyond.
fn ask(stream: &mut TlsStream<impl Read + Write>, question: &str) -> String {
    stream.write_all(question.as_bytes()).unwrap();
    stream.shutdown_mut().unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer.strip_prefix(question).unwrap().to_owned()
}

#[test]
fn both_directions_are_full_at_once() {
    for spread in [false, true] {
        within(LONG, move || {
            let body = || {
                let (client, server) = Authority::new().pair();
                const AMOUNT: usize = 8 << 20; // a local socket holds much less
                scope(|s| {
                    for stream in [&client, &server] {
                        s.spawn(|| send_numbers(stream, AMOUNT));
                        s.spawn(|| assert_eq!(receive_numbers(stream), AMOUNT));
                    }
                });
            };
            if spread { body() } else { run(body) }
        });
    }
}

fn send_numbers<S: Duplex>(stream: &TlsStream<S>, amount: usize) {
    let bytes: Vec<u8> = (0..amount).map(|n| (n % 251) as u8).collect();
    // Pieces below, at and above the size of a record.
    let mut rest = &bytes[..];
    for size in [1, 100, 16_384, 70_000].iter().cycle() {
        let (piece, more) = rest.split_at(rest.len().min(*size));
        if piece.is_empty() {
            break;
        }
        (&*stream).write_all(piece).unwrap();
        rest = more;
    }
    stream.shutdown().unwrap();
}

fn receive_numbers<S: Duplex>(stream: &TlsStream<S>) -> usize {
    let mut bytes = Vec::new();
    (&*stream).read_to_end(&mut bytes).unwrap();
    let wrong = (0..bytes.len()).find(|n| bytes[*n] != (n % 251) as u8);
    assert_eq!(wrong, None);
    bytes.len()
}

#[test]
fn several_writers_each_get_their_records_through() {
    within(LONG, || {
        let (client, server) = Authority::new().pair();
        scope(|s| {
            for letter in b'a'..=b'h' {
                let client = &client;
                s.spawn(move || {
                    for _ in 0..200 {
                        assert_eq!((&*client).write(&[letter; 1000]).unwrap(), 1000);
                    }
                });
            }
            let mut bytes = vec![0; 8 * 200 * 1000];
            (&server).read_exact(&mut bytes).unwrap();
            for record in bytes.chunks(1000) {
                assert!(record.iter().all(|byte| *byte == record[0]), "torn");
            }
        });
    });
}

#[test]
fn an_end_that_was_not_announced_is_a_cut() {
    everywhere(|| {
        let (mut client, server) = Authority::new().pair();
        (&server).write_all(b"half").unwrap();
        drop(server);
        let mut text = [0; 4];
        client.read_exact(&mut text).unwrap();
        for _ in 0..2 {
            let error = client.read(&mut text).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::UnexpectedEof);
        }
    });
}

#[test]
fn the_words_of_a_client_that_is_gone_at_once_are_read() {
    everywhere(|| {
        let authority = Authority::new();
        let (acceptor, connector) = (authority.acceptor(), authority.connector());
        let (ours, theirs) = UnixStream::pair().unwrap();
        let client = spawn(move || {
            let mut client = connector.connect("localhost", ours).unwrap();
            client.write_all(b"farewell").unwrap();
            client.shutdown().unwrap();
        });
        let mut text = String::new();
        let mut server = acceptor.accept(theirs).unwrap();
        server.read_to_string(&mut text).unwrap();
        assert_eq!(text, "farewell");
        client.join().unwrap();
    });
}

#[test]
fn nothing_is_written_after_the_shutdown() {
    within(LONG, || {
        let (mut client, mut server) = Authority::new().pair();
        client.shutdown().unwrap();
        client.shutdown().unwrap();
        let error = client.write(b"more").unwrap_err();
        assert_eq!(error.kind(), ErrorKind::BrokenPipe);
        assert_eq!(server.read(&mut [0; 4]).unwrap(), 0);
    });
}

#[test]
fn the_timeouts_of_the_stream_hold() {
    everywhere(|| {
        let (mut client, mut server) = Authority::new().pair();
        client.get_ref().set_read_timeout(Some(TICK)).unwrap();
        let error = client.read(&mut [0; 4]).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::WouldBlock);
        server.write_all(b"late").unwrap();
        client.get_ref().set_read_timeout(None).unwrap();
        let mut text = [0; 4];
        client.read_exact(&mut text).unwrap();
        assert_eq!(&text, b"late");
    });
}

#[test]
fn a_write_that_is_cut_loses_nothing_that_was_counted() {
    within(LONG, || {
        let (client, server) = Authority::new().pair();
        client.get_ref().set_write_timeout(Some(TICK)).unwrap();
        let mut count = 0;
        let error = loop {
            match (&client).write(&[(count % 251) as u8; 1]) {
                Ok(1) => count += 1,
                outcome => break outcome.unwrap_err(),
            }
        };
        assert_eq!(error.kind(), ErrorKind::WouldBlock);
        client.get_ref().set_write_timeout(None).unwrap();
        scope(|s| {
            let receiver = s.spawn(|| receive_numbers(&server));
            client.shutdown().unwrap(); // sends the rest, too
            assert_eq!(receiver.join().unwrap(), count);
        });
    });
}

#[test]
fn a_killed_reader_takes_nothing_with_it() {
    in_hub(|| {
        let (client, server) = Authority::new().pair();
        let client = Arc::new(client);
        for word in [b"one.", b"two."] {
            let reader = client.clone();
            let reader = spawn(move || (&*reader).read(&mut [0; 4]));
            yield_now(); // it waits
            reader.kill();
            assert!(reader.join().unwrap_err().is::<Killed>());
            (&server).write_all(word).unwrap();
            let mut text = [0; 4];
            (&*client).read_exact(&mut text).unwrap();
            assert_eq!(&text, word);
        }
    });
}

#[test]
fn a_writer_that_ran_out_of_time_has_left_whole_records() {
    within(LONG, || {
        let (client, server) = Authority::new().pair();
        let large = vec![7; 4 << 20];
        assert!(timeout(TICK, || (&client).write_all(&large)).is_err());
        scope(|s| {
            let receiver = s.spawn(|| {
                let mut bytes = Vec::new();
                (&server).read_to_end(&mut bytes).unwrap();
                bytes
            });
            (&client).write_all(b"and on").unwrap();
            client.shutdown().unwrap();
            let bytes = receiver.join().unwrap();
            let sevens = bytes.strip_suffix(b"and on").unwrap();
            assert!(sevens.iter().all(|byte| *byte == 7) && sevens.len() < large.len());
        });
    });
}

#[test]
fn a_kill_in_mid_handshake_closes_the_connection() {
    in_hub(|| {
        let acceptor = Authority::new().acceptor();
        let (mut ours, theirs) = UnixStream::pair().unwrap();
        ours.write_all(&[22, 3, 1]).unwrap(); // the head of a record begins
        let server = spawn(move || acceptor.accept(theirs).map(drop));
        yield_now(); // it waits for the rest
        server.kill();
        assert_eq!(ours.read(&mut [0; 1]).unwrap(), 0);
        assert!(server.join().unwrap_err().is::<Killed>());
    });
}

#[test]
fn any_stream_will_do() {
    trait Both: Read + Write + Send {}
    impl<T: Read + Write + Send> Both for T {}

    within(LONG, || {
        let authority = Authority::new();
        let (acceptor, connector) = (authority.acceptor(), authority.connector());
        let (client, server) = authority.pair(); // TLS within TLS
        let server: Box<dyn Both> = Box::new(server);
        let server = spawn(move || {
            let mut stream = acceptor.accept(server)?;
            let mut text = String::new();
            stream.read_to_string(&mut text)?;
            stream.write_all(text.as_bytes())?;
            stream.shutdown_mut()
        });
        let mut client = connector.connect("localhost", client).unwrap();
        assert_eq!(ask(&mut client, "inside"), "");
        server.join().unwrap().unwrap();
    });
}

#[test]
fn ready_configurations_are_taken() {
    within(LONG, || {
        use greenloop::net::tls::rustls::{ClientConfig, ServerConfig, crypto::ring};
        let authority = Authority::new();
        let provider = Arc::new(ring::default_provider());
        let server = ServerConfig::builder_with_provider(provider.clone());
        let (chain, key) = authority.der("localhost");
        let server = server.with_safe_default_protocol_versions().unwrap();
        let server = server.with_no_client_auth().with_single_cert(chain, key);
        let client = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(authority.store())
            .with_no_client_auth();
        let acceptor = TlsAcceptor::from(Arc::new(server.unwrap()));
        let connector = TlsConnector::from(Arc::new(client));
        let (client, server) = shake(&connector, "localhost", &acceptor);
        client.unwrap();
        server.unwrap();
    });
}

#[test]
fn a_handshake_fits_into_a_small_stack() {
    within(LONG, || {
        let authority = Authority::new();
        let (acceptor, connector) = (authority.acceptor(), authority.connector());
        let (ours, theirs) = UnixStream::pair().unwrap();
        let small = || Builder::new().stack_size(128 << 10);
        let server = small().spawn(move || acceptor.accept(theirs).map(drop));
        let client = small().spawn(move || connector.connect("localhost", ours).map(drop));
        client.unwrap().join().unwrap().unwrap();
        server.unwrap().join().unwrap().unwrap();
    });
}

#[test]
fn the_stream_underneath_comes_back() {
    within(LONG, || {
        let (mut client, server) = Authority::new().pair();
        client.get_mut().shutdown(Shutdown::Write).unwrap();
        let mut plain = server.into_inner();
        plain.write_all(b"in the open").unwrap();
        drop(plain);
        let mut bytes = Vec::new();
        client.into_inner().read_to_end(&mut bytes).unwrap();
        assert!(bytes.ends_with(b"in the open")); // there were tickets before
    });
}
