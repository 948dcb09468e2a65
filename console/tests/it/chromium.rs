//! `Chromium`: a real browser without a screen, driven by the DevTools protocol.

use std::env;
use std::io::{BufRead, BufReader};
use std::net::TcpStream;
use std::path::Path;
use std::process::{self, Child, Command, Stdio};
use std::time::{Duration, Instant};

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde_json::{Value, json};
use tungstenite::{Message, WebSocket};

use crate::within::LONG;

/// Runs a browser until its input ends, as it does with this process, however that ends: one that
/// was left would hold its profile. Its children may write there for a moment longer.
const KEEPER: &str = r#"
    trap : HUP INT TERM
    profile=$1
    shift
    "$@" --user-data-dir="$profile" </dev/null &
    read -r _
    kill -KILL $!
    wait
    for try in 1 2 3 4 5 6 7 8 9 10; do
        ! rm -rf "$profile" 2>/dev/null || break
        sleep 0.1
    done
"#;

/// A browser with one page. It ends with this.
pub(crate) struct Chromium {
    keeper: Child,
    socket: WebSocket<TcpStream>,
    /// Which page is meant, once there is one.
    session: Option<Value>,
    /// Where a button was pressed last.
    pointer: Value,
    last: u64,
}

impl Chromium {
    /// Starts one; none if none is installed.
    pub(crate) fn start(name: &str) -> Option<Chromium> {
        let path = env::var_os("PATH").unwrap_or_default();
        if !env::split_paths(&path).any(|it| it.join("chromium").exists()) {
            return None;
        }
        let mut keeper = keeper(name).spawn().unwrap();
        let socket = connect(&mut keeper);
        let mut browser = Chromium {
            keeper,
            socket,
            session: None,
            pointer: Value::Null,
            last: 0,
        };
        let page = browser.call("Target.createTarget", json!({ "url": "about:blank" }));
        let which = json!({ "targetId": page["targetId"], "flatten": true });
        let session = browser.call("Target.attachToTarget", which)["sessionId"].clone();
        browser.session = Some(session);
        Some(browser)
    }

    /// Opens an address in the page.
    pub(crate) fn open(&mut self, address: &str) {
        self.call("Page.navigate", json!({ "url": address }));
        self.until("document.readyState === 'complete'");
    }

    /// What an expression of JavaScript is worth in the page.
    #[track_caller]
    pub(crate) fn value(&mut self, expression: &str) -> Value {
        let parameters = json!({ "expression": expression, "returnByValue": true });
        let result = self.call("Runtime.evaluate", parameters);
        assert!(
            result["exceptionDetails"].is_null(),
            "{expression}: {result}"
        );
        result["result"]["value"].clone()
    }

    /// Waits until an expression of JavaScript is true.
    #[track_caller]
    pub(crate) fn until(&mut self, expression: &str) {
        let start = Instant::now();
        while self.value(expression) != true {
            if start.elapsed() > LONG {
                let page = self.value("document.body.innerText");
                panic!(
                    "never true: {expression}; the page shows:\n{}",
                    page.as_str().unwrap()
                );
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Clicks where the first element that the selector finds is seen.
    #[track_caller]
    pub(crate) fn click(&mut self, selector: &str) {
        self.press(selector);
        self.release();
    }

    /// The first half of a click.
    #[track_caller]
    pub(crate) fn press(&mut self, selector: &str) {
        let center = format!(
            "(() => {{ const it = document.querySelector({selector:?});
             it.scrollIntoView({{ block: 'center' }}); const box = it.getBoundingClientRect();
             return [box.x + box.width / 2, box.y + box.height / 2]; }})()"
        );
        self.pointer = self.value(&center);
        self.button("mousePressed");
    }

    /// The other half, at the same place.
    pub(crate) fn release(&mut self) {
        self.button("mouseReleased");
    }

    fn button(&mut self, kind: &str) {
        let (x, y) = (&self.pointer[0], &self.pointer[1]);
        let event = json!({ "type": kind, "x": x, "y": y, "button": "left", "clickCount": 1 });
        self.call("Input.dispatchMouseEvent", event);
    }

    /// Types text into the element that has the focus.
    pub(crate) fn write(&mut self, text: &str) {
        self.call("Input.insertText", json!({ "text": text }));
    }

    /// What is seen, as a PNG.
    pub(crate) fn picture(&mut self) -> Vec<u8> {
        let result = self.call("Page.captureScreenshot", json!({ "format": "png" }));
        BASE64_STANDARD
            .decode(result["data"].as_str().unwrap())
            .unwrap()
    }

    #[track_caller]
    fn call(&mut self, method: &str, parameters: Value) -> Value {
        self.last += 1;
        let mut call = json!({ "id": self.last, "method": method, "params": parameters });
        if let Some(session) = &self.session {
            call["sessionId"] = session.clone();
        }
        self.socket.send(Message::text(call.to_string())).unwrap();
        loop {
            let message = self.socket.read().unwrap().into_text().unwrap();
            let message: Value = serde_json::from_str(&message).unwrap();
            if message["id"] == self.last {
                assert!(message["error"].is_null(), "{method}: {message}");
                return message["result"].clone();
            }
        }
    }
}

/// What keeps a browser whose profile is called so.
fn keeper(name: &str) -> Command {
    // Another run may be under way.
    let profile = format!("chromium-{name}-{}", process::id());
    let profile = Path::new(env!("CARGO_TARGET_TMPDIR")).join(profile);
    let mut command = Command::new("sh");
    command.args(["-c", KEEPER, "sh"]).arg(profile);
    command.args([
        "chromium",
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        "--disable-dev-shm-usage",
        "--no-first-run",
        "--disable-extensions",
        "--disable-background-networking",
        "--remote-debugging-port=0",
        "--window-size=1160,700",
        "about:blank",
    ]);
    command.stdin(Stdio::piped()).stdout(Stdio::null());
    command.stderr(Stdio::piped());
    command
}

/// Finds out where a browser that has just started listens.
fn connect(keeper: &mut Child) -> WebSocket<TcpStream> {
    let lines = BufReader::new(keeper.stderr.take().unwrap()).lines();
    let mut said = lines.map_while(Result::ok);
    let mark = "DevTools listening on ";
    let line = said
        .find(|line| line.starts_with(mark))
        .expect("the browser listens");
    // Whatever else it says is read, so that it never waits for that.
    std::thread::spawn(move || said.for_each(drop));
    let url = &line[mark.len()..];
    let address = url.split('/').nth(2).unwrap();
    let stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(LONG)).unwrap();
    tungstenite::client(url, stream).unwrap().0
}

impl Drop for Chromium {
    fn drop(&mut self) {
        drop(self.keeper.stdin.take());
        let _ = self.keeper.wait();
    }
}
