//! The end of the process when the runtime itself is broken: said, not left to undefined behaviour.

use std::io::Write;

/// Says `what` went wrong on standard error and aborts.
pub(crate) fn abort(what: std::fmt::Arguments<'_>) -> ! {
    // Nothing more can be done if even that fails.
    let _ = writeln!(std::io::stderr(), "greenloop: {what}; aborting");
    std::process::abort()
}

/// Aborts when it is dropped by a panic: in the code that it names there is nobody who could handle one.
pub(crate) struct OnUnwind(pub(crate) &'static str);

impl Drop for OnUnwind {
    fn drop(&mut self) {
        if std::thread::panicking() {
            abort(format_args!(
                "internal error: a panic in {}, which is a bug",
                self.0
            ));
        }
    }
}
