//! TLS: what is refused and in which words: certificates, versions, protocols, peers that are none.

use std::io::{self, ErrorKind, Read, Write};
use std::sync::Arc;
use std::time::Duration;

use greenloop::net::tls::rustls::version::TLS12;
use greenloop::net::tls::rustls::{self, ClientConfig, crypto::ring};
use greenloop::net::tls::{Identity, Roots, TlsAcceptor, TlsConnector, TlsVersion};
use greenloop::net::unix::UnixStream;
use greenloop::spawn;
use rcgen::{CertificateParams, date_time_ymd};

use crate::authority::{Authority, Stream, shake};
use crate::everywhere::everywhere;
use crate::within::{LONG, within};

/// Fails unless the result is an error of this kind whose text has all these words.
#[track_caller]
fn assert_refused<T>(result: io::Result<T>, kind: ErrorKind, words: &[&str]) -> io::Error {
    let Err(error) = result else {
        panic!("not refused: {words:?}");
    };
    let text = error.to_string();
    assert_eq!(error.kind(), kind, "{text}");
    for word in words {
        assert!(text.contains(word), "'{word}' is not in: {text}");
    }
    error
}

#[track_caller]
fn assert_invalid<T>(result: io::Result<T>, words: &[&str]) -> io::Error {
    assert_refused(result, ErrorKind::InvalidData, words)
}

#[test]
fn an_expired_certificate_is_refused() {
    everywhere(|| {
        let authority = Authority::new();
        let mut params = CertificateParams::new(["localhost".to_owned()]).unwrap();
        params.not_before = date_time_ymd(2001, 1, 1);
        params.not_after = date_time_ymd(2002, 1, 1);
        let (chain, key) = authority.sign(params);
        let acceptor = TlsAcceptor::new(Identity::from_pem(chain, key).unwrap()).unwrap();
        let (client, server) = shake(&authority.connector(), "localhost", &acceptor);
        let error = assert_invalid(client, &["'localhost'", "certificate", "expired"]);
        assert_invalid(server, &["a client", "alert", "CertificateExpired"]);
        let cause = error.get_ref().unwrap().source().unwrap();
        let cause = cause.downcast_ref::<rustls::Error>().unwrap();
        assert!(matches!(cause, rustls::Error::InvalidCertificate(_)));
    });
}

#[test]
fn another_name_and_another_authority_are_refused() {
    within(LONG, || {
        let (authority, stranger) = (Authority::new(), Authority::new());
        let acceptor = authority.acceptor();
        let (client, server) = shake(&authority.connector(), "example.org", &acceptor);
        assert_invalid(client, &["'example.org'", "localhost"]);
        assert_invalid(server, &["alert"]);
        let (client, _) = shake(&authority.connector(), "127.0.0.1", &acceptor);
        assert_invalid(client, &["'127.0.0.1'"]);
        let (client, server) = shake(&stranger.connector(), "localhost", &acceptor);
        assert_invalid(client, &["UnknownIssuer"]);
        assert_invalid(server, &["alert"]);
    });
}

#[test]
fn a_server_shows_the_certificate_of_the_name_that_is_asked_for() {
    within(LONG, || {
        let authority = Authority::new();
        let acceptor = TlsAcceptor::builder(authority.identity("a.example"))
            .identity_for("b.example", authority.identity("b.example"))
            .identity_for("*.c.example", authority.identity("*.c.example"))
            .build()
            .unwrap();
        let shown = |connector: &TlsConnector, name| {
            let (client, server) = shake(connector, name, &acceptor);
            let heard = server.map(|server| server.server_name());
            client.map(|client| (client.peer_certificates(), heard.unwrap()))
        };
        let connector = authority.connector();
        for name in ["a.example", "b.example", "B.Example", "x.c.example"] {
            let heard = shown(&connector, name).unwrap().1.unwrap();
            assert_eq!(heard, name.to_ascii_lowercase());
        }
        let others = ["c.example", "x.y.c.example", "d.example"];
        for name in others {
            assert_invalid(shown(&connector, name), &[name, "a.example"]); // the first one's
        }
        let silent = TlsConnector::builder().roots(authority.roots()).sni(false);
        let silent = silent.build().unwrap();
        assert_eq!(shown(&silent, "a.example").unwrap().1, None);
        assert_invalid(shown(&silent, "b.example"), &["a.example"]);
    });
}

#[test]
fn an_alpn_protocol_is_the_servers_choice_of_the_clients() {
    within(LONG, || {
        let authority = Authority::new();
        let server = |names: &[&str]| {
            let builder = TlsAcceptor::builder(authority.identity("localhost"));
            builder.alpn(names).build().unwrap()
        };
        let client = |names: &[&str]| {
            let builder = TlsConnector::builder().roots(authority.roots());
            builder.alpn(names).build().unwrap()
        };
        let agreed = |ours: &[&str], theirs: &[&str]| {
            let (client, server) = shake(&client(ours), "localhost", &server(theirs));
            let (client, server) = (client.unwrap(), server.unwrap());
            assert_eq!(client.alpn_protocol(), server.alpn_protocol());
            client
                .alpn_protocol()
                .map(|name| String::from_utf8(name).unwrap())
        };
        let both = ["h2", "http/1.1"];
        assert_eq!(
            agreed(&both, &["http/1.1", "h2"]).as_deref(),
            Some("http/1.1")
        );
        assert_eq!(agreed(&["h2"], &both).as_deref(), Some("h2"));
        assert_eq!(agreed(&[], &both), None);
        assert_eq!(agreed(&both, &[]), None);
        let (client, server) = shake(&client(&["ftp"]), "localhost", &server(&both));
        assert_invalid(client, &["expected ALPN 'ftp'"]);
        assert_invalid(server, &["expected ALPN 'h2' or 'http/1.1'"]);
    });
}

#[test]
fn clients_prove_who_they_are() {
    within(LONG, || {
        let (authority, stranger) = (Authority::new(), Authority::new());
        let server = || TlsAcceptor::builder(authority.identity("localhost"));
        let strict = server().require_client(authority.roots()).build().unwrap();
        let lax = server().ask_client(authority.roots()).build().unwrap();
        let client = |identity: Option<Identity>| {
            let builder = TlsConnector::builder().roots(authority.roots());
            identity
                .map_or(builder.clone(), |identity| builder.identity(identity))
                .build()
                .unwrap()
        };
        let known = client(Some(authority.identity("staff")));
        let unknown = client(Some(stranger.identity("staff")));
        let nobody = client(None);
        for acceptor in [&strict, &lax] {
            let (_client, server) = shake(&known, "localhost", acceptor);
            assert_eq!(server.unwrap().peer_certificates().len(), 1);
            let (client, server) = shake(&unknown, "localhost", acceptor);
            assert_invalid(server, &["a client", "UnknownIssuer"]);
            assert_hears(client, "UnknownCA");
        }
        let (client, server) = shake(&nobody, "localhost", &strict);
        assert_invalid(server, &["a client", "no certificates"]);
        assert_hears(client, "CertificateRequired");
        let (client, server) = shake(&nobody, "localhost", &lax);
        assert!(client.is_ok() && server.unwrap().peer_certificates().is_empty());
    });
}

/// With TLS 1.3 a client is done before the server has looked at its certificate.
#[track_caller]
fn assert_hears(client: io::Result<Stream>, alert: &str) {
    assert_invalid(
        client.and_then(|mut client| client.read(&mut [0; 1])),
        &[alert],
    );
}

#[test]
fn too_old_a_version_is_refused() {
    within(LONG, || {
        let authority = Authority::new();
        let acceptor = TlsAcceptor::builder(authority.identity("localhost"));
        let acceptor = acceptor.min_version(TlsVersion::Tls13).build().unwrap();
        let old = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_protocol_versions(&[&TLS12])
            .unwrap()
            .with_root_certificates(authority.store())
            .with_no_client_auth();
        let old = TlsConnector::from(Arc::new(old));
        let (client, server) = shake(&old, "localhost", &acceptor);
        assert_invalid(client, &["another version"]);
        assert_invalid(server, &["expected a later version of TLS"]);
        let (client, server) = shake(&old, "localhost", &authority.acceptor());
        assert_eq!(client.unwrap().protocol_version(), TlsVersion::Tls12);
        assert_eq!(server.unwrap().protocol_version(), TlsVersion::Tls12);
    });
}

#[test]
fn plain_text_is_named_as_such() {
    everywhere(|| {
        let authority = Authority::new();
        let (mut ours, theirs) = UnixStream::pair().unwrap();
        ours.write_all(b"GET / HTTP/1.1\r\n\r\n").unwrap();
        let error = authority.acceptor().accept(theirs).map(drop);
        assert_invalid(
            error,
            &["a client", "expected TLS", "\"GET / HTTP/1.1\\r\\n\""],
        );

        let (ours, mut theirs) = UnixStream::pair().unwrap();
        theirs.write_all(b"220 mail.example ESMTP\r\n").unwrap();
        let error = authority.connector().connect("localhost", ours).map(drop);
        assert_invalid(error, &["'localhost'", "expected TLS", "220 mail.example"]);
    });
}

#[test]
fn a_silent_peer_is_given_up() {
    everywhere(|| {
        let limit = Duration::from_millis(30);
        let authority = Authority::new();
        let acceptor = TlsAcceptor::builder(authority.identity("localhost"));
        let acceptor = acceptor.handshake_timeout(limit).build().unwrap();
        let connector = TlsConnector::builder().roots(authority.roots());
        let connector = connector.handshake_timeout(limit).build().unwrap();
        let words = ["handshake", "30ms"];
        for head in [&[][..], &[22, 3, 1, 2, 0, 1]] {
            let (mut ours, theirs) = UnixStream::pair().unwrap();
            ours.write_all(head).unwrap();
            assert_refused(acceptor.accept(theirs), ErrorKind::TimedOut, &words);
            let (ours, mut theirs) = UnixStream::pair().unwrap();
            theirs.write_all(head).unwrap();
            let result = connector.connect("localhost", ours);
            assert_refused(result, ErrorKind::TimedOut, &words);
        }
    });
}

#[test]
fn a_peer_that_is_gone_in_mid_handshake_is_a_cut() {
    everywhere(|| {
        let authority = Authority::new();
        for head in [&[][..], &[22, 3, 1, 2, 0, 1]] {
            let (mut ours, theirs) = UnixStream::pair().unwrap();
            ours.write_all(head).unwrap();
            drop(ours);
            let result = authority.acceptor().accept(theirs);
            assert_refused(result, ErrorKind::UnexpectedEof, &["a client", "ended"]);
        }
        let (ours, mut theirs) = UnixStream::pair().unwrap();
        let server = spawn(move || theirs.read(&mut [0; 100]).map(drop)); // and closes
        let error = authority
            .connector()
            .connect("localhost", ours)
            .unwrap_err();
        let kinds = [ErrorKind::UnexpectedEof, ErrorKind::ConnectionReset];
        assert!(kinds.contains(&error.kind()), "{error}");
        server.join().unwrap().unwrap();
    });
}

#[test]
fn bytes_that_nobody_encrypted_end_the_connection_and_the_peer_hears_why() {
    within(LONG, || {
        let (mut client, mut server) = Authority::new().pair();
        client.write_all(b"well").unwrap();
        client.get_mut().write_all(&[23, 3, 3, 0, 20]).unwrap();
        client.get_mut().write_all(&[0; 20]).unwrap();
        let mut text = [0; 4];
        server.read_exact(&mut text).unwrap(); // what came before is good
        assert_eq!(&text, b"well");
        for _ in 0..2 {
            let error = server.read(&mut text).map(drop);
            assert_invalid(error, &["the TLS connection failed", "decrypt"]);
        }
        assert_invalid(client.read(&mut text).map(drop), &["alert", "BadRecordMac"]);
    });
}

#[test]
fn bad_input_is_named() {
    within(LONG, || {
        let authority = Authority::new();
        let refused = |result: io::Result<()>, words: &[&str]| {
            assert_refused(result, ErrorKind::InvalidInput, words);
        };
        let (chain, key) = authority.papers("localhost");
        let other = authority.papers("localhost").1;
        let identity = |chain: &str, key: &str| Identity::from_pem(chain, key).map(drop);
        refused(identity("", &key), &["certificate", "found none"]);
        refused(identity(&chain, &chain), &["private key", "found none"]);
        refused(identity(&chain, &other), &["KeyMismatch"]);
        refused(identity(&chain[..100], &key), &["certificate"]);
        refused(
            Roots::from_pem("nothing").map(drop),
            &["certificate", "found none"],
        );
        let nowhere = Roots::from_file("no/such/file.pem");
        assert_refused(nowhere, ErrorKind::NotFound, &["no/such/file.pem"]);

        let (ours, _theirs) = UnixStream::pair().unwrap();
        let connect = |name| authority.connector().connect(name, &ours).map(drop);
        refused(
            connect("not a name"),
            &["'not a name'", "expected a DNS name"],
        );
        refused(connect(""), &["''"]);

        let client = || TlsConnector::builder().roots(authority.roots());
        let long = "x".repeat(256);
        refused(client().alpn([""]).build().map(drop), &["''", "1 to 255"]);
        refused(client().alpn([&long]).build().map(drop), &[&long]);
        refused(
            client().handshake_timeout(Duration::ZERO).build().map(drop),
            &["0 duration"],
        );
        let server = || TlsAcceptor::builder(authority.identity("localhost"));
        let of_other = server().identity_for("b.example", authority.identity("c.example"));
        refused(of_other.build().map(drop), &["'b.example'", "c.example"]);
        let of_none = server().identity_for("b example", authority.identity("c.example"));
        refused(of_none.build().map(drop), &["'b example'"]);
        refused(server().alpn([""]).build().map(drop), &["''"]);
    });
}
