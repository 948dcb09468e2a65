//! The page in a real browser: it is loaded, filtered, clicked, and watched.

use std::sync::Arc;
use std::time::Duration;

use greenloop::net::TcpListener;
use greenloop::sync::{Event, Mutex, mpsc};
use greenloop::{Builder, JoinHandle, inspect};

use crate::child::{Child, this_test};
use crate::chromium::Chromium;
use crate::client::Client;
use crate::deadlocks::{deadlock_of, two_locks};
use crate::within::LONG;

const TOKEN: &str = "0123456789abcdef";

#[track_caller]
fn named(name: &str, f: impl FnOnce() + Send + 'static) -> JoinHandle<()> {
    Builder::new().name(name.into()).spawn(f).unwrap()
}

fn waiting(name: &str, event: &Arc<Event>) -> JoinHandle<()> {
    let event = Arc::clone(event);
    named(name, move || event.wait())
}

/// How many rows the list shows.
const ROWS: &str = "document.querySelectorAll('#list tbody tr').length";

#[test]
fn the_page_is_filtered_opened_and_watched() {
    let Some(mut browser) = Chromium::start("watch") else {
        return println!("skipped: there is no chromium here");
    };
    let client = Client::new();
    let (first, rest) = (Arc::new(Event::new()), Arc::new(Event::new()));
    let watched = waiting("watched in the browser", &first);
    let others: Vec<_> = (0..5)
        .map(|_| waiting("beside it in the browser", &rest))
        .collect();
    client.rows("q=in+the+browser&for=Event", 6);

    browser.open(&format!("http://{}/", client.0));
    browser.until(&format!("{ROWS} >= 6"));
    browser.until("document.getElementById('numbers').textContent.includes('green threads')");
    browser.click("#text");
    browser.write("watched in the browser");
    browser.until(&format!("{ROWS} === 1"));

    browser.click("#list tbody tr");
    browser.until("document.getElementById('backtrace').textContent.includes('greenloop')");
    let title = browser.value("document.querySelector('#story h2').textContent");
    assert!(
        title.as_str().unwrap().contains("'watched in the browser'"),
        "{title}"
    );
    let seen = browser.value("document.getElementById('changes').textContent");
    assert!(
        seen.as_str()
            .unwrap()
            .contains("Event: waiting for the event at"),
        "{seen}"
    );

    first.set();
    watched.join().unwrap();
    browser.until("document.querySelector('#story h2').textContent.endsWith('has ended')");
    browser.until(&format!("{ROWS} === 0"));
    assert_eq!(
        browser.value("document.getElementById('trouble').hidden"),
        true
    );
    rest.set();
    greenloop::joinall(others);
}

/// From now on the page asks only when it is told to, holds for as long as a button is held, and
/// counts the lists that it has got: one is drawn in the same turn, unless it is held.
const BY_HAND: &str = "(() => {
    const [later, own] = [setTimeout, fetch];
    document.getElementById('live').checked = false;
    window.setTimeout = (f, after) => after ? 0 : later(f);
    window.fetch = async (...question) => {
        const answer = await own(...question);
        const read = answer.json.bind(answer);
        answer.json = async () => {
            const it = await read();
            if (String(question[0]).includes('api/threads')) later(() => { window.lists += 1; });
            return it;
        };
        return answer;
    };
    return true;
})()";

#[test]
fn a_row_stays_under_a_button_that_is_held() {
    let Some(mut browser) = Chromium::start("held") else {
        return println!("skipped: there is no chromium here");
    };
    let client = Client::new();
    let end = Arc::new(Event::new());
    let first = waiting("first of the held", &end);
    client.rows("q=of+the+held&for=Event", 1);
    browser.open(&format!("http://{}/", client.0));
    browser.value(BY_HAND);
    browser.click("#text");
    browser.write("of the held");
    // Each waits for the one before: nothing is under way any more.
    browser.value("refresh().then(() => setTimeout(() => { window.lists = 0; })); true");
    browser.until(&format!("window.lists === 0 && {ROWS} === 1"));

    browser.press("#list tbody tr");
    let second = waiting("second of the held", &end);
    client.rows("q=of+the+held&for=Event", 2);
    browser.value("refresh(); true");
    browser.until("window.lists === 1");
    assert_eq!(browser.value(ROWS), 1, "it is held");
    browser.release();
    browser.until("document.querySelector('#story h2').textContent.includes('first of the held')");
    browser.until(&format!("{ROWS} === 2"));
    end.set();
    greenloop::joinall([first, second]);
}

#[test]
fn every_view_is_drawn() {
    let Some(mut browser) = Chromium::start("views") else {
        return println!("skipped: there is no chromium here");
    };
    let client = Client::new();
    let end = Arc::new(Event::new());
    let inner = Arc::clone(&end);
    let parent = named("above in the tree", move || {
        let below = waiting("below in the tree", &inner);
        below.join().unwrap();
    });
    let id = client.rows("q=above+in+the+tree&for=join", 1)[0]["id"].clone();
    browser.open(&format!("http://{}/", client.0));

    browser.click("[data-view=tree]");
    browser.until(&format!(
        "document.querySelector('[data-branch=\"{id}\"]') !== null"
    ));
    assert_eq!(
        browser
            .value("document.querySelector('#tree').textContent.includes(\"'below in the tree'\")"),
        false
    );
    browser.click(&format!("[data-branch='{id}']"));
    browser.until("document.querySelector('#tree').textContent.includes(\"'below in the tree'\")");

    browser.click("[data-view=workers]");
    browser.until("document.querySelectorAll('#workers tbody tr').length > 0");
    browser.until(
        "document.querySelector('#history polyline').getAttribute('points').split(' ').length > 2",
    );
    browser.click("[data-view=waits]");
    browser.until(&format!(
        "document.querySelector('#graph').textContent.includes('green thread {id}')"
    ));
    browser.click("[data-view=sites]");
    browser.until("document.querySelector('#sites').textContent.includes('browser.rs:')");
    browser.click("#sites tr[data-place*='browser.rs']");
    browser.until("document.getElementById('place').value.includes('browser.rs:')");
    end.set();
    parent.join().unwrap();
}

#[test]
fn the_numbers_of_the_workers_are_drawn() {
    let Some(mut browser) = Chromium::start("metrics") else {
        return println!("skipped: there is no chromium here");
    };
    let client = Client::new();
    browser.open(&format!("http://{}/", client.0));
    browser.click("[data-view=metrics]");
    browser.until("document.querySelectorAll('#metrics tbody tr').length > 1");
    let last = "[...document.querySelector('#metrics tbody tr:last-child').cells]\
                .map((it) => it.textContent)";
    // The second look has a rate.
    browser.until(&format!("{last}[0] === 'all' && /^\\d+$/.test({last}[2])"));
    browser.until(&format!("/^\\d+ %$/.test({last}[1])"));
    assert_eq!(
        browser.value("document.querySelectorAll('#latency rect.bar').length"),
        24
    );
    browser.until("document.querySelector('#metrics dl').textContent.includes('blocking pool')");
    greenloop::joinall(
        (0..100).map(|_| greenloop::spawn(|| (0..100).for_each(|_| greenloop::yield_now()))),
    );
    let heights = "[...document.querySelectorAll('#latency rect.bar')]\
                   .map((it) => Number(it.getAttribute('height')))";
    browser.until(&format!("Math.max(...{heights}) === 120"));
    browser.until("!document.querySelector('#latency').textContent.includes('NaN')");
}

#[test]
fn a_deadlock_stands_above_everything_while_it_lasts() {
    Child::new(this_test!()).limit(LONG).passes(|| {
        let Some(mut browser) = Chromium::start("deadlock") else {
            return println!("skipped: there is no chromium here");
        };
        let client = Client::new();
        browser.open(&format!("http://{}/", client.0));
        let [left, right] = two_locks("left in the browser", "right in the browser");
        let deadlock = deadlock_of(client, "left in the browser");
        let shown = "document.querySelector('#deadlocks').innerText";
        for member in deadlock["members"].as_array().unwrap() {
            for part in ["name", "wait", "place"] {
                browser.until(&format!("{shown}.includes({})", member[part]));
            }
        }
        browser.until(&format!(
            "{shown}.includes('2 green threads wait for each other')"
        ));

        let id = &deadlock["members"][0]["id"];
        browser.click(&format!("#deadlocks [data-open='{id}']"));
        browser.until("document.getElementById('backtrace').textContent.includes('two_locks')");
        browser.click("#close");
        browser.click("[data-view=waits]");
        browser.until(&format!(
            "document.querySelector('#graph rect.deadlocked[data-open=\"{id}\"]') !== null"
        ));
        assert_eq!(
            browser.value("document.querySelectorAll('#graph path.deadlocked').length >= 2"),
            true
        );
        left.kill();
        right.join().unwrap();
        browser.until(&format!("!{shown}.includes('in the browser')"));
        let reports = "document.querySelector('#reports').textContent";
        browser.until(&format!(
            "{reports}.includes('has ended') && {reports}.includes('right in the browser')"
        ));
    });
}

#[test]
fn a_name_that_is_markup_stays_a_name() {
    let Some(mut browser) = Chromium::start("markup") else {
        return println!("skipped: there is no chromium here");
    };
    let client = Client::new();
    let end = Arc::new(Event::new());
    let name =
        "<img src=x onerror='document.title=`harmed`'><script>document.title='harmed'</script>";
    let harmful = waiting(name, &end);
    client.rows("q=onerror&for=Event", 1);
    browser.open(&format!("http://{}/", client.0));
    browser.click("#text");
    browser.write("onerror");
    browser.until(&format!("{ROWS} === 1"));
    browser.click("#list tbody tr");
    browser.until("document.querySelector('#story h2').textContent.includes('<script>')");
    browser.click("[data-view=tree]");
    browser.until("document.querySelector('#tree').textContent.includes('onerror')");
    assert_eq!(
        browser.value("document.images.length + document.scripts.length"),
        1
    );
    assert_eq!(browser.value("document.title"), "Greenloop");
    end.set();
    harmful.join().unwrap();
}

#[test]
fn the_token_comes_with_the_address_and_goes_from_it() {
    let Some(mut browser) = Chromium::start("token") else {
        return println!("skipped: there is no chromium here");
    };
    let serving = inspect::console()
        .token(TOKEN)
        .serve("127.0.0.1:0")
        .unwrap();
    browser.open(&format!("http://{}/#token={TOKEN}", serving.local_addr()));
    browser.until("document.getElementById('numbers').textContent.includes('green threads')");
    assert!(
        !browser
            .value("location.href")
            .as_str()
            .unwrap()
            .contains("token")
    );
}

/// Makes the pictures of the README: `cargo test -p greenloop-console pictures -- --ignored`.
#[test]
#[ignore = "writes into the source"]
fn pictures() {
    let mut browser = Chromium::start("pictures").expect("chromium");
    let serving = inspect::serve("127.0.0.1:0").unwrap();
    shop();
    browser.open(&format!("http://{}/", serving.local_addr()));
    browser.until("document.querySelectorAll('#list tbody tr').length > 20");
    browser.click("#text");
    browser.write("customer 3");
    browser.until(&format!("{ROWS} > 0 && {ROWS} < 12"));
    browser.click("#list tbody tr");
    browser.until("document.getElementById('backtrace').textContent.includes('greenloop')");
    // No path of a machine is to be seen.
    let root = concat!(env!("CARGO_MANIFEST_DIR"), "/").replace("console/", "");
    let hide = format!(
        "const it = document.getElementById('backtrace'); \
         it.textContent = it.textContent.replaceAll('{root}', ''); true"
    );
    browser.value(&hide);
    keep(&mut browser, "green_thread.png");
    browser.click("#close");
    browser.click("[data-view=waits]");
    browser.until("document.querySelectorAll('#graph rect').length > 8");
    keep(&mut browser, "waits.png");
    browser.click("[data-view=metrics]");
    greenloop::joinall(
        (0..200).map(|_| greenloop::spawn(|| (0..1000).for_each(|_| greenloop::yield_now()))),
    );
    browser
        .until("/^\\d+$/.test(document.querySelector('#metrics tbody tr').cells[2].textContent)");
    keep(&mut browser, "metrics.png");
    let [left, right] = two_locks("Ada", "Bob");
    browser.click("[data-view=waits]");
    browser.until("document.querySelectorAll('#graph path.deadlocked').length === 2");
    keep(&mut browser, "deadlock.png");
    left.kill();
    right.join().unwrap();
}

/// A program with something to see.
fn shop() {
    let till = Arc::new(Mutex::new(0));
    let (orders, desk) = mpsc::channel::<u32>();
    let counter = Arc::clone(&till);
    let cashier = named("cashier", move || {
        let _open = counter.lock().unwrap();
        greenloop::sleep(Duration::from_secs(600));
    });
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    named("door", move || drop(listener.accept()));
    named("kitchen", move || desk.iter().for_each(drop));
    named("manager", move || drop((cashier.join(), orders)));
    greenloop::sleep(Duration::from_millis(300));
    for nth in 0..40 {
        let till = Arc::clone(&till);
        named(&format!("customer {nth}"), move || {
            *till.lock().unwrap() += nth
        });
    }
    greenloop::sleep(Duration::from_secs(2));
}

fn keep(browser: &mut Chromium, name: &str) {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("pictures")
        .join(name);
    std::fs::write(path, browser.picture()).unwrap();
}
