//! One connection: question after question, each answered in turn.

use std::io;
use std::time::Duration;

use greenloop_runtime::timeout;

use crate::guests::Guest;
use crate::request::{Head, Request};
use crate::routes::Routes;

/// How long a question may be on its way, which is as long as a connection may be idle.
const PATIENCE: Duration = Duration::from_secs(30);

/// Answers until the other side closes, says something that is no question, or is too slow.
pub(crate) fn serve(guest: &Guest<'_>, routes: &Routes) -> io::Result<()> {
    let stream = &*guest.stream;
    stream.set_nodelay(true)?;
    stream.set_write_timeout(Some(PATIENCE))?;
    let mut received = Vec::new();
    loop {
        let head = timeout(PATIENCE, || Request::read(stream, &mut received));
        let (answer, keeps) = match head.map_err(|_| io::ErrorKind::TimedOut)?? {
            Head::End => return Ok(()),
            Head::Bad(answer) => (answer, false),
            Head::Good(request) => {
                let keeps = request.keeps;
                (guest.answer(|| routes.answer(request)), keeps)
            }
        };
        answer.send(stream, keeps)?;
        if !keeps {
            return Ok(());
        }
    }
}
